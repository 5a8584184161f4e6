// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/open_image.h"

namespace causeway::bdev_rbd {

core::task<core::result<std::unique_ptr<image>>> open_image(std::shared_ptr<ceph::client> on, image_spec spec,
                                                            ceph::deadline_call<std::unique_ptr<image>>& opening) {
    const auto limit = on->time_limit();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    core::error too_late{ETIMEDOUT,
                         "the image could not be opened within " + std::to_string(seconds) +
                             " s: the cluster does not serve its header object",
                         spec.text()};
    auto threads = on->threads();
    auto what = spec.text();
    // The client goes along: the last owner to release it must be allowed to block.
    ceph::deadline_call<std::unique_ptr<image>>::function work = [on = std::move(on), spec = std::move(spec)] {
        return image::open(on, spec);
    };
    co_return co_await opening.run(std::move(threads), std::move(what), limit, std::move(too_late), std::move(work));
}

}  // namespace causeway::bdev_rbd
