// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <map>
#include <string>
#include <string_view>

namespace causeway::rpc {

// Secrets are given by reference: a parameter names the file with the key. Ceph's settings can also hold a key itself,
// and existing scripts give it so. It is used, and shown nowhere: not in answers, not in logs, not in saved
// configurations.

/// Whether a setting of a Ceph client is a secret itself ("key"), not the name of a file with one ("keyring",
/// "keyfile").
bool is_secret_setting(std::string_view name);

/// Stands where a secret would. As a parameter it is refused, because it comes from a saved configuration.
inline constexpr std::string_view withheld = "(withheld)";

/// The settings as they may be shown.
json shown_settings(const std::map<std::string, std::string>& settings);
/// The parameters of any method as they may be shown.
json without_secrets(json params);

/// Refuses a setting whose secret was withheld, and warns of one that cannot be saved. `about`: the cluster or the
/// device.
std::optional<rpc_error> check_secrets(const std::map<std::string, std::string>& settings, const std::string& about);

}  // namespace causeway::rpc
