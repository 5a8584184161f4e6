// SPDX-License-Identifier: Apache-2.0
#include "tools/config_plan.h"

#include "tools/config_tables.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <span>

namespace causeway::tools {

namespace {

using call = plan_step::call;
using what = config_change::kind;

class planner {
  public:
    planner(const config_state& wished, const config_state& actual, bool may_remove)
        : wished_(wished), actual_(actual), may_remove_(may_remove), changes_(compare(wished, actual)) {}

    config_plan run() {
        for (const config_change& c : changes_)
            sort_out(c);
        add_users_of_removed();
        leave_out_hosts_without_keys();
        for (auto o = actual_.objects().rbegin(); o != actual_.objects().rend(); ++o)
            if (removed_.contains(o->id) || again_.contains(o->id))
                remove(*o);
        for (const config_change& c : changes_)
            if (is_only_tried(c) && may_remove_)
                plan_.steps.push_back(
                    {c.text(), c.id, {{"framework_forget_failed_config", {{"id", actual_.failed().at(c.id).id}}}}});
        for (const failed_call& f : actual_.failed_changes())  // later, it would undo what is made now
            plan_.steps.push_back({fmt::format("forget {}, which fails: {}", f.method, f.message),
                                   {object_kind::setting, f.method},
                                   {{"framework_forget_failed_config", {{"id", f.id}}}}});
        for (const config_object& o : wished_.objects())
            if (again_.contains(o.id) || added_.contains(o.id))
                add(o);
            else if (const auto c = changed_.find(o.id); c != changed_.end())
                change(o, *c->second);
        return std::move(plan_);
    }

  private:
    /// A call that has made nothing so far, and is not wished.
    bool is_only_tried(const config_change& c) const { return c.what == what::remove && !actual_.find(c.id); }

    void sort_out(const config_change& c) {
        if (is_only_tried(c)) {
            if (!may_remove_)
                plan_.left_over.push_back(c.text() + ": --remove forgets it");
        } else if (c.way == change_way::restart) {
            if (c.what == what::remove)
                plan_.left_over.push_back(c.text() + ": only a gateway that is started anew is without it");
            else
                plan_.blocked.push_back(c.text() + ": start the gateway with the file (causewayd -c FILE)");
        } else if (c.what == what::remove) {
            if (may_remove_)
                removed_.insert(c.id);
            else
                plan_.left_over.push_back(c.text() + ": --remove removes it");
        } else if (c.way == change_way::make_again) {
            if (may_remove_)
                again_.insert(c.id);
            else
                plan_.blocked.push_back(c.text() +
                                        ": it has to be removed and made again, which its hosts notice: use --remove");
        } else if (c.what == what::add) {
            added_.insert(c.id);
        } else {
            changed_[c.id] = &c;
        }
    }

    /// What is made again takes along what needs it.
    void add_users_of_removed() {
        for (const config_object& o : actual_.objects()) {
            const auto goes = [&](const object_id& id) { return removed_.contains(id) || again_.contains(id); };
            const auto is_lost = [&](const object_id& id) { return goes(id) && !keeps_key(o, id); };
            const bool loses = std::ranges::any_of(o.needs, is_lost) || (o.container() && goes(*o.container()));
            if (loses && !removed_.contains(o.id))
                (wished_.find(o.id) ? again_ : removed_).insert(o.id);
        }
    }

    /// Hosts keep a key that leaves the keyring.
    bool keeps_key(const config_object& host, const object_id& key) const {
        const config_object* wished = wished_.find(host.id);
        if (key.kind != object_kind::key || !wished)
            return false;
        const auto borrowed = wished->borrowed_keys.find(key.name);
        return borrowed != wished->borrowed_keys.end() &&
               borrowed->second == text_at(actual_.find(key)->params, "path");
    }

    /// The file that a name in the keyring stands for while objects are made; empty: the name is free.
    std::string keyring_path(const std::string& name) const {
        const object_id id{object_kind::key, name};
        const bool is_made = added_.contains(id) || again_.contains(id);
        const config_object* key = is_made ? wished_.find(id) : removed_.contains(id) ? nullptr : actual_.find(id);
        return key ? text_at(key->params, "path") : std::string();
    }

    /// A name in the keyring stands for one file: a host that is to have the key of another one cannot be made.
    void leave_out_hosts_without_keys() {
        for (const config_object& o : wished_.objects())
            for (const auto& [name, path] : o.borrowed_keys) {
                const std::string there = keyring_path(name);
                const bool is_touched = added_.contains(o.id) || again_.contains(o.id) || changed_.contains(o.id);
                if (!is_touched || there.empty() || there == path)
                    continue;
                const auto c = std::ranges::find(changes_, o.id, &config_change::id);
                plan_.blocked.push_back(fmt::format(
                    "{}: the keyring has the name {} for {}, not for {}: give the key another name, or remove that one "
                    "(keyring_file_remove_key)",
                    c == changes_.end() ? "+ " + o.id.text() : c->text(), name, there, path));
                added_.erase(o.id);
                again_.erase(o.id);
                changed_.erase(o.id);
            }
    }

    bool goes_with_container(const config_object& o) const {
        const auto container = o.container();
        if (!container)
            return false;
        if (removed_.contains(*container) || again_.contains(*container))
            return true;
        // A namespace that all hosts see has no list of hosts any more.
        const auto c = changed_.find(*container);
        return o.id.kind == object_kind::viewer && c != changed_.end() &&
               std::ranges::any_of(c->second->settings, [](const setting_change& s) {
                   return s.name == "namespace.no_auto_visible" && s.to == false;
               });
    }

    void remove(const config_object& o) {
        if (goes_with_container(o))
            return;
        const std::string again = again_.contains(o.id) ? ": to be made again" : "";
        plan_.steps.push_back({fmt::format("- {}{}", o.id.text(), again), o.id, {removal(o)}});
    }

    static call removal(const config_object& o) {
        if (o.id.kind == object_kind::subsystem)  // the discovery subsystem has no method that makes it
            return {"nvmf_delete_subsystem", {{"nqn", o.id.name}}};
        const maker& m = *find_maker(o.method);
        json params = json::object();
        for (const auto parameter : m.identity)
            if (!parameter.empty() && !value_at(o.params, parameter).is_null())
                params[std::string(parameter.substr(parameter.find('.') + 1))] = value_at(o.params, parameter);
        if (o.id.kind == object_kind::device)
            params = {{"name", o.id.name}};
        if (m.remover == m.method) {
            for (const auto rate : rates)
                params[std::string(rate)] = 0;
            if (o.id.kind == object_kind::host_limit)
                params["weight"] = 1;
        }
        return {std::string(m.remover), std::move(params)};
    }

    void add(const config_object& o) {
        plan_step step{"+ " + o.id.text(), o.id, {}};
        if (o.id.kind == object_kind::listener)
            add_listener(o, step.calls);
        else
            step.calls = with_borrowed_keys(o, {o.method, full_params(o)});
        plan_.steps.push_back(std::move(step));
    }

    /// Where states differ it is made inaccessible, and then given one state after the other: a host that comes
    /// meanwhile must not use a path that it has not.
    void add_listener(const config_object& o, std::vector<call>& calls) const {
        json params = o.params;
        if (o.group_states.empty()) {
            calls.push_back({o.method, std::move(params)});
            return;
        }
        params["ana_state"] = "inaccessible";
        calls.push_back({o.method, std::move(params)});
        for (std::uint32_t group = 1; group <= wished_.ana_groups(o); ++group)
            if (const std::string state = config_state::ana_state(o, group); state != "inaccessible")
                calls.push_back(ana_call(o, group, state));
    }

    static call ana_call(const config_object& listener, std::uint32_t group, const json& state) {
        json params = {{"nqn", listener.params["nqn"]},
                       {"listen_address", listener.params["listen_address"]},
                       {"ana_state", state}};
        if (group != 0)
            params["anagrpid"] = group;
        return {"nvmf_subsystem_listener_set_ana_state", std::move(params)};
    }

    /// Limits that are not said would stay as they are.
    static json full_params(const config_object& o) {
        json params = o.params;
        if (o.id.kind == object_kind::rate_limit || o.id.kind == object_kind::host_limit)
            params.update(o.settings);
        return params;
    }

    /// Keys that the keyring is not to keep are there while the host is made.
    std::vector<call> with_borrowed_keys(const config_object& o, call c) const {
        std::vector<call> calls;
        const auto is_there = [&](const std::string& key) { return !keyring_path(key).empty(); };
        for (const auto& [name, path] : o.borrowed_keys)
            if (!is_there(name))
                calls.push_back({"keyring_file_add_key", {{"name", name}, {"path", path}}});
        calls.push_back(std::move(c));
        for (const auto& [name, path] : o.borrowed_keys)
            if (!is_there(name))
                calls.push_back({"keyring_file_remove_key", {{"name", name}}});
        return calls;
    }

    void change(const config_object& o, const config_change& c) {
        plan_step step{c.text(), o.id, {}};
        switch (o.id.kind) {
        case object_kind::subsystem:
            step.calls.push_back({"nvmf_subsystem_allow_any_host",
                                  {{"nqn", o.id.name}, {"allow_any_host", o.settings["allow_any_host"]}}});
            break;
        case object_kind::host: step.calls = with_borrowed_keys(o, key_call(o)); break;
        case object_kind::ns:
            for (const setting_change& s : c.settings)
                step.calls.push_back(namespace_call(o, s));
            break;
        case object_kind::listener:
            for (const setting_change& s : c.settings)
                step.calls.push_back(ana_call(o, group_in(s.name), s.to));
            break;
        default: step.calls.push_back({o.method, full_params(o)});
        }
        plan_.steps.push_back(std::move(step));
    }

    static call key_call(const config_object& host) {
        json params = {{"nqn", host.params["nqn"]}, {"host", host.params["host"]}};
        for (const char* key : {"dhchap_key", "dhchap_ctrlr_key"})
            if (host.params.contains(key))
                params[key] = host.params[key];
        return {"nvmf_subsystem_set_keys", std::move(params)};
    }

    static call namespace_call(const config_object& ns, const setting_change& s) {
        json params = {{"nqn", ns.params["nqn"]}, {"nsid", ns.params["namespace"]["nsid"]}};
        if (s.name == "namespace.anagrpid") {
            params["anagrpid"] = s.to;
            return {"nvmf_subsystem_set_ns_ana_group", std::move(params)};
        }
        params["auto_visible"] = s.to != true;
        return {"nvmf_subsystem_set_ns_visibility", std::move(params)};
    }

    /// "ana_state of group 3" -> 3; "ana_state" -> 0, all groups.
    static std::uint32_t group_in(const std::string& name) {
        const auto digits = name.find_last_not_of("0123456789") + 1;
        return digits < name.size() ? static_cast<std::uint32_t>(std::stoul(name.substr(digits))) : 0;
    }

    const config_state& wished_;
    const config_state& actual_;
    const bool may_remove_;
    const std::vector<config_change> changes_;
    std::set<object_id> removed_, again_, added_;
    std::map<object_id, const config_change*> changed_;
    config_plan plan_;
};

}  // namespace

core::result<> carry_out(const plan_step& step,
                         const std::function<core::result<json>(const std::string& method, const json& params)>& make) {
    std::set<std::string> lent;  ///< names of keys that are in the keyring for this step
    for (std::size_t i = 0; i < step.calls.size(); ++i) {
        const call& c = step.calls[i];
        auto made = make(c.method, c.params);
        // What has succeeded meanwhile fails no more.
        const bool is_forgotten = c.method == "framework_forget_failed_config" && !made && made.error().code == -ENOENT;
        if (made || is_forgotten) {
            if (c.method == "keyring_file_add_key")
                lent.insert(text_at(c.params, "name"));
            continue;
        }
        core::error failure = std::move(made.error());
        if (i > 0)
            failure.sentence += fmt::format(" ({} of its {} calls were made)", i, step.calls.size());
        for (const call& last : std::span(step.calls).subspan(i + 1))
            if (last.method == "keyring_file_remove_key" && lent.contains(text_at(last.params, "name")))
                make(last.method, last.params);
        return tl::make_unexpected(std::move(failure));
    }
    return {};
}

config_plan make_plan(const config_state& wished, const config_state& actual, bool may_remove) {
    return planner(wished, actual, may_remove).run();
}

}  // namespace causeway::tools
