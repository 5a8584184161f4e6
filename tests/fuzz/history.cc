// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/history.h"

#include "tests/fuzz/gateway.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace causeway::fuzz {

namespace {

// Inputs one after the other, each behind its length + 1; a 0 ends them.
using length = std::uint32_t;
constexpr std::size_t size = 16 << 20;

}  // namespace

history::history() {
    const char* name = std::getenv("CAUSEWAY_FUZZ_HISTORY");
    if (!name)
        return;
    const int fd = ::open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ::ftruncate(fd, size) != 0)
        fail(std::string("cannot write to ") + name);
    void* const p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (p == MAP_FAILED)
        fail(std::string("cannot map ") + name);
    mapped_ = static_cast<std::byte*>(p);
}

void history::clear() noexcept {
    used_ = 0;
    if (mapped_)
        std::memset(mapped_, 0, sizeof(length));
}

void history::add(std::span<const std::uint8_t> input) noexcept {
    if (!mapped_ || size - used_ < input.size() + 2 * sizeof(length))
        return;
    const auto n = static_cast<length>(input.size() + 1);
    const length end = 0;
    if (!input.empty())
        std::memcpy(mapped_ + used_ + sizeof n, input.data(), input.size());
    std::memcpy(mapped_ + used_ + sizeof n + input.size(), &end, sizeof end);
    std::memcpy(mapped_ + used_, &n, sizeof n);
    used_ += sizeof n + input.size();
}

void history::replay(const std::string& file, const std::function<void(std::span<const std::uint8_t>)>& f) {
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> all{std::istreambuf_iterator<char>(in), {}};
    length n;
    for (std::size_t at = 0; all.size() - at >= sizeof n; at += sizeof n + n - 1) {
        std::memcpy(&n, all.data() + at, sizeof n);
        if (n == 0 || n - 1 > all.size() - at - sizeof n)
            return;
        // A copy of its own, so that the sanitizer sees a byte beyond.
        const std::vector<std::uint8_t> input(all.begin() + static_cast<std::ptrdiff_t>(at + sizeof n),
                                              all.begin() + static_cast<std::ptrdiff_t>(at + sizeof n + n - 1));
        f(input);
    }
}

}  // namespace causeway::fuzz
