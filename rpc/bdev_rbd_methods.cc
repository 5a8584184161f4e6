// SPDX-License-Identifier: Apache-2.0
// bdev_rbd_create, bdev_rbd_delete, bdev_rbd_resize.

#include "rpc/bdev_rbd_service.h"
#include "rpc/secrets.h"
#include "rpc/uuid_param.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

struct create_params {
    std::string name, pool_name, rados_namespace, namespace_name, rbd_name, cluster_name, user_id;
    std::string image_id;  ///< ours: only if the image of that name has this id
    std::uint32_t block_size = 0;
    std::optional<std::map<std::string, std::string>> config;
    std::optional<bdev::uuid> uuid;
    bool read_only = false;
};
const declaration<create_params> create_method = {
    .name = "bdev_rbd_create",
    .summary = "Opens an RBD image as a device.",
    .parameters =
        {
            optional("name", &create_params::name, "The device's name; without one, `Ceph` and a number."),
            required("pool_name", &create_params::pool_name, "The pool of the image."),
            optional("namespace", &create_params::rados_namespace, "The namespace in the pool."),
            optional("namespace_name", &create_params::namespace_name, "Another spelling of `namespace`."),
            required("rbd_name", &create_params::rbd_name, "The image."),
            required("block_size", &create_params::block_size, "Bytes in a block of the device: a power of two."),
            optional("cluster_name", &create_params::cluster_name,
                     "A client of bdev_rbd_register_cluster; without one, a client of its own."),
            optional("user_id", &create_params::user_id, "Of a client of its own: the Ceph user, without `client.`."),
            optional("config", &create_params::config,
                     "Of a client of its own: settings of librados instead of the usual files."),
            optional("uuid", &create_params::uuid, "Its UUID; without one, one made of the image."),
            optional("read_only", &create_params::read_only, "The image is opened for reading only."),
            optional("image_id", &create_params::image_id, "Only if the image of that name has this id."),
        },
    .result = name_of_device,
    .errors = {name_is_taken,
               {-EBUSY, "the image is open here already"},
               {-ENOENT, "there is no such cluster, pool or image"},
               {-ETIMEDOUT, "the cluster does not answer"}},
};

bdev_rbd::disk_params disk_of(create_params p) {
    bdev_rbd::disk_params d;
    d.name = std::move(p.name);
    d.image = {std::move(p.pool_name), std::move(p.rados_namespace), std::move(p.rbd_name), p.read_only};
    d.block_size = p.block_size;
    d.cluster_name = std::move(p.cluster_name);
    d.client.user_id = std::move(p.user_id);
    if (p.config) {  // then the usual files are left out
        d.client.read_config_file = false;
        d.client.config_param = std::move(*p.config);
        take_time_limit(d.client);
    }
    d.uuid = p.uuid;
    d.image_id = std::move(p.image_id);
    return d;
}

core::task<answer> create(bdev_rbd_service& service, create_params p) {
    if (!p.namespace_name.empty() && !p.rados_namespace.empty())
        co_return refuse_parameters("parameter 'namespace_name' is another spelling of 'namespace': one of them");
    if (!p.namespace_name.empty())  // as newer control planes have it
        p.rados_namespace = std::move(p.namespace_name);
    if (p.config) {
        if (auto refused = check_secrets(*p.config, p.pool_name + "/" + p.rbd_name))
            co_return tl::make_unexpected(std::move(*refused));
    }
    bdev_rbd::disk_params wanted = disk_of(std::move(p));
    wanted.client.on_fenced = service.on_fenced;
    const auto made = co_await service.disks.create(std::move(wanted));
    if (!made)
        co_return refuse(made.error());
    co_return json((*made)->name());
}

struct resize_params {
    std::string name;
    std::uint64_t new_size = 0;  ///< mebibytes
    // Ours: existing clients never lose data, and never grow images by mistake beyond what can be shrunk again.
    bool allow_shrink = false;
    bool force = false;
};
const declaration<resize_params> resize_method = {
    .name = "bdev_rbd_resize",
    .summary = "Changes the size of an image; hosts that use it are told.",
    .parameters =
        {
            required("name", &resize_params::name, "The device."),
            required("new_size", &resize_params::new_size,
                     "The new size, in MiB. 0: it stays, and is read again, which others may have changed.")
                .within(0, largest_size_mb),
            optional("allow_shrink", &resize_params::allow_shrink, "What is behind the new end may be lost."),
            optional("force", &resize_params::force, "A growth that looks mistyped is meant."),
        },
    .errors = {no_such_device,
               {-EINVAL, "the size is smaller, and `allow_shrink` is not given"},
               {-EROFS, "the image is open read-only"},
               {-ENOTSUP, "likewise, and `new_size` is 0"}},
};

const declaration<name_params> delete_method = {
    .name = "bdev_rbd_delete",
    .summary = "Closes an RBD image, which stays as it is; its hosts lose the device.",
    .parameters = name_field("The device."),
    .errors = {no_such_device},
};

core::task<answer> resize(bdev_rbd_service& service, resize_params p) {
    if (p.new_size == 0) {  // what control planes send after somebody else has resized the image
        const auto read = co_await service.disks.refresh_size(p.name);
        co_return ok_if(read);
    }
    // Named first: g++ 12 miscompiles braced arguments, and conditional operands, of co_await.
    const bdev_rbd::resize_request wanted{p.new_size * mebibyte, p.allow_shrink, p.force};
    const auto resized = co_await service.disks.resize(p.name, wanted);
    co_return ok_if(resized);
}

std::optional<json> config(const bdev_rbd_service& service, const bdev::device& d) {
    const auto* made_with = service.disks.params_of(d);
    if (!made_with)
        return std::nullopt;
    json params = {{"name", d.name()}, {"pool_name", made_with->image.pool}};
    if (!made_with->image.rados_namespace.empty())
        params["namespace"] = made_with->image.rados_namespace;
    params["rbd_name"] = made_with->image.name;
    params["block_size"] = made_with->block_size;
    if (!made_with->cluster_name.empty()) {
        params["cluster_name"] = made_with->cluster_name;
    } else {
        if (!made_with->client.user_id.empty())
            params["user_id"] = made_with->client.user_id;
        if (!made_with->client.read_config_file)
            params["config"] = shown_settings(made_with->client.config_param);
    }
    if (made_with->uuid)
        params["uuid"] = bdev::to_string(*made_with->uuid);
    if (made_with->image.read_only)
        params["read_only"] = true;
    params["image_id"] = made_with->image_id;  // names can be given to other images
    return saved_config::call("bdev_rbd_create", std::move(params));
}

std::optional<json> driver_specific(const bdev_rbd_service& service, const bdev::device& d) {
    const auto* disk = dynamic_cast<const bdev_rbd::rbd_device*>(&d);
    if (!disk)
        return std::nullopt;
    json rbd = {{"pool_name", disk->spec().pool}, {"rbd_name", disk->spec().name}};
    if (!disk->spec().rados_namespace.empty())
        rbd["namespace"] = disk->spec().rados_namespace;
    if (const auto* made_with = service.disks.params_of(d)) {
        if (made_with->cluster_name.empty()) {
            if (!made_with->client.user_id.empty())
                rbd["user_id"] = made_with->client.user_id;
            if (!made_with->client.read_config_file)
                rbd["config"] = shown_settings(made_with->client.config_param);
        } else {
            rbd["cluster_name"] = made_with->cluster_name;
            const auto all = service.clusters.all();
            const auto used = std::ranges::find(all, made_with->cluster_name, &ceph::clusters::view::name);
            if (used != all.end())
                write_client(rbd, used->options);
        }
    }
    rbd["main_core"] = disk->home()->cpu();
    rbd["main_reactor"] = disk->home()->index();
    rbd["fenced"] = disk->fenced();
    rbd["reopened"] = disk->reopened();
    rbd["unanswered_changes"] = disk->unanswered_changes();
    rbd["image_id"] = disk->info().id;
    return json{{"rbd", std::move(rbd)}};
}

}  // namespace

void add_bdev_rbd_methods(method_table& methods, saved_config& saved, device_kinds& kinds, bdev_rbd_service& service) {
    kinds.add({[&service](const bdev::device& d) { return config(service, d); },
               [&service](const bdev::device& d) { return driver_specific(service, d); }});
    methods.add(create_method, [&service](create_params p) { return create(service, std::move(p)); });
    methods.add(delete_method, [&service](name_params p) -> core::task<answer> {
        co_return ok_if(co_await service.disks.remove(std::move(p.name)));
    });
    methods.add(resize_method, [&service](resize_params p) { return resize(service, std::move(p)); });
    add_bdev_rbd_cluster_methods(methods, saved, service);
}

}  // namespace causeway::rpc
