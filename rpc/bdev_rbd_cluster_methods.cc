// SPDX-License-Identifier: Apache-2.0
// bdev_rbd_register_cluster, bdev_rbd_unregister_cluster, bdev_rbd_get_clusters_info.

#include "rpc/bdev_rbd_service.h"
#include "rpc/secrets.h"

#include <charconv>

namespace causeway::rpc {

complaint value_reader<std::map<std::string, std::string>>::read(const json& v,
                                                                 std::map<std::string, std::string>& to) {
    if (!v.is_object() || v.size() > max_elements)
        return "must be an object of strings";
    for (const auto& [key, value] : v.items()) {
        if (!value.is_string())
            return "must be an object of strings";
        to[key] = value;
    }
    return {};
}

namespace {
constexpr std::string_view reconnect = "reconnect", offline = "offline";
}

complaint value_reader<ceph::fence_policy>::read(const json& v, ceph::fence_policy& to) {
    if (v != reconnect && v != offline)
        return detail::must_be_one_of({reconnect, offline});
    to = v == offline ? ceph::fence_policy::offline : ceph::fence_policy::reconnect;
    return {};
}

void write_client(json& to, const ceph::client_options& o) {
    if (!o.user_id.empty())
        to["user_id"] = o.user_id;
    if (!o.config_param.empty())
        to["config_param"] = shown_settings(o.config_param);
    if (!o.config_file.empty())
        to["config_file"] = o.config_file;
    if (!o.key_file.empty())
        to["key_file"] = o.key_file;
    if (!o.core_mask.empty())
        to["core_mask"] = o.core_mask;
    if (o.on_fenced == ceph::fence_policy::offline)
        to["on_fenced"] = offline;
    if (o.max_outstanding_ops != ceph::outstanding_operations::default_limit)
        to["max_outstanding_ops"] = o.max_outstanding_ops;
}

void take_time_limit(ceph::client_options& o) {
    const auto it = o.config_param.find("client_mount_timeout");
    if (it == o.config_param.end())
        return;
    unsigned seconds = 0;
    const char* const end = it->second.data() + it->second.size();
    if (const auto r = std::from_chars(it->second.data(), end, seconds); r.ptr == end && seconds > 0)
        o.time_limit = std::chrono::seconds(seconds);
}

namespace {

struct register_params {
    std::string name;
    ceph::client_options o;
};
template <class T>
field<register_params> option(std::string_view name, T ceph::client_options::*member) {
    return {name, false, [name, member](const json& v, register_params& p) -> std::optional<field_problem> {
                if (auto wrong = value_reader<T>::read(v, p.o.*member); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                return std::nullopt;
            }};
}
const fields<register_params> register_fields = {
    required("name", &register_params::name),
    option("user_id", &ceph::client_options::user_id),
    option("config_param", &ceph::client_options::config_param),
    option("config_file", &ceph::client_options::config_file),
    option("key_file", &ceph::client_options::key_file),
    option("core_mask", &ceph::client_options::core_mask),
    option("on_fenced", &ceph::client_options::on_fenced),
    option("max_outstanding_ops", &ceph::client_options::max_outstanding_ops),  // ours
};

core::task<answer> add(bdev_rbd_service& service, register_params p) {
    if (auto refused = check_secrets(p.o.config_param, p.name))
        co_return tl::make_unexpected(std::move(*refused));
    take_time_limit(p.o);
    const std::string name = p.name;
    const auto added = co_await service.clusters.add(std::move(p.name), std::move(p.o));
    if (!added)
        co_return refuse(added.error());
    co_return json(name);
}

json to_json(const ceph::clusters::view& v) {
    json one = {{"cluster_name", v.name}};
    write_client(one, v.options);
    one["hung_calls"] = v.hung;
    one["fenced"] = v.fenced;
    one["fences"] = v.fences;
    return one;
}

struct info_params {
    std::optional<std::string> name;
};
const fields<info_params> info_fields = {optional("name", &info_params::name)};

/// Those that are connected. Clients expect an error where there is none.
answer get_info(const bdev_rbd_service& service, const info_params& p) {
    json list = json::array();
    for (const auto& v : service.clusters.all()) {
        if (!v.connected)
            continue;
        if (p.name && v.name == *p.name)
            return to_json(v);
        list.push_back(to_json(v));
    }
    if (p.name)
        return refuse_errno(ENOENT, "no cluster of this name is registered", *p.name);
    if (list.empty())
        return refuse_errno(ENOENT, "no cluster is registered");
    return list;
}

}  // namespace

void add_bdev_rbd_cluster_methods(method_table& methods, saved_config& config, bdev_rbd_service& service) {
    methods.add("bdev_rbd_register_cluster", states::runtime, register_fields,
                [&service](register_params p) { return add(service, std::move(p)); });
    methods.add("bdev_rbd_unregister_cluster", states::runtime, name_fields,
                [&service](name_params p) -> core::task<answer> {
                    co_return ok_if(co_await service.clusters.remove(std::move(p.name)));
                });
    methods.add("bdev_rbd_get_clusters_info", states::runtime, info_fields,
                [&service](const info_params& p) { return get_info(service, p); });
    config.add_writer("bdev", config_phase::modules, [&service](json& calls) {
        for (const auto& v : service.clusters.all()) {
            json params = {{"name", v.name}};
            write_client(params, v.options);
            calls.push_back(saved_config::call("bdev_rbd_register_cluster", std::move(params)));
        }
    });
}

}  // namespace causeway::rpc
