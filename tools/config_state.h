// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <compare>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::tools {

using json = nlohmann::ordered_json;

/// What a configuration makes, in the order in which it can be made.
enum class object_kind : std::uint8_t {
    setting,
    key,
    transport,
    cluster,
    controller,
    device,
    rate_limit,  ///< of a device
    referral,
    subsystem,
    host,
    ns,
    viewer,      ///< a host that sees a namespace
    host_limit,  ///< of a host on a namespace
    listener,
};
std::string_view to_string(object_kind k);

/// What distinguishes an object from all others of a gateway.
struct object_id {
    object_kind kind{};
    std::string name;  ///< "nqn.x TCP 192.0.2.10 4420"

    auto operator<=>(const object_id&) const = default;
    std::string text() const;  ///< "listener nqn.x TCP 192.0.2.10 4420"
};

/// An object, as the calls of a configuration make it.
struct config_object {
    object_id id;
    std::string method;              ///< that makes it; empty: it is there by itself (the discovery subsystem)
    json params;                     ///< of that method, with what later calls have changed
    json settings = json::object();  ///< params without the identity: flat ("config_param.mon_host"), with defaults
    json defaults = json::object();  ///< of settings, by their declarations
    std::set<std::string> given;     ///< names of settings that do not come from a default
    std::vector<object_id> needs;    ///< must be there before
    /// Of a host: keys that the keyring does not keep, with their paths.
    std::map<std::string, std::string> borrowed_keys;
    /// Of a listener: the ANA states of single groups; all others have the parameter `ana_state`.
    std::map<std::uint32_t, std::string> group_states;
    std::string where;  ///< for errors: "nvmf, entry 3"

    /// A part of what it is within, and removed with it.
    std::optional<object_id> container() const;
};

/// A call of the configuration that a gateway has not been able to make so far.
struct failed_call {
    unsigned id = 0;
    std::string method;
    json params;
    std::string message;
};

/// The objects of a configuration.
class config_state {
  public:
    /// `config`: {"subsystems": [{"subsystem": "nvmf", "config": [{"method": …, "params": …}]}]}, as
    /// framework_get_config and save_config write it. `help`: the declarations of methods (all_method_help()).
    /// `is_wished`: refuses what names an object that the configuration does not make. `failed`: calls among it that
    /// have made nothing. EINVAL, with the entry and a sentence for people.
    static core::result<config_state> read(const json& config, const json& help, bool is_wished,
                                           const std::vector<failed_call>& failed = {});

    /// In the order in which they can be made.
    const std::vector<config_object>& objects() const noexcept { return objects_; }
    const config_object* find(const object_id& id) const;
    /// What a failed call was to make.
    const std::map<object_id, failed_call>& failed() const noexcept { return failed_; }
    /// Failed calls that were to change something and make no object.
    const std::vector<failed_call>& failed_changes() const noexcept { return failed_changes_; }

    /// The ANA state of a group by a listener. REQUIRES: it is one of this configuration.
    static std::string ana_state(const config_object& listener, std::uint32_t group);
    /// How many ANA groups the listener's subsystem has.
    std::uint32_t ana_groups(const config_object& listener) const;
    /// The file of a host's key; empty: it has none. REQUIRES: the host is one of this configuration.
    std::string key_path(const config_object& host, std::string_view parameter) const;

  private:
    friend class config_reader;
    std::vector<config_object> objects_;
    std::map<object_id, failed_call> failed_;
    std::vector<failed_call> failed_changes_;
};

/// Whether a setting's value is a secret, which is shown nowhere: "config_param.key".
bool is_secret(std::string_view setting);

}  // namespace causeway::tools
