// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::rpc {

/// What a call has to do with things that have names, each written as "kind name": "bdev Ceph0", "cluster ceph". From
/// its parameters alone, so it is known before anything has been made.
struct config_names {
    std::vector<std::string> makes;
    std::vector<std::string> needs;  ///< must have been made before
    /// Every other call that makes or needs these, or is of the method ("method bdev_null_create"), is attempted
    /// before.
    std::vector<std::string> follows;
    std::vector<std::string> removes;
    /// Calls of one lane wait for the same cluster, which may not answer. Empty: the call waits for none. (A local
    /// device answers within its limits, or is given up.)
    std::string lane;
};

/// Knows the methods that make and remove; the names of its parameters ("nqn", "bdev_name") show what a call needs.
config_names names_in(std::string_view method, const json& params);

/// Whether a name is that of a thing whose removal takes what needs it along: a subsystem its hosts and namespaces, a
/// device its namespaces, a namespace the hosts that see it.
bool contains_its_users(std::string_view name);

}  // namespace causeway::rpc
