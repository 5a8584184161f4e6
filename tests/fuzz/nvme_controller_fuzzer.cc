// SPDX-License-Identifier: Apache-2.0
// A controller that does anything, under the NVMe driver as it is delivered. README.md has what an input looks like
// and what is checked.

#include "core/log.h"
#include "tests/fuzz/nvme_session.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace causeway;

namespace {

fuzz::nvme_counts counts;

void print_counts() {
    std::fprintf(stderr, "%llu inputs, %llu controllers lasted; %llu I/Os, %llu failed; %llu resets, %llu failed\n",
                 counts.inputs + 0ull, counts.attached + 0ull, counts.io + 0ull, counts.failed_io + 0ull,
                 counts.resets + 0ull, counts.failed_resets + 0ull);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    core::log::set_level(core::log::level::error);
    std::atexit(print_counts);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::byte_source in({bytes, size});
    fuzz::nvme_session(in, counts).play();
    return 0;
}
