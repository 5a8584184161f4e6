// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/memory_device.h"
#include "core/simulation.h"
#include "core/task.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What unit tests of this folder, and of those above it, share. Not part of the gateway.
namespace causeway::bdev::test {

/// An I/O with buffers of its own, cut into pieces.
struct request : io {
    request(op o, std::uint64_t offset, std::uint64_t length, std::vector<iovec> pieces = {},
            std::vector<iovec> write_pieces = {})
        : pieces_(std::move(pieces)), write_pieces_(std::move(write_pieces)) {
        operation = o;
        offset_blocks = offset;
        length_blocks = length;
        data = pieces_;
        write_data = write_pieces_;
        done = [](io& i) noexcept {
            auto& self = static_cast<request&>(i);
            EXPECT_EQ(core::reactor::current(), self.origin);
            ++self.times_ended;
            self.ended_at = self.origin->time().now();
        };
    }
    bool ended() const { return times_ended > 0; }
    int times_ended = 0;
    core::ticks ended_at = 0;

  private:
    std::vector<iovec> pieces_, write_pieces_;
};

inline std::vector<iovec> cut(std::string& text, std::size_t piece) {
    std::vector<iovec> v;
    for (std::size_t at = 0; at < text.size(); at += piece)
        v.push_back({text.data() + at, std::min(piece, text.size() - at)});
    return v;
}

/// Starts `r` on a core and runs until it has ended.
inline nvme::status run(core::simulation& s, device& d, std::size_t core, request& r) {
    s[core].execute([&] { d.start(r); });
    EXPECT_TRUE(s.run_until([&] { return r.ended(); }));
    EXPECT_EQ(r.times_ended, 1);
    return r.status;
}
inline nvme::status run(core::simulation& s, device& d, std::size_t core, request&& r) {
    return run(s, d, core, r);
}

/// Runs a task on the control reactor to its end.
template <class T>
T run(core::simulation& s, core::task<T> t) {
    std::optional<T> outcome;
    s[0].execute([&] { core::detach(std::move(t), [&](T value) { outcome.emplace(std::move(value)); }); });
    EXPECT_TRUE(s.run_until([&] { return outcome.has_value(); }));
    return std::move(*outcome);
}
inline void run(core::simulation& s, core::task<> t) {
    (void)run(s, [](core::task<> t) -> core::task<bool> {
        co_await std::move(t);
        co_return true;
    }(std::move(t)));
}

inline std::shared_ptr<memory_device> memory(core::reactor& home, std::uint64_t blocks = 1024,
                                             std::uint32_t block_size = 512, std::string name = "memory") {
    device_geometry g;
    g.block_size = block_size;
    g.blocks = blocks;
    return *memory_device::create(home, std::move(name), g, random_uuid());
}

}  // namespace causeway::bdev::test
