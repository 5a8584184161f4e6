// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/uuid.h"
#include "bdev_rbd/existence.h"
#include "bdev_rbd/object_layout.h"
#include "ceph/client.h"

#include <atomic>
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
/// Opening, destroying, resizing, size(), features() and allocated_bytes() block: on plain threads only.
class image {
  public:
    struct attributes {
        std::uint64_t bytes = 0;
        object_layout layout;
        std::uint64_t discard_bytes = 0;  ///< librbd leaves out discards below this
        std::uint64_t features = 0;
        std::string id;             ///< of images of the first format, which have none, the prefix of their objects
        std::string object_prefix;  ///< "rbd_data.1234"
        bool first_format = false;
        /// librbd keeps acknowledged writes in memory until they are flushed.
        bool cache = false;
        bool fast_diff() const noexcept { return features & RBD_FEATURE_FAST_DIFF; }
        bool journaling() const noexcept { return features & RBD_FEATURE_JOURNALING; }
        /// The identity of the image, independent of who opens it by which name: fsid, pool, namespace and image id.
        std::string identity_text;
        bdev::uuid identity{};  ///< of that text
    };
    /// The image as a disk with blocks of that size: another size makes another disk, on every gateway the same.
    bdev::uuid disk_identity(std::uint32_t block_size) const;

    /// ENOENT (pool, namespace or image, the sentence says which), EPERM, …
    static core::result<std::unique_ptr<image>> open(std::shared_ptr<ceph::client> c, const image_spec& spec);
    ~image();
    image(const image&) = delete;
    image& operator=(const image&) = delete;

    rbd_image_t handle() const noexcept { return image_; }
    /// Where the image's data objects are, which may be another pool than that of its header.
    rados_ioctx_t data_io() const noexcept { return data_io_ ? data_io_ : io_; }
    std::string data_object(std::uint64_t number) const;
    const image_spec& spec() const noexcept { return spec_; }
    const attributes& info() const noexcept { return info_; }
    ceph::client& owner() const noexcept { return *client_; }
    const std::shared_ptr<ceph::client>& shared_owner() const noexcept { return client_; }
    /// The pool of its header.
    std::int64_t pool_id() const noexcept { return rados_ioctx_get_id(io_); }
    /// Whether the image is still there.
    bdev_rbd::existence& existence() const noexcept { return *existence_; }

    core::result<std::uint64_t> size() const;      ///< bytes, as the cluster has it now
    core::result<std::uint64_t> features() const;  ///< RBD_FEATURE_…, likewise
    /// Bytes of the objects that the image has of its own, as its object map says, each counted whole. ENOTSUP: it has
    /// no object map that says so, and listing the objects would take long.
    core::result<std::uint64_t> allocated_bytes() const;
    /// Ends when the cluster has done it. A shrink looks at `cancel` for each object: ECANCELED, and then the image has
    /// its old size, but what lay beyond the new one is gone in part. Not where another client owns the lock: that one
    /// shrinks.
    core::result<> resize(std::uint64_t bytes, const std::atomic<bool>& cancel);

    /// `changed(context)` is called on a thread of librbd's whenever the image's header has changed; never again once
    /// unwatch() has returned. A read-only image cannot be watched (a watch is a write): then nothing is called.
    core::result<> watch(void (*changed)(void* context), void* context);
    void unwatch();

  private:
    image(std::shared_ptr<ceph::client> c, image_spec spec) : client_(std::move(c)), spec_(std::move(spec)) {}
    core::result<> open_handle();
    core::result<> read_attributes();
    core::result<> find_settings();
    core::result<> find_data_pool();
    std::string header_object() const;
    core::result<std::uint64_t> stored_size() const;

    const std::shared_ptr<ceph::client> client_;
    const image_spec spec_;
    attributes info_;
    rados_ioctx_t io_ = nullptr;
    rados_ioctx_t data_io_ = nullptr;  ///< nullptr: it is io_
    rbd_image_t image_ = nullptr;
    std::unique_ptr<bdev_rbd::existence> existence_;
    std::uint64_t watch_ = 0;
    bool watched_ = false;
};

/// Closes an unused image on its cluster's threads, where that may block.
void close_on_cluster_threads(std::unique_ptr<image> opened);

}  // namespace causeway::bdev_rbd
