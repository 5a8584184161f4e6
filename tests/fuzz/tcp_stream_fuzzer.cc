// SPDX-License-Identifier: Apache-2.0
// Byte streams into live connections: the target and its TCP transport as they are, over loopback sockets. README.md
// has what an input looks like and what is checked.

#include "tests/fuzz/tcp_session.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace causeway::fuzz;

namespace {

tcp_session* the_session = nullptr;

void print_counts() {
    const auto& c = the_session->counted();
    std::fprintf(stderr,
                 "%llu inputs, %llu connections, %llu commands (%llu of reservations), %llu answers; %llu connections "
                 "were closed by the gateway\n",
                 c.inputs + 0ull, c.connections + 0ull, c.commands + 0ull, c.reservations + 0ull, c.answers + 0ull,
                 c.closed + 0ull);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    // What a connection allocates may outlive the input: the session looks for leaks itself.
    static std::vector<char*> arguments(*argv, *argv + *argc);
    static char no_leak_checks[] = "-detect_leaks=0";
    arguments.insert(arguments.begin() + 1, no_leak_checks);
    *argc = static_cast<int>(arguments.size());
    *argv = arguments.data();
    the_session = new tcp_session;
    std::atexit(print_counts);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    the_session->play({bytes, size});
    return 0;
}
