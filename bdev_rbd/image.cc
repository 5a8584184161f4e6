// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/image.h"

#include "ceph/client_cpus.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <endian.h>
#include <fmt/format.h>
#include <string_view>
#include <vector>

namespace causeway::bdev_rbd {

namespace {

tl::unexpected<core::error> failure(int r, const char* what, const std::string& about) {
    return core::fail(-r, std::string(what) + ": " + std::strerror(-r), about);
}

}  // namespace

std::string image_spec::text() const {
    return pool + "/" + (rados_namespace.empty() ? "" : rados_namespace + "/") + name;
}

core::result<image_spec> normalized(image_spec spec) {
    if (const auto slash = spec.pool.find('/'); slash != std::string::npos) {
        if (!spec.rados_namespace.empty())
            return core::fail(EINVAL, "the namespace is given twice", spec.pool);
        spec.rados_namespace = spec.pool.substr(slash + 1);
        spec.pool.resize(slash);
    }
    if (spec.pool.empty() || spec.name.empty())
        return core::fail(EINVAL, "an image has a pool and a name", spec.text());
    return spec;
}

core::result<std::unique_ptr<image>> image::open(std::shared_ptr<ceph::client> c, const image_spec& spec) {
    const ceph::scoped_cpus here(c->cpus());
    std::unique_ptr<image> i(new image(std::move(c), spec));
    if (auto r = i->open_handle(); !r)
        return tl::make_unexpected(r.error());
    if (auto r = i->read_attributes(); !r)
        return tl::make_unexpected(r.error());
    if (auto r = i->find_settings(); !r)
        return tl::make_unexpected(r.error());
    if (auto r = i->find_data_pool(); !r)
        return tl::make_unexpected(r.error());
    i->existence_ = std::make_unique<bdev_rbd::existence>(
        i->io_, i->header_object(), i->info_.first_format ? "" : i->info_.id, i->client_->watch_timeout());
    return i;
}

std::string image::data_object(std::uint64_t number) const {
    std::array<char, 24> digits;
    std::snprintf(digits.data(), digits.size(), info_.first_format ? ".%012llx" : ".%016llx",
                  static_cast<unsigned long long>(number));
    return info_.object_prefix + digits.data();
}

std::string image::header_object() const {
    return info_.first_format ? spec_.name + ".rbd" : "rbd_header." + info_.id;
}

core::result<> image::open_handle() {
    if (const int r = rados_ioctx_create(client_->handle(), spec_.pool.c_str(), &io_); r < 0)
        return r == -ENOENT ? core::fail(ENOENT, "there is no such pool", spec_.pool)
                            : failure(r, "cannot use the pool", spec_.pool);
    // Without this librados holds writes to a full pool back until there is room: the discards that would make it, too.
    rados_set_pool_full_try(io_);
    if (!spec_.rados_namespace.empty()) {
        bool exists = false;
        if (const int r = rbd_namespace_exists(io_, spec_.rados_namespace.c_str(), &exists); r == 0 && !exists)
            return core::fail(ENOENT, "the pool has no such namespace", spec_.pool + "/" + spec_.rados_namespace);
        rados_ioctx_set_namespace(io_, spec_.rados_namespace.c_str());
    }
    const auto open = spec_.read_only ? rbd_open_read_only : rbd_open;
    if (const int r = open(io_, spec_.name.c_str(), &image_, nullptr); r < 0) {
        image_ = nullptr;
        return r == -ENOENT ? core::fail(ENOENT, "there is no such image", spec_.text())
                            : failure(r, "cannot open the image", spec_.text());
    }
    return {};
}

core::result<> image::read_attributes() {
    rbd_image_info_t info{};
    std::array<char, 256> id{};
    int r = rbd_stat(image_, &info, sizeof info);
    if (r >= 0)
        r = rbd_get_stripe_unit(image_, &info_.layout.stripe_bytes);
    if (r >= 0)
        r = rbd_get_stripe_count(image_, &info_.layout.stripe_count);
    if (r >= 0)
        r = rbd_get_features(image_, &info_.features);
    if (r >= 0 && (r = rbd_get_id(image_, id.data(), id.size())) < 0)
        r = 0;  // an image of the first format has none: its prefix is as unique
    if (r < 0)
        return failure(r, "cannot read the image's header", spec_.text());

    info_.bytes = info.size;
    info_.layout.object_bytes = info.obj_size;
    info_.object_prefix = info.block_name_prefix;
    info_.first_format = !id[0];
    info_.id = info_.first_format ? info.block_name_prefix : id.data();
    info_.identity_text =
        client_->fsid() + "/" + std::to_string(rados_ioctx_get_id(io_)) + "/" + spec_.rados_namespace + "/" + info_.id;
    info_.identity = bdev::uuid_of_name(info_.identity_text);
    return {};
}

bdev::uuid image::disk_identity(std::uint32_t block_size) const {
    // Disks with blocks of 512 bytes have been known by this one since before the size was part of it.
    if (block_size == 512)
        return info_.identity;
    return bdev::uuid_of_name(info_.identity_text + "/blocks of " + std::to_string(block_size));
}

/// Settings may come from the configuration, the pool or the image itself: librbd says which hold here.
core::result<> image::find_settings() {
    int count = 0;
    int r = rbd_config_image_list(image_, nullptr, &count);
    if (r < 0 && r != -ERANGE)
        return failure(r, "cannot read the image's settings", spec_.text());
    std::vector<rbd_config_option_t> settings(static_cast<std::size_t>(count));
    if (r = rbd_config_image_list(image_, settings.data(), &count); r < 0)
        return failure(r, "cannot read the image's settings", spec_.text());
    for (int i = 0; i < count; ++i) {
        const std::string_view name = settings[static_cast<std::size_t>(i)].name;
        const char* value = settings[static_cast<std::size_t>(i)].value;
        if (name == "rbd_cache")
            info_.cache = std::string_view(value) == "true";
        else if (name == "rbd_discard_granularity_bytes")
            info_.discard_bytes = std::strtoull(value, nullptr, 10);
    }
    rbd_config_image_list_cleanup(settings.data(), count);
    return {};
}

core::result<> image::find_data_pool() {
    const std::int64_t pool = rbd_get_data_pool_id(image_);
    if (pool < 0 || pool == rados_ioctx_get_id(io_))
        return {};
    if (const int r = rados_ioctx_create2(client_->handle(), pool, &data_io_); r < 0)
        return failure(r, "cannot use the image's data pool", spec_.text());
    rados_ioctx_set_namespace(data_io_, spec_.rados_namespace.c_str());
    rados_set_pool_full_try(data_io_);
    return {};
}

image::~image() {
    const ceph::scoped_cpus here(client_->cpus());
    unwatch();
    existence_.reset();
    if (image_)
        rbd_close(image_);
    if (data_io_)
        rados_ioctx_destroy(data_io_);
    if (io_)
        rados_ioctx_destroy(io_);
}

core::result<std::uint64_t> image::size() const {
    const ceph::scoped_cpus here(client_->cpus());
    std::uint64_t bytes = 0;
    // librbd reads a changed header once, perhaps for a purpose of its own; if that fails, later calls are answered
    // from memory as if nothing were wrong. So the cluster is asked directly, too.
    const auto stored = stored_size();
    if (!stored && stored.error().code == ESHUTDOWN)
        return stored;
    if (const int r = rbd_get_size(image_, &bytes); r < 0)
        return failure(r, "cannot read the image's size", spec_.text());
    if (stored && *stored != bytes)
        return core::fail(EAGAIN,
                          fmt::format("the image has {} bytes now, and librbd still takes it for {}: try again, and if "
                                      "that stays so, delete the device and create it again",
                                      *stored, bytes),
                          spec_.text());
    return bytes;
}

/// What the header says. Of images of the first format, which store it otherwise, only whether we may read it.
core::result<std::uint64_t> image::stored_size() const {
    const std::string header = header_object();
    std::uint64_t bytes = 0;
    if (info_.first_format) {
        if (const int r = rados_stat(io_, header.c_str(), &bytes, nullptr); r < 0)
            return failure(r, "cannot read the image's header", spec_.text());
        return core::fail(ENOTSUP, "an image of the first format", spec_.text());
    }
    // In: the snapshot. Out: the order of the objects, a byte, and the size; both little-endian (cls_rbd).
    const std::uint64_t no_snapshot = htole64(LIBRADOS_SNAP_HEAD);
    char answer[1 + sizeof bytes];
    const int r = rados_exec(io_, header.c_str(), "rbd", "get_size", reinterpret_cast<const char*>(&no_snapshot),
                             sizeof no_snapshot, answer, sizeof answer);
    if (r < 0)
        return failure(r, "cannot read the image's header", spec_.text());
    if (static_cast<std::size_t>(r) < sizeof answer)
        return core::fail(EIO, "the image's header is too short", spec_.text());
    std::memcpy(&bytes, answer + 1, sizeof bytes);
    return le64toh(bytes);
}

core::result<std::uint64_t> image::features() const {
    const ceph::scoped_cpus here(client_->cpus());
    std::uint64_t features = 0;
    if (const int r = rbd_get_features(image_, &features); r < 0)
        return failure(r, "cannot read the image's features", spec_.text());
    return features;
}

core::result<std::uint64_t> image::allocated_bytes() const {
    const ceph::scoped_cpus here(client_->cpus());
    std::uint64_t flags = 0, bytes = 0;
    if (const int r = rbd_get_flags(image_, &flags); r < 0)
        return failure(r, "cannot read the image's flags", spec_.text());
    constexpr std::uint64_t invalid = RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID;
    if (!info_.fast_diff() || flags & invalid)
        return core::fail(ENOTSUP, "the image has no valid object map (rbd object-map rebuild)", spec_.text());
    if (const int r = rbd_get_size(image_, &bytes); r < 0)
        return failure(r, "cannot read the image's size", spec_.text());
    std::uint64_t allocated = 0;
    const auto add = [](std::uint64_t, std::size_t length, int exists, void* sum) {
        if (exists)
            *static_cast<std::uint64_t*>(sum) += length;
        return 0;
    };
    constexpr std::uint8_t include_parent = 0, whole_object = 1;
    if (const int r = rbd_diff_iterate2(image_, nullptr, 0, bytes, include_parent, whole_object, add, &allocated);
        r < 0)
        return failure(r, "cannot read the image's object map", spec_.text());
    return allocated;
}

core::result<> image::resize(std::uint64_t bytes, const std::atomic<bool>& cancel) {
    const ceph::scoped_cpus here(client_->cpus());
    const auto progress = [](std::uint64_t, std::uint64_t, void* cancel) {
        return static_cast<const std::atomic<bool>*>(cancel)->load() ? -ECANCELED : 0;
    };
    const int r = rbd_resize2(image_, bytes, true, progress, const_cast<std::atomic<bool>*>(&cancel));
    if (r == -ECANCELED)
        return core::fail(
            ECANCELED,
            "the shrink was cancelled: the image has its old size, but what lay beyond the new one is gone in part",
            spec_.text());
    if (r < 0)
        return failure(r, "cannot resize the image", spec_.text());
    return {};
}

core::result<> image::watch(void (*changed)(void*), void* context) {
    if (spec_.read_only)
        return {};
    const ceph::scoped_cpus here(client_->cpus());
    if (const int r = rbd_update_watch(image_, &watch_, changed, context); r < 0)
        return failure(r, "cannot watch the image", spec_.text());
    watched_ = true;
    return {};
}

void image::unwatch() {
    const ceph::scoped_cpus here(client_->cpus());
    if (watched_)
        rbd_update_unwatch(image_, watch_);
    watched_ = false;
}

void close_on_cluster_threads(std::unique_ptr<image> opened) {
    const auto threads = opened->owner().threads();
    ceph::destroy_on(*threads, std::move(opened));
}

}  // namespace causeway::bdev_rbd
