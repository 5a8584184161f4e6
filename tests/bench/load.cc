// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load.h"

#include "host/loop/commands.h"

namespace causeway::bench {

using namespace std::chrono_literals;

load::load(loop::host_queue& q, const load_options& o)
    : queue_(q), options_(o), random_(o.seed * 2 + 1), memory_(std::size_t{o.bytes} * o.depth) {
    for (unsigned i = 0; i < o.depth; ++i) {
        auto& c = *flights_.emplace_back(std::make_unique<flight>());
        c.of = this;
        c.piece = {&memory_[std::size_t{i} * o.bytes], o.bytes};
        c.data = {&c.piece, 1};
        c.done = [](loop::host_request& r) noexcept {
            flight& self = static_cast<flight&>(r);
            self.of->answered(self);
        };
    }
}

void load::start() {
    time_ = &queue_.home()->time();
    for (auto& c : flights_) {
        ++outstanding_;
        send(*c);
    }
}

void load::send(flight& c) noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const std::uint32_t blocks = options_.bytes / options_.block_size;
    const std::uint64_t places = options_.blocks / blocks;
    const std::uint64_t at = (random_ >> 33) % places * blocks;
    const bool write = (random_ >> 8) % 100 < options_.write_percent;
    const auto nsid = options_.nsid + static_cast<std::uint32_t>((random_ >> 20) % options_.namespaces);
    c.command = loop::make_block_command(write ? nvme::io_opcode::write : nvme::io_opcode::read, nsid, at, blocks,
                                         options_.bytes);
    c.sent = time_->now();
    if (!queue_.submit(c))
        --outstanding_;
}

void load::answered(flight& c) noexcept {
    nanoseconds_.add(static_cast<std::uint64_t>(time_->to_nanoseconds(time_->now() - c.sent).count()));
    completed_.add();
    if (!c.status().ok())
        failed_.add();
    if (stopping_)
        --outstanding_;
    else
        send(c);
}

core::task<> load::stop() {
    stopping_ = true;
    while (outstanding_)
        co_await core::sleep_for(100us);
}

}  // namespace causeway::bench
