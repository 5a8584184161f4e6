// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/address.h"
#include "host/authentication.h"
#include "host/tcp_connector.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

/// The target that a command connects to, and the host's identity.
struct target_options {
    std::vector<host::address> addresses;
    std::string subnqn;
    std::string hostnqn;  ///< empty: this machine's own
    std::uint32_t kato_ms = 15000;
    std::optional<host::dhchap_credentials> dhchap;
    host::tcp_options tcp;
    host::tcp_connector::stream_maker make_stream = host::tcp_connector::plain;
};

/// What `causeway perf` does.
struct perf_options {
    target_options to;
    std::vector<unsigned> cpus;             ///< a thread on each
    std::vector<std::uint32_t> namespaces;  ///< none: all
    unsigned depth = 32;                    ///< commands outstanding on each queue
    std::uint32_t size = 4096;              ///< bytes of a command
    unsigned read_percent = 100;
    bool sequential = false;
    bool verify = false;
    double seconds = 10;       ///< 0: until `count`, or until it is stopped
    double warm_up = 1;        ///< seconds before what counts
    std::uint64_t count = 0;   ///< commands of all cores together; 0: until the time is over
    std::uint64_t region = 0;  ///< bytes from the start of a namespace; 0: all of it
    std::uint64_t seed = 1;
    double reconnect =
        0;  ///< seconds without any path; 0: each address is driven by itself, a lost connection is the end
    bool events = false;  ///< sleeps when idle
};

}  // namespace causeway::tools
