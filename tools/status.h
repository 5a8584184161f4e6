// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/rpc_client.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

/// What a gateway says of itself at one moment, as it comes.
struct sample {
    json reactors;                          ///< framework_get_reactors
    json channels;                          ///< thread_get_io_channels
    json bdevs;                             ///< bdev_get_bdevs
    json iostat;                            ///< bdev_get_iostat
    json subsystems;                        ///< nvmf_get_subsystems
    std::map<std::string, json> qpairs;     ///< nvmf_subsystem_get_qpairs, by subsystem
    std::map<std::string, json> listeners;  ///< nvmf_subsystem_get_listeners, by subsystem
    json transports;                        ///< nvmf_get_transports; null: not known
    json failed_config;                     ///< framework_get_failed_config; null: the gateway has no such method
};
core::result<sample> take_sample(rpc_client& gateway);

/// Subsystems, listeners, connected hosts, where disks and queues are, and how busy the cores are.
struct status {
    double seconds = 0;  ///< over which rates are averaged; 0: no rates, and busy counts from the start

    struct core {
        unsigned number, cpu;
        double busy;  ///< 0 to 1
        unsigned disks, queues;
    };
    struct host {
        std::string nqn, address, subsystem;
        unsigned cntlid;
        unsigned queues;  ///< the admin queue counts
        std::vector<unsigned> cores;
    };
    struct disk {
        std::string name, what;
        std::vector<std::string> exported;  ///< "nqn:nsid"
        int core;                           ///< -1: each serves its own
        double reads, writes;               ///< a second
        double mib;                         ///< a second, both ways
    };
    std::vector<core> cores;
    std::vector<host> hosts;
    std::vector<disk> disks;

    struct subsystem {
        std::string nqn;
        unsigned namespaces, allowed_hosts;
        bool any_host;  ///< hosts that are not listed may connect, too
        unsigned connected_hosts;
    };
    struct listener {
        std::string subsystem, address;  ///< "TCP 192.0.2.10 4420"
        std::string ana;                 ///< "optimized", "optimized 1-2, inaccessible 3"; empty: not reported
    };
    struct transport {
        std::string trtype;
        unsigned listeners, queues;
        json options;
    };
    std::vector<subsystem> subsystems;
    std::vector<listener> listeners;
    std::vector<transport> transports;

    /// A call of the configuration that has failed so far.
    struct failed_call {
        unsigned id, attempts;
        std::string method, about, message;
        std::optional<double> next_attempt;  ///< seconds; absent: it runs, or waits for another call
    };
    std::vector<failed_call> failed;
};

/// Rates are those between the two samples; both may be the same.
status compare(const sample& before, const sample& after);

/// "optimized 1-2, inaccessible 3": the groups of each state.
std::string ana_text(const json& ana_states);

std::string to_text(const status& s);
json to_json(const status& s);

}  // namespace causeway::tools
