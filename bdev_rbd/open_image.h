// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_rbd/image.h"
#include "ceph/deadline_call.h"

namespace causeway::bdev_rbd {

/// Opens an image away from the reactors, within its client's time limit. ETIMEDOUT, EBUSY (an earlier attempt still
/// hangs), ECANCELED (by `opening`), image::open()'s errors.
core::task<core::result<std::unique_ptr<image>>> open_image(std::shared_ptr<ceph::client> on, image_spec spec,
                                                            ceph::deadline_call<std::unique_ptr<image>>& opening);

}  // namespace causeway::bdev_rbd
