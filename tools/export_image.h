// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

using json = nlohmann::ordered_json;

/// What `causeway export` is asked for.
struct export_options {
    std::string what;                     ///< "rbd/vm-17", "rbd/tenant/vm-17", or the name of a device that is there
    std::vector<std::string> hosts;       ///< their NQNs; empty: any host
    std::vector<std::string> transports;  ///< "TCP", "RDMA"; empty: TCP, and RDMA where the gateway can
    std::string address;                  ///< where it listens, an IP address of the gateway's machine
    std::string port = "4420";
    std::string nqn;               ///< of the subsystem; empty: made of the device's UUID, the same on every gateway
    std::string cluster = "ceph";  ///< a Ceph client of the gateway
    std::optional<std::string> user_id;  ///< of the client, if it has to be made; without "client."
    std::string config_file;             ///< likewise; empty: librados' usual places
    std::string key_file;                ///< likewise
    unsigned block_size = 512;
    bool read_only = false;
};

/// What has been done for it.
struct exported {
    std::string nqn, device;
    std::uint32_t nsid = 0;
    struct listener {
        std::string trtype, traddr, trsvcid;
    };
    std::vector<listener> listeners;
    std::vector<std::string> done;   ///< sentences, in order: "made device rbd/vm-17"; empty: all was there
    std::vector<std::string> notes;  ///< what could not be done and is not needed
};

/// Calls a method of the gateway.
using caller = std::function<core::result<json>(const std::string& method, const json& params)>;

/// Makes what is missing between an image and its hosts: cluster client, device, transports, subsystem, namespace,
/// hosts, listeners. What is there already is used, so that it can be repeated; nothing is removed. The first error
/// ends it, and says at which step; what was done before stays.
core::result<exported> export_image(const export_options& o, const caller& call);

/// The commands by which a host connects: "nvme connect -t tcp -a 192.0.2.10 -s 4420 -n nqn…".
std::vector<std::string> connect_commands(const exported& e);

}  // namespace causeway::tools
