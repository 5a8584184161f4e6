// SPDX-License-Identifier: Apache-2.0
#include "tools/config_state.h"
#include "tools/config_tables.h"
#include "tools/method_help.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::tools {

namespace {

/// "Nvme0n1" is a namespace of the controller "Nvme0"; empty: the name is not of that form.
std::string controller_of(const std::string& device) {
    const auto last = device.find_last_not_of("0123456789");
    const bool is_namespace = last != std::string::npos && last > 0 && last + 1 < device.size() && device[last] == 'n';
    return is_namespace ? device.substr(0, last) : std::string();
}

/// "rbd/vm-17": the other name of an image.
std::string alias_of(std::string_view method, const json& params) {
    std::string path;
    for (const char* part : {"pool_name", "namespace", "namespace_name", "rbd_name"})
        if (const std::string text = text_at(params, part); !text.empty())
            path += (path.empty() ? "" : "/") + text;
    return method == "bdev_rbd_create" ? path : std::string();
}

/// What a value of the declared type has to be; empty: it is.
std::string_view type_missed(const std::string& type, const json& value) {
    if (type == "string" && !value.is_string())
        return "a string";
    if (type == "object" && !value.is_object())
        return "an object";
    if (type == "array" && !value.is_array())
        return "an array";
    if (type == "number" && !value.is_number())
        return "a number";
    return type == "boolean" && !value.is_boolean() ? "true or false" : "";
}

/// Sets nothing: as if the call had not been there.
bool limits_nothing(const config_object& o) {
    const bool is_limit = o.id.kind == object_kind::rate_limit || o.id.kind == object_kind::host_limit;
    return is_limit && std::ranges::all_of(rates, [&](auto r) { return o.settings[std::string(r)] == 0; }) &&
           o.settings.value("weight", 1) == 1;
}

}  // namespace

/// Follows the calls of a configuration, one after the other, as a gateway would.
class config_reader {
  public:
    config_reader(const json& help, bool is_wished, const std::vector<failed_call>& failed)
        : help_(help), is_wished_(is_wished), failed_(failed) {
        config_object discovery;
        discovery.id = {object_kind::subsystem, std::string(discovery_nqn)};
        discovery.params = {{"nqn", discovery_nqn}, {"allow_any_host", true}};
        discovery.settings = {{"allow_any_host", true}};
        objects_.push_back(std::move(discovery));
    }

    core::result<config_state> run(const json& config) {
        if (!config.is_object() || !config.contains("subsystems") || !config["subsystems"].is_array())
            return core::fail(EINVAL, "this is not a configuration: it has no array 'subsystems' "
                                      "(causeway export-config writes one)");
        for (const json& section : config["subsystems"])
            for (const json& entry : value_at(section, "config"))
                remember_device(entry);
        for (const json& section : config["subsystems"]) {
            const std::string name = text_at(section, "subsystem");
            const json calls = value_at(section, "config");
            if (name.empty() || !(calls.is_null() || calls.is_array()))
                return core::fail(EINVAL, "a section of 'subsystems' needs a name 'subsystem' and an array 'config'",
                                  name);
            for (std::size_t i = 0; i < calls.size(); ++i) {
                where_ = fmt::format("{}, entry {}", name, i + 1);
                if (auto r = call(calls[i]); !r)
                    return tl::make_unexpected(r.error());
            }
        }
        return finish();
    }

  private:
    core::result<> wrong(std::string why) const { return core::fail(EINVAL, std::move(why), where_); }

    config_object* find(const object_id& id) {
        const auto found = std::ranges::find(objects_, id, &config_object::id);
        return found == objects_.end() ? nullptr : &*found;
    }

    core::result<> call(const json& entry) {
        const std::string method = text_at(entry, "method");
        if (method.empty())
            return wrong("a call needs a name 'method'");
        const json* declared = find_method(help_, method);
        if (!declared)
            return wrong(fmt::format("there is no method '{}'{}", method, meant_method(help_, method)));
        if ((*declared)["group"] == "no_effect")
            return {};
        json params = entry.value("params", json::object());
        if (auto r = check(*declared, params); !r)
            return r;
        const maker* m = find_maker(method);
        const auto failed =
            std::ranges::find_if(failed_, [&](const auto& f) { return f.method == method && f.params == params; });
        if (m)
            normalise(*m, params);
        if (failed == failed_.end())
            return m ? make(*m, std::move(params)) : change(method, params);
        if (m)
            failed_objects_.emplace(id_of(*m, params), *failed);
        else
            failed_changes_.push_back(*failed);
        return {};
    }

    core::result<> check(const json& declared, const json& params) const {
        if (!params.is_object())
            return wrong("'params' must be an object");
        const std::string method = declared["name"];
        for (const auto& [key, value] : params.items()) {
            const auto is_known = [&name = key](const json& p) { return p["name"] == name; };
            if (declared["ignores_unknown_keys"] != true && std::ranges::none_of(declared["parameters"], is_known))
                return wrong(fmt::format("{} has no parameter '{}': see causeway rpc {} --help", method, key, method));
        }
        for (const json& p : declared["parameters"])
            if (p["required"] == true && !params.contains(p["name"].get<std::string>()))
                return wrong(fmt::format("{} needs the parameter '{}'", method, p["name"].get<std::string>()));
        return check_types(method, declared["parameters"], params, "");
    }

    core::result<> check_types(const std::string& method, const json& declared, const json& params,
                               const std::string& prefix) const {
        for (const json& p : declared) {
            const auto value = params.find(p["name"].get<std::string>());
            if (value == params.end())
                continue;
            const std::string name = prefix + p["name"].get<std::string>();
            if (const auto type = type_missed(p["type"], *value); !type.empty())
                return wrong(fmt::format("the parameter '{}' of {} must be {}", name, method, type));
            if (!p.contains("members") || !value->is_object())
                continue;
            if (auto r = check_types(method, p["members"], *value, name + "."); !r)
                return r;
        }
        return {};
    }

    /// Devices are known by other names, too, wherever the file makes them.
    void remember_device(const json& entry) {
        const std::string method = text_at(entry, "method"), name = text_at(entry, "params.name");
        const maker* m = find_maker(method);
        if (!m || m->kind != object_kind::device || name.empty())
            return;
        device_names_.emplace(name, name);
        for (const std::string& other :
             {alias_of(method, value_at(entry, "params")), in_lower_case(text_at(entry, "params.uuid"))})
            if (!other.empty())
                device_names_.emplace(other, name);
    }

    std::string device_name(const std::string& name) const {
        auto found = device_names_.find(name);
        if (found == device_names_.end())
            found = device_names_.find(in_lower_case(name));
        return found == device_names_.end() ? name : found->second;
    }

    /// Makes of the call what a gateway saves of it, as far as objects are told apart or compared by it.
    void normalise(const maker& m, json& params) const {
        const auto name_device = [&](json& in, const char* parameter) {
            if (const std::string name = text_at(in, parameter); !name.empty())
                in[parameter] = device_name(name);
        };
        if (m.kind == object_kind::ns && params.contains("namespace"))
            name_device(params["namespace"], "bdev_name");
        if (m.kind == object_kind::rate_limit)
            name_device(params, "name");
        if (m.method == "bdev_error_create")
            name_device(params, "base_name");
        if (m.kind == object_kind::controller) {
            params["traddr"] = normal_pci_address(text_at(params, "traddr"));
            params.erase("multipath");  // without effect, and not saved
        }
        if (m.method == "bdev_rbd_create" && params.contains("namespace_name")) {
            const std::string name = text_at(params, "namespace_name");
            params.erase("namespace_name");
            if (!name.empty())
                params["namespace"] = name;
        }
    }

    core::result<> make(const maker& m, json params) {
        if (m.kind == object_kind::ns) {
            const json nsid = value_at(params, "namespace.nsid");
            if (nsid.is_null() || nsid == 0)
                params["namespace"]["nsid"] = free_nsid(text_at(params, "nqn"));
        }
        if (m.kind == object_kind::device && m.identity[0] == "name" && text_at(params, "name").empty())
            return wrong(fmt::format("{} needs a 'name' here, so that the device is found again", m.method));
        config_object o;
        o.id = id_of(m, params);
        o.method = m.method;
        o.params = std::move(params);
        o.where = where_;
        if (config_object* there = find(o.id)) {
            if (m.kind != object_kind::setting && m.kind != object_kind::referral && m.remover != m.method)
                return wrong(o.id.text() + " is made twice");
            there->params.update(o.params);
            return {};
        }
        for (const auto parameter : key_parameters)
            if (const config_object* key = key_of(o, parameter))
                o.borrowed_keys[text_at(o.params, parameter)] = text_at(key->params, "path");
        objects_.push_back(std::move(o));
        return {};
    }

    const config_object* key_of(const config_object& host, std::string_view parameter) {
        return host.id.kind == object_kind::host ? find({object_kind::key, text_at(host.params, parameter)}) : nullptr;
    }

    /// The lowest number that no namespace of the subsystem has, as a gateway chooses.
    unsigned free_nsid(const std::string& nqn) {
        unsigned nsid = 1;
        while (find({object_kind::ns, fmt::format("{} {}", nqn, nsid)}))
            ++nsid;
        return nsid;
    }

    /// A call that changes or removes what an earlier one has made.
    core::result<> change(const std::string& method, const json& params) {
        const std::string nqn = text_at(params, "nqn");
        const object_id ns{object_kind::ns, nqn + " " + value_at(params, "nsid").dump()};
        if (method == "keyring_file_remove_key")
            return remove({object_kind::key, text_at(params, "name")});
        if (method == "nvmf_delete_subsystem")
            return remove({object_kind::subsystem, nqn});
        if (method == "nvmf_subsystem_allow_any_host")
            return update({object_kind::subsystem, nqn},
                          [&](config_object& o) { o.params["allow_any_host"] = params["allow_any_host"]; });
        if (method == "nvmf_subsystem_set_keys")
            return update({object_kind::host, nqn + " " + text_at(params, "host")}, [&](config_object& o) {
                for (const char* key : {"dhchap_key", "dhchap_ctrlr_key"}) {
                    o.params.erase(key);
                    if (params.contains(key))
                        o.params[key] = params[key];
                    if (const config_object* k = key_of(o, key))
                        o.borrowed_keys[text_at(o.params, key)] = text_at(k->params, "path");
                }
            });
        if (method == "nvmf_subsystem_set_ns_visibility")
            return update(ns, [&](config_object& o) {
                o.params["namespace"]["no_auto_visible"] = params["auto_visible"] != true;
            });
        if (method == "nvmf_subsystem_set_ns_ana_group")
            return update(ns, [&](config_object& o) { o.params["namespace"]["anagrpid"] = params["anagrpid"]; });
        if (method == "nvmf_subsystem_listener_set_ana_state")
            return set_ana_state(params);
        return wrong(method + " makes no object: a wished-for state consists of the calls of a saved configuration");
    }

    core::result<> set_ana_state(const json& params) {
        const maker& listener = *find_maker("nvmf_subsystem_add_listener");
        return update(id_of(listener, params), [&](config_object& o) {
            const json group = params.value("anagrpid", json(0));
            if (group.is_number_unsigned() && group != 0) {
                o.group_states[group.get<std::uint32_t>()] = text_at(params, "ana_state");
                return;
            }
            o.params["ana_state"] = params["ana_state"];
            o.group_states.clear();
        });
    }

    template <class F>
    core::result<> update(const object_id& id, F f) {
        config_object* o = find(id);
        if (!o && failed_objects_.contains(id))
            return {};
        if (!o)
            return wrong(fmt::format("there is no {} before this call", id.text()));
        f(*o);
        return {};
    }

    core::result<> remove(const object_id& id) {
        if (!find(id) && failed_objects_.contains(id))
            return {};
        if (!find(id))
            return wrong(fmt::format("there is no {} before this call", id.text()));
        std::vector<object_id> containers{id};
        for (std::size_t i = 0; i < containers.size(); ++i)
            for (const config_object& o : objects_)
                if (o.container() == containers[i])
                    containers.push_back(o.id);
        std::erase_if(objects_, [&](const auto& o) { return std::ranges::find(containers, o.id) != containers.end(); });
        return {};
    }

    core::result<config_state> finish() {
        for (config_object& o : objects_) {
            if (const maker* m = find_maker(o.method))
                flatten(*m, *find_method(help_, o.method), o);
            else
                o.settings["allow_any_host"] = o.params["allow_any_host"];
            std::erase_if(o.borrowed_keys, [&](const auto& k) {
                const config_object* key = find({object_kind::key, k.first});
                return key && text_at(key->params, "path") == k.second;
            });
        }
        std::erase_if(objects_, limits_nothing);
        std::ranges::stable_sort(objects_, {}, [](const config_object& o) { return o.id.kind; });
        for (config_object& o : objects_)
            if (auto r = find_needs(o); !r)
                return tl::make_unexpected(r.error());
        config_state s;
        s.objects_ = std::move(objects_);
        s.failed_ = std::move(failed_objects_);
        s.failed_changes_ = std::move(failed_changes_);
        return s;
    }

    core::result<> find_needs(config_object& o) {
        std::vector<object_id> needs;
        if (const auto container = o.container(); container && container->kind != object_kind::device)
            needs.push_back(*container);
        if (const std::string cluster = text_at(o.params, "cluster_name"); !cluster.empty())
            needs.push_back({object_kind::cluster, cluster});
        if (o.id.kind == object_kind::listener)
            needs.push_back({object_kind::transport, transport_of(o)});
        if (o.id.kind == object_kind::host)
            for (const auto parameter : key_parameters)
                if (const std::string key = text_at(o.params, parameter);
                    !key.empty() && !o.borrowed_keys.contains(key))
                    needs.push_back({object_kind::key, key});
        if (const auto device = device_needed_by(o))
            needs.push_back(*device);
        for (const object_id& id : needs) {
            if (is_wished_ && !find(id))
                return core::fail(
                    EINVAL, fmt::format("{} needs {}, which the file does not make", o.id.text(), id.text()), o.where);
            o.needs.push_back(id);
        }
        return {};
    }

    static std::string transport_of(const config_object& listener) {
        return id_of(*find_maker("nvmf_create_transport"), listener.params["listen_address"]).name;
    }

    /// Absent: none, or one that hotplug attaches.
    std::optional<object_id> device_needed_by(const config_object& o) {
        const bool is_ns = o.id.kind == object_kind::ns;
        const std::string name = is_ns                                  ? text_at(o.params, "namespace.bdev_name")
                                 : o.id.kind == object_kind::rate_limit ? o.id.name
                                 : o.method == "bdev_error_create"      ? text_at(o.params, "base_name")
                                                                        : "";
        if (name.empty())
            return std::nullopt;
        for (const config_object& d : objects_)
            if (d.id.kind == object_kind::device && d.id.name == name)
                return d.id;
        const object_id controller{object_kind::controller, controller_of(name)};
        if (find(controller))
            return controller;
        const config_object* hotplug = find({object_kind::setting, "bdev_nvme_set_hotplug"});
        if (!controller.name.empty() && hotplug && hotplug->params["enable"] == true)
            return std::nullopt;
        return object_id{object_kind::device, name};
    }

    const json& help_;
    const bool is_wished_;
    const std::vector<failed_call>& failed_;
    std::vector<config_object> objects_;
    std::map<std::string, std::string> device_names_;  ///< by name, alias and UUID
    std::map<object_id, failed_call> failed_objects_;
    std::vector<failed_call> failed_changes_;
    std::string where_;
};

core::result<config_state> config_state::read(const json& config, const json& help, bool is_wished,
                                              const std::vector<failed_call>& failed) {
    return config_reader(help, is_wished, failed).run(config);
}

const config_object* config_state::find(const object_id& id) const {
    const auto found = std::ranges::find(objects_, id, &config_object::id);
    return found == objects_.end() ? nullptr : &*found;
}

std::string config_state::ana_state(const config_object& listener, std::uint32_t group) {
    const auto own = listener.group_states.find(group);
    return own != listener.group_states.end() ? own->second : listener.settings.value("ana_state", "optimized");
}

std::string config_state::key_path(const config_object& host, std::string_view parameter) const {
    const std::string name = text_at(host.params, parameter);
    if (const auto borrowed = host.borrowed_keys.find(name); borrowed != host.borrowed_keys.end())
        return borrowed->second;
    const config_object* key = find({object_kind::key, name});
    return key ? text_at(key->params, "path") : std::string();
}

std::uint32_t config_state::ana_groups(const config_object& listener) const {
    const config_object* subsystem = find({object_kind::subsystem, text_at(listener.params, "nqn")});
    const std::uint32_t groups = subsystem ? subsystem->settings.value("max_namespaces", 0u) : 0;
    constexpr std::uint32_t usual = 32;
    return groups ? groups : usual;
}

}  // namespace causeway::tools
