// SPDX-License-Identifier: Apache-2.0
#include "tools/perf_worker.h"

#include "nvme/make_command.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <new>

namespace causeway::tools {

namespace {

constexpr std::size_t page = 4096;

}  // namespace

perf_worker::perf_worker(core::reactor& r, const perf_options& o, const std::vector<perf_disk>& disks,
                         const std::vector<perf_way>& ways, unsigned slice, unsigned slices)
    : reactor_(r), options_(o),
      quota_(o.count ? o.count / slices + (slice < o.count % slices) : std::numeric_limits<std::uint64_t>::max()),
      random_(o.seed * 2 + 1 + std::uint64_t{slice} * 0x9e3779b97f4a7c15u) {
    for (std::size_t w = 0; w < ways.size(); ++w) {
        queue q{.way = ways[w], .shares = {}};
        for (const perf_disk& d : disks) {
            if (d.way != w)
                continue;
            share s{.disk = &d,
                    .first = 0,
                    .slots = d.slots,
                    .next = d.slots / slices * slice,
                    .pattern = {},
                    .tracker = {}};
            if (o.verify) {
                s.slots = d.slots / slices;
                s.first = s.slots * slice;
                s.next = 0;
                s.pattern.emplace(o.seed, d.block_size);
                s.tracker.emplace(s.slots);
            }
            q.shares.push_back(std::move(s));
        }
        if (!q.shares.empty())
            queues_.push_back(std::move(q));
    }
    const auto depth_of = [&](const queue& q) {
        return q.way.queue ? std::min(o.depth, q.way.queue->depth()) : o.depth;
    };
    std::size_t jobs = 0;
    for (const queue& q : queues_)
        jobs += depth_of(q);
    const std::size_t stride = (o.size + page - 1) / page * page;
    memory_bytes_ = stride * jobs;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, memory_bytes_)));
    if (!memory_)
        throw std::bad_alloc();
    std::fill_n(memory_.get(), memory_bytes_, std::byte{0x5a});
    jobs_ = std::vector<job>(jobs);
    auto next = jobs_.begin();
    for (queue& q : queues_)
        for (unsigned i = 0; i < depth_of(q); ++i, ++next)
            prepare(*next, q, memory_.get() + stride * static_cast<std::size_t>(next - jobs_.begin()));
}

void perf_worker::prepare(job& j, queue& q, std::byte* memory) {
    j.worker = this;
    j.of = &q;
    j.piece = {memory, options_.size};
    j.request.data = {&j.piece, 1};
    j.request.context = &j;
    j.request.done = [](host::request& r) noexcept {
        job& j = *static_cast<job*>(r.context);
        j.worker->done(j);
    };
}

void perf_worker::enter(phase p) {
    if (!knows_memory_) {
        knows_memory_ = true;
        const std::span memory{memory_.get(), memory_bytes_};
        for (queue& q : queues_) {
            if (q.way.paths)
                q.way.paths->use_memory(reactor_.index(), memory);
            else if (!q.way.queue->use_memory(memory))
                trouble_ = "the device takes no more memory";
        }
    }
    phase_ = p;
    idle_.store(false, std::memory_order_relaxed);
    if (p == phase::measuring) {
        sides_[0] = sides_[1] = {};
        chosen_ = 0;
    }
    if (p == phase::reading_back)
        for (queue& q : queues_)
            for (share& s : q.shares)
                s.next = 0;
    if (p != phase::idle)
        for (job& j : jobs_)
            if (!j.is_out)
                start(j);
    tell_if_idle();
}

void perf_worker::tell_if_idle() {
    if (out_ || is_idle())
        return;
    phase_ = phase::idle;
    idle_.store(true, std::memory_order_release);
    if (on_idle)
        on_idle();
}

void perf_worker::start(job& j) {
    if (phase_ == phase::reading_back ? choose_to_read_back(j) : choose(j))
        send(j);
}

bool perf_worker::choose(job& j) {
    if (phase_ == phase::idle || chosen_ == quota_)
        return false;
    auto& shares = j.of->shares;
    share& s = shares.size() == 1 ? shares[0] : shares[random() % shares.size()];
    do {
        j.slot = (options_.sequential ? s.next++ : random()) % s.slots;
    } while (s.tracker && !s.tracker->take(j.slot));
    j.where = &s;
    j.writes = options_.read_percent < 100 && random() % 100 >= options_.read_percent;
    if (s.tracker) {
        // The content is not known yet.
        j.writes |= s.tracker->acknowledged(j.slot) == 0;
        if (j.writes)
            j.generation = s.tracker->begin_write(j.slot);
    }
    ++chosen_;
    return true;
}

/// Chooses each slot that was written, once.
bool perf_worker::choose_to_read_back(job& j) {
    for (share& s : j.of->shares) {
        for (; s.next < s.slots; ++s.next) {
            if (s.tracker->acknowledged(s.next) == 0)
                continue;
            j.slot = s.next++;
            j.where = &s;
            j.writes = false;
            s.tracker->take(j.slot);
            return true;
        }
    }
    return false;
}

void perf_worker::send(job& j) {
    const perf_disk& d = *j.where->disk;
    const std::uint32_t blocks = options_.size / d.block_size;
    const std::uint64_t lba = (j.where->first + j.slot) * blocks;
    j.request.command =
        nvme::make_block_command(j.writes ? nvme::io_opcode::write : nvme::io_opcode::read, d.nsid, lba, blocks);
    if (j.writes && j.where->pattern)
        j.where->pattern->fill({static_cast<std::byte*>(j.piece.iov_base), options_.size}, lba, j.generation);
    j.began = reactor_.time().now();
    // Counted before: a command without a path may end at once.
    j.is_out = true;
    ++out_;
    if (submit(j))
        return;
    j.is_out = false;
    --out_;
    const auto why = loss(j);
    fail(why.empty() ? "a queue takes fewer commands than it is deep" : why, !why.empty());
}

bool perf_worker::submit(job& j) {
    const perf_way& w = j.of->way;
    if (w.queue)
        return w.queue->submit(j.request);
    w.paths->submit(reactor_.index(), j.request);
    return true;
}

std::string perf_worker::loss(const job& j) const {
    const perf_way& w = j.of->way;
    if (w.queue)
        return w.queue->is_open() ? "" : fmt::format("the connection is lost: {}", w.queue->trouble());
    return j.request.status().is(nvme::sc::host_pathing_error) ? "no path is left" : "";
}

void perf_worker::done(job& j) {
    const auto took = reactor_.time().now() - j.began;
    j.is_out = false;
    --out_;
    share& s = *j.where;
    const nvme::status status = j.request.status();
    if (!status.ok()) {
        if (auto why = loss(j); !why.empty()) {
            fail(std::move(why), true);
            return tell_if_idle();
        }
        ++failed_;
        fail(fmt::format("a {} of {} bytes at {} of namespace {} was answered with {}", j.writes ? "write" : "read",
                         options_.size, (s.first + j.slot) * options_.size, s.disk->nsid, nvme::to_string(status)));
        return tell_if_idle();
    }
    if (s.tracker) {
        if (j.writes)
            s.tracker->acknowledge(j.slot);
        else if (!check(j))
            return tell_if_idle();
        s.tracker->release(j.slot);
    }
    if (phase_ == phase::measuring) {
        perf_side& side = sides_[j.writes];
        ++side.commands;
        side.ticks.add(took);
    }
    commands.add();
    start(j);
    if (out_ == 0)
        tell_if_idle();
}

bool perf_worker::check(const job& j) {
    const share& s = *j.where;
    const std::uint32_t size = s.disk->block_size;
    const auto generation = s.tracker->acknowledged(j.slot);
    std::uint64_t lba = (s.first + j.slot) * (options_.size / size);
    const std::span data{static_cast<const std::byte*>(j.piece.iov_base), options_.size};
    for (std::size_t at = 0; at < data.size(); at += size, ++lba) {
        const auto block = data.subspan(at, size);
        if (s.pattern->is(block, lba, generation))
            continue;
        ++failed_;
        fail(fmt::format("block {} of namespace {} holds {}, where generation {} must be", lba, s.disk->nsid,
                         s.pattern->describe(block), generation));
        return false;
    }
    verified_blocks.add(data.size() / size);
    return true;
}

void perf_worker::fail(std::string why, bool lost) {
    // Later errors follow from the first.
    if (trouble_.empty()) {
        trouble_ = std::move(why);
        lost_ = lost;
    }
    phase_ = phase::idle;
}

}  // namespace causeway::tools
