// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/client.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace causeway::ceph {

inline constexpr const char* closing_step = "closing the connection";

struct probe_options {
    client_options client;
    std::string pool;                     ///< empty: no pool is looked at
    std::string image;                    ///< of the pool, without a RADOS namespace; empty: none
    std::chrono::seconds time_limit{15};  ///< of the whole probe
};

/// What a cluster answers to one client. Absent: it was not asked, because it was not to be or something before failed.
struct cluster_report {
    std::string step = "connecting";                    ///< what was being done last
    bool in_time = false;                               ///< all was answered, and the client closed, within the limit
    std::optional<core::result<std::string>> fsid;      ///< the client is connected
    std::optional<core::result<std::string>> caps;      ///< JSON of `auth get`; users may seldom read it
    std::optional<core::result<std::string>> osd_dump;  ///< JSON of `osd dump`: flags of cluster and pools
    std::optional<core::result<>> pool, readable, writable;
    std::optional<core::result<std::uint64_t>> image_features;  ///< bits, as librbd's RBD_FEATURE_*
};

/// Asks the cluster all this, on a thread of its own, and returns when it has answered or the limit is over; what hangs
/// then is left behind with its thread. Changes nothing in the cluster: writing is tried by removing an object on the
/// condition that it exists, which it does not. Not on a reactor.
cluster_report probe_cluster(const probe_options& options);

}  // namespace causeway::ceph
