#pragma once

#include "bdev/uuid.h"
#include "bdev_rbd/client.h"
#include "bdev_rbd/existence.h"

#include <cstdint>
#include <memory>
#include <rbd/librbd.h>
#include <string>

namespace causeway::bdev_rbd {

/// Which image. A pool written "pool/namespace" means the same as both apart.
struct image_spec {
    std::string pool;
    std::string rados_namespace;
    std::string name;
    bool read_only = false;

    std::string text() const;  ///< "rbd/vm-17", "rbd/tenant/vm-17"
};
/// Splits "pool/namespace" up. EINVAL.
core::result<image_spec> normalized(image_spec spec);

/// One open handle of an image, and what was found out about it at opening.
///
/// Opening, destroying, resizing and size() block: on plain threads only.
class image {
  public:
    struct facts {
        std::uint64_t bytes = 0;
        std::uint64_t object_bytes = 0;
        std::uint64_t stripe_bytes = 0;  ///< what is contiguous in one object
        std::uint64_t stripe_count = 1;
        std::uint64_t discard_bytes = 0;  ///< librbd leaves out discards below this
        std::uint64_t features = 0;
        std::string id;  ///< of images of the first format, which have none, the prefix of their objects
        bool first_format = false;
        /// librbd keeps acknowledged writes in memory until they are flushed.
        bool cache = false;
        /// The image, whoever opens it by whatever name: from fsid, pool, namespace and image id.
        bdev::uuid identity{};
    };

    /// ENOENT (pool, namespace or image, the sentence says which), EPERM, …
    static core::result<std::unique_ptr<image>> open(std::shared_ptr<client> c, const image_spec& spec);
    ~image();
    image(const image&) = delete;
    image& operator=(const image&) = delete;

    rbd_image_t handle() const noexcept { return image_; }
    const image_spec& spec() const noexcept { return spec_; }
    const facts& about() const noexcept { return facts_; }
    client& owner() const noexcept { return *client_; }
    /// Whether the image is still there; nullptr for one that may be written: librbd's watch keeps it from being removed.
    bdev_rbd::existence* existence() const noexcept { return existence_.get(); }

    core::result<std::uint64_t> size() const;  ///< bytes, as the cluster has it now
    core::result<> resize(std::uint64_t bytes);

    /// `changed(context)` is called on a thread of librbd's whenever the image's header has changed; never again once
    /// unwatch() has returned. A read-only image cannot be watched (a watch is a write): then nothing is called.
    core::result<> watch(void (*changed)(void* context), void* context);
    void unwatch();

  private:
    image(std::shared_ptr<client> c, image_spec spec) : client_(std::move(c)), spec_(std::move(spec)) {}
    core::result<> open_handle();
    core::result<> find_out();
    core::result<> find_settings();
    std::string header_object() const;

    const std::shared_ptr<client> client_;
    const image_spec spec_;
    facts facts_;
    rados_ioctx_t io_ = nullptr;
    rbd_image_t image_ = nullptr;
    std::unique_ptr<bdev_rbd::existence> existence_;
    std::uint64_t watch_ = 0;
    bool watched_ = false;
};

/// Closes an image that nobody uses on its cluster's threads, where that may block.
void close_elsewhere(std::unique_ptr<image> opened);

}  // namespace causeway::bdev_rbd
