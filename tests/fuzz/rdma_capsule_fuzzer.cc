// SPDX-License-Identifier: Apache-2.0
// Capsules into live queue pairs: the target and its RDMA transport as they are, over tests/softrdma, with a host that
// talks verbs in the same process. README.md has what an input looks like and what is checked.

#include "tests/fuzz/history.h"
#include "tests/fuzz/session.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <rdma/rdma_cma.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

using namespace causeway::fuzz;

namespace {

session* the_session = nullptr;

/// Another library of that name would talk to the kernel.
void require_softrdma() {
    for (void* const function : {reinterpret_cast<void*>(&rdma_create_id), reinterpret_cast<void*>(&ibv_create_qp)}) {
        Dl_info where{};
        if (!::dladdr(function, &where) || std::string_view(where.dli_fname).find("softrdma") == std::string_view::npos)
            fail(std::string("not the fabric of tests/softrdma: ") + (where.dli_fname ? where.dli_fname : "?"));
    }
}

void print_counts() {
    const auto& c = the_session->counted();
    std::fprintf(
        stderr,
        "%llu inputs, %llu capsules; %llu times a connection had gone; %llu queues connected, %llu controllers\n",
        c.inputs + 0ull, c.capsules + 0ull, c.repairs + 0ull, c.queues + 0ull, c.controllers + 0ull);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    require_softrdma();
    // What a connection allocates outlives the input: libFuzzer would look for leaks after nearly every one. The
    // session looks for them itself.
    static std::vector<char*> arguments(*argv, *argv + *argc);
    static char no_leak_checks[] = "-detect_leaks=0";
    arguments.insert(arguments.begin() + 1, no_leak_checks);
    *argc = static_cast<int>(arguments.size());
    *argv = arguments.data();
    // Several fuzzers at a time are on networks of their own. A wrong use of verbs is a finding.
    ::setenv("SOFTRDMA_DOMAIN", ("fuzz-" + std::to_string(::getpid())).c_str(), 1);
    ::setenv("SOFTRDMA_STRICT", "1", 1);
    ::setenv("SOFTRDMA_RECORD", "none", 1);
    the_session = new session;  // stays: the fabric's threads do, too
    std::atexit(print_counts);
    if (const char* file = std::getenv("CAUSEWAY_FUZZ_REPLAY")) {
        history::replay(file, [](std::span<const std::uint8_t> input) { the_session->play(input); });
        std::exit(0);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    return the_session->play({bytes, size}) ? 0 : -1;  // -1: nothing is learnt from it
}
