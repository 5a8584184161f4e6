// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_rbd/disks.h"
#include "ceph/clusters.h"
#include "rpc/bdev_service.h"

#include <functional>
#include <set>
#include <string>

namespace causeway::rpc {

/// What the methods named bdev_rbd_… work on. Control reactor; outlives every call.
struct bdev_rbd_service {
    bdev_rbd::disks& disks;
    ceph::clusters& clusters;
    /// Of clients that are registered without saying it.
    ceph::fence_policy on_fenced = ceph::fence_policy::reconnect;
    std::set<std::string, std::less<>> fence_policy_said{};  ///< the clients that were registered with one of their own
};

/// Creates and deletes images; registered clusters come first in a saved configuration. REQUIRES: the subsystem "bdev"
/// is there, and add_bdev_config() has been or will be called.
void add_bdev_rbd_methods(method_table& methods, saved_config& config, device_kinds& kinds, bdev_rbd_service& service);
void add_bdev_rbd_cluster_methods(method_table& methods, saved_config& config, bdev_rbd_service& service);

// ---- What these methods share.

/// Settings of librados: an object of strings.
template <>
struct value_reader<std::map<std::string, std::string>> {
    static complaint read(const json& v, std::map<std::string, std::string>& to);
    static value_type type();
};

/// "reconnect", "offline".
template <>
struct value_reader<ceph::fence_policy> {
    static complaint read(const json& v, ceph::fence_policy& to);
    static value_type type();
    static json show(ceph::fence_policy p);
};

/// "user_id", "config_param", "config_file", "key_file", "core_mask", "max_outstanding_ops", "on_fenced", as
/// far as they are set; secrets withheld.
void write_client(json& to, const ceph::client_options& o);
/// An operator who sets client_mount_timeout means our time limit, too.
void take_time_limit(ceph::client_options& o);

}  // namespace causeway::rpc
