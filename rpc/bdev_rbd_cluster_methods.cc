// SPDX-License-Identifier: Apache-2.0
// bdev_rbd_register_cluster, bdev_rbd_unregister_cluster, bdev_rbd_get_clusters_info, bdev_rbd_wait_for_latest_osdmap.

#include "rpc/bdev_rbd_service.h"
#include "rpc/secrets.h"

#include <algorithm>
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

value_type value_reader<std::map<std::string, std::string>>::type() {
    return {.is = value_type::kind::object, .words = "object of strings", .example = json::object(), .choices = {}};
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

value_type value_reader<ceph::fence_policy>::type() {
    return detail::choice_type({reconnect, offline});
}

json value_reader<ceph::fence_policy>::show(ceph::fence_policy p) {
    return p == ceph::fence_policy::offline ? offline : reconnect;
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
    std::optional<ceph::fence_policy> on_fenced;
};
template <class T>
field<register_params> option(std::string_view name, T ceph::client_options::*member, std::string_view meaning) {
    return optional(name, in(&register_params::o, member), meaning);
}
using client = ceph::client_options;
const declaration<register_params> register_method = {
    .name = "bdev_rbd_register_cluster",
    .summary = "Connects a client to a Ceph cluster, for any number of images.",
    .parameters =
        {
            required("name", &register_params::name, "The name by which bdev_rbd_create finds it."),
            option("user_id", &client::user_id, "The Ceph user, without `client.`."),
            option("config_param", &client::config_param,
                   "Settings of librados. A key by value is used, and withheld from answers and saved configurations: "
                   "give `key_file`."),
            option("config_file", &client::config_file, "The configuration file; without one, the usual one."),
            option("key_file", &client::key_file, "The keyring."),
            option("core_mask", &client::core_mask, "The CPUs of the client's threads, in hexadecimal."),
            optional("on_fenced", &register_params::on_fenced,
                     "When the cluster has blocklisted the client: connect a fresh one and open the images again, or "
                     "leave them inaccessible. Without it, what `causewayd --on-fenced` says; without that, "
                     "`reconnect`."),
            option("max_outstanding_ops", &client::max_outstanding_ops,
                   "RADOS operations that all its images may have outstanding."),
        },
    .result = "the addresses of the client, as `ceph osd blocklist add` takes them; empty: not known",
    .errors = {{-EEXIST, "there is a client of that name"}, {-ETIMEDOUT, "the cluster does not answer"}},
};

const declaration<name_params> unregister_method = {
    .name = "bdev_rbd_unregister_cluster",
    .summary = "Disconnects a client of bdev_rbd_register_cluster.",
    .parameters = name_field("The client."),
    .errors = {{-ENOENT, "there is no client of that name"}, {-EBUSY, "images use it"}},
};

bool is_registered(const bdev_rbd_service& service, const std::string& name) {
    return std::ranges::any_of(service.clusters.all(), [&](const auto& v) { return v.name == name; });
}

core::task<answer> add(bdev_rbd_service& service, register_params p) {
    if (auto refused = check_secrets(p.o.config_param, p.name))
        co_return tl::make_unexpected(std::move(*refused));
    take_time_limit(p.o);
    p.o.on_fenced = p.on_fenced.value_or(service.on_fenced);
    const std::string name = p.name;
    if (!is_registered(service, name)) {
        service.fence_policy_said.erase(name);
        if (p.on_fenced)
            service.fence_policy_said.insert(name);
    }
    const auto added = co_await service.clusters.add(std::move(p.name), std::move(p.o));
    if (!added)
        co_return refuse(added.error());
    // Control planes keep it, to fence this gateway when they have lost it.
    for (const auto& v : service.clusters.all())
        if (v.name == name)
            co_return json(v.addresses);
    co_return json("");
}

json to_json(const ceph::clusters::view& v) {
    json one = {{"cluster_name", v.name}};
    write_client(one, v.options);
    one["hung_calls"] = v.hung;
    one["fenced"] = v.fenced;
    one["fences"] = v.fences;
    one["nonce"] = v.addresses;
    return one;
}

struct info_params {
    std::optional<std::string> name;
};
const declaration<info_params> info_method = {
    .name = "bdev_rbd_get_clusters_info",
    .summary = "Describes the clients that are connected to Ceph clusters.",
    .parameters = {optional("name", &info_params::name, "Only this one, which is the answer then, without an array.")},
    .result = "an array of objects: `cluster_name`, as it was registered; `hung_calls`, `fenced`, `fences`; `nonce`, "
              "the addresses of the client that is connected now",
    .errors = {{-ENOENT, "there is none, or none of that name"}},
};

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

const declaration<name_params> wait_method = {
    .name = "bdev_rbd_wait_for_latest_osdmap",
    .summary = "Waits until a client has the newest OSD map: clients that were put on the blocklist before can then no "
               "longer change what its images read.",
    .parameters = name_field("The client, by the name of bdev_rbd_register_cluster."),
    .errors = {{-ENOENT, "there is no client of that name"},
               {-EAGAIN, "it is being connected"},
               {-EBUSY, "an earlier wait still hangs, of this client or of one with the same options"},
               {-ESHUTDOWN, "it is on the blocklist itself"},
               {-ETIMEDOUT, "the monitors do not answer"}},
};

}  // namespace

void add_bdev_rbd_cluster_methods(method_table& methods, saved_config& config, bdev_rbd_service& service) {
    methods.add(register_method, [&service](register_params p) { return add(service, std::move(p)); });
    methods.add(unregister_method, [&service](name_params p) -> core::task<answer> {
        const auto removed = co_await service.clusters.remove(p.name);
        if (!is_registered(service, p.name))
            service.fence_policy_said.erase(p.name);
        co_return ok_if(removed);
    });
    methods.add(wait_method, [&service](name_params p) -> core::task<answer> {
        const auto waited = co_await service.clusters.wait_for_latest_osdmap(std::move(p.name));
        co_return ok_if(waited);
    });
    methods.add(info_method, [&service](const info_params& p) { return get_info(service, p); });
    config.add_writer("bdev", config_phase::modules, [&service](json& calls) {
        for (const auto& v : service.clusters.all()) {
            json params = {{"name", v.name}};
            write_client(params, v.options);
            // Exactly when it was said: what --on-fenced says at the next start decides otherwise.
            params.erase("on_fenced");
            if (service.fence_policy_said.contains(v.name))
                params["on_fenced"] = value_reader<ceph::fence_policy>::show(v.options.on_fenced);
            calls.push_back(saved_config::call("bdev_rbd_register_cluster", std::move(params)));
        }
    });
}

}  // namespace causeway::rpc
