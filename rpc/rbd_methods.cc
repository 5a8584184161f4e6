#include "rpc/bdev_methods.h"
#include "rpc/params.h"
#include "rpc/uuid_param.h"

#include <limits>

namespace causeway::rpc {

/// The `config_param` of a client: an object whose values are strings.
template <>
struct value_reader<std::map<std::string, std::string>> {
    static complaint read(const json& v, std::map<std::string, std::string>& to) {
        if (!v.is_object())
            return "must be an object of strings";
        for (const auto& [key, value] : v.items()) {
            if (!value.is_string())
                return "must have strings as values: '" + key + "' has not";
            to[key] = value.get<std::string>();
        }
        return {};
    }
};

namespace {

using bdev_rbd::client_options;

constexpr std::uint64_t mebibyte = 1 << 20;

// ---- Clients

struct register_params {
    std::string name;
    client_options options;
};

/// Members of `options` as parameters.
template <class T>
field<register_params> option(std::string_view name, T client_options::*member) {
    return {name, false, [name, member](const json& v, register_params& to) -> std::optional<field_problem> {
                if (auto wrong = value_reader<T>::read(v, to.options.*member); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                return std::nullopt;
            }};
}

const fields<register_params> register_fields = {
    required("name", &register_params::name),
    option("user_id", &client_options::user_id),
    option("config_param", &client_options::config_param),
    option("config_file", &client_options::config_file),
    option("key_file", &client_options::key_file),
    option("core_mask", &client_options::core_mask),
};

struct name_params {
    std::string name;
};
const fields<name_params> name_fields = {required("name", &name_params::name)};

struct info_params {
    std::optional<std::string> name;
};
const fields<info_params> info_fields = {optional("name", &info_params::name)};

core::task<answer> register_cluster(bdev_rbd::clusters& clusters, register_params p) {
    if (p.name.empty())
        co_return refuse_parameters("parameter 'name' must not be empty");
    const auto added = co_await clusters.add(p.name, p.options);
    co_return added ? answer(json(p.name)) : answer(refuse(added.error()));
}

core::task<answer> unregister_cluster(bdev_rbd::clusters& clusters, name_params p) {
    co_return ok_if(co_await clusters.remove(std::move(p.name)));
}

void add_options(json& to, const client_options& o) {
    if (!o.user_id.empty())
        to["user_id"] = o.user_id;
    if (!o.config_param.empty())
        to["config_param"] = o.config_param;
    if (!o.config_file.empty())
        to["config_file"] = o.config_file;
    if (!o.key_file.empty())
        to["key_file"] = o.key_file;
    if (!o.core_mask.empty())
        to["core_mask"] = o.core_mask;
}

answer clusters_info(const bdev_rbd::clusters& clusters, const info_params& p) {
    json all = json::array();
    for (const auto& c : clusters.all()) {
        json one = {{"cluster_name", c.name}};
        add_options(one, c.options);
        one["connected"] = c.connected;
        one["images"] = c.images;
        if (p.name && c.name == *p.name)
            return one;
        all.push_back(std::move(one));
    }
    if (p.name || all.empty())
        return refuse_errno(ENOENT, "no such cluster is registered", p.name.value_or(""));
    return all;
}

// ---- Images

struct create_params {
    std::string name;
    std::optional<std::string> user_id;
    std::string pool_name;
    std::string rados_namespace;
    std::string rbd_name;
    std::uint32_t block_size = 0;
    std::optional<std::map<std::string, std::string>> config;
    std::string cluster_name;
    std::optional<bdev::uuid> uuid;
    bool read_only = false;
};
const fields<create_params> create_fields = {
    optional("name", &create_params::name),
    optional("user_id", &create_params::user_id),
    required("pool_name", &create_params::pool_name),
    optional("namespace", &create_params::rados_namespace),
    required("rbd_name", &create_params::rbd_name),
    required("block_size", &create_params::block_size),
    optional("config", &create_params::config),
    optional("cluster_name", &create_params::cluster_name),
    optional("uuid", &create_params::uuid),
    optional("read_only", &create_params::read_only),
};

core::task<answer> create(bdev_rbd::disks& disks, create_params p) {
    if (!p.cluster_name.empty() && (p.user_id || p.config))
        co_return refuse_parameters("parameter 'cluster_name' excludes 'user_id' and 'config': the cluster has its own");
    bdev_rbd::disk_params disk;
    disk.name = std::move(p.name);
    disk.image = {std::move(p.pool_name), std::move(p.rados_namespace), std::move(p.rbd_name), p.read_only};
    disk.block_size = p.block_size;
    disk.cluster_name = std::move(p.cluster_name);
    disk.uuid = p.uuid;
    disk.client.user_id = p.user_id.value_or("");
    // As the established target has it: settings given here replace the file.
    disk.client.read_config_file = !p.config;
    if (p.config)
        disk.client.config_param = std::move(*p.config);
    const auto made = co_await disks.create(std::move(disk));
    co_return made ? answer(json((*made)->name())) : answer(refuse(made.error()));
}

core::task<answer> remove(bdev_rbd::disks& disks, name_params p) {
    co_return ok_if(co_await disks.remove(std::move(p.name)));
}

struct resize_params {
    std::string name;
    std::uint64_t new_size = 0;  ///< MiB
    bool allow_shrink = false;
};
const fields<resize_params> resize_fields = {
    required("name", &resize_params::name),
    required("new_size", &resize_params::new_size),
    optional("allow_shrink", &resize_params::allow_shrink),
};

core::task<answer> resize(bdev_rbd::disks& disks, resize_params p) {
    if (p.new_size == 0 || p.new_size > std::numeric_limits<std::int64_t>::max() / mebibyte)
        co_return refuse_parameters("parameter 'new_size' must be in MiB, from 1");
    co_return ok_if(co_await disks.resize(std::move(p.name), p.new_size * mebibyte, p.allow_shrink));
}

/// Which image it is, as it was asked for.
json image_members(const bdev_rbd::rbd_device& d) {
    json members = {{"pool_name", d.spec().pool}, {"rbd_name", d.spec().name}};
    if (!d.spec().rados_namespace.empty())
        members["namespace"] = d.spec().rados_namespace;
    return members;
}

json client_members(const bdev_rbd::rbd_device& d) {
    if (!d.cluster_name().empty())
        return {{"cluster_name", d.cluster_name()}};
    json members = json::object();
    if (!d.client().user_id.empty())
        members["user_id"] = d.client().user_id;
    if (!d.client().read_config_file)
        members["config"] = d.client().config_param;
    return members;
}

std::optional<json> driver_specific(const bdev::device& device) {
    const auto* d = dynamic_cast<const bdev_rbd::rbd_device*>(&device);
    if (!d)
        return std::nullopt;
    json rbd = image_members(*d);
    rbd.update(client_members(*d));
    if (!d->cluster_name().empty())
        add_options(rbd, d->client());
    rbd["read_only"] = d->spec().read_only;
    rbd["main_core"] = d->home()->cpu();
    rbd["main_reactor"] = d->home()->index();
    rbd["fenced"] = d->fenced();
    return json{{"rbd", std::move(rbd)}};
}

std::optional<json> saved(const bdev::device& device) {
    const auto* d = dynamic_cast<const bdev_rbd::rbd_device*>(&device);
    if (!d)
        return std::nullopt;
    json params = {{"name", d->name()}};
    params.update(image_members(*d));
    params["block_size"] = d->shape().block_size;
    params.update(client_members(*d));
    params["uuid"] = bdev::to_string(d->id());
    params["read_only"] = d->spec().read_only;
    return saved_config::call("bdev_rbd_create", std::move(params));
}

}  // namespace

void add_rbd_methods(method_table& methods, saved_config& config, device_kinds& kinds, bdev_rbd::clusters& clusters,
                     bdev_rbd::disks& disks) {
    methods.add("bdev_rbd_register_cluster", states::runtime, register_fields,
                [&](register_params p) { return register_cluster(clusters, std::move(p)); });
    methods.add("bdev_rbd_unregister_cluster", states::runtime, name_fields,
                [&](name_params p) { return unregister_cluster(clusters, std::move(p)); });
    methods.add("bdev_rbd_get_clusters_info", states::runtime, info_fields,
                [&](const info_params& p) { return clusters_info(clusters, p); });
    methods.add("bdev_rbd_create", states::runtime, create_fields,
                [&](create_params p) { return create(disks, std::move(p)); });
    methods.add("bdev_rbd_delete", states::runtime, name_fields,
                [&](name_params p) { return remove(disks, std::move(p)); });
    methods.add("bdev_rbd_resize", states::runtime, resize_fields,
                [&](resize_params p) { return resize(disks, std::move(p)); });
    kinds.add({saved, driver_specific});
    config.add_writer("bdev", config_phase::modules, [&](json& calls) {
        for (const auto& c : clusters.all()) {
            json params = {{"name", c.name}};
            add_options(params, c.options);
            calls.push_back(saved_config::call("bdev_rbd_register_cluster", std::move(params)));
        }
    });
}

}  // namespace causeway::rpc
