// SPDX-License-Identifier: Apache-2.0
#include "tests/rdma_host/load.h"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>
#include <thread>

namespace causeway::rdma_host {

using namespace std::chrono_literals;
using hostile::unexpected;

namespace {

constexpr auto retry_after = 10ms, connect_after = 50ms;
constexpr auto housekeeping_every = 500us;  // when polling: it costs a system call for each connection
constexpr unsigned turns_without_a_look_at_the_clock = 64;

clock::duration seconds(double s) {
    return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(s));
}

void say(const std::string& what) {
    fmt::print(stderr, "rdma_load: {}\n", what);
}

}  // namespace

load::load(const load_options& o) : options_(o), random_(o.seed * 2 + 1) {
    for (unsigned q = 0; q < o.host.queues; ++q)
        for (unsigned slot = 0; slot < o.host.depth; ++slot)
            workers_.push_back({.queue = q, .slot = slot, .due = {}, .began = {}, .sent = {}});
}

outcome load::run() {
    connect();
    first_look_at_disk();
    start_ = next_due_ = clock::now();
    if (options_.seconds > 0)
        end_ = start_ + seconds(options_.seconds);
    if (options_.reset_every > 0)
        next_reset_ = start_ + seconds(options_.reset_every);
    drive();
    outcome_.seconds = std::chrono::duration<double>(clock::now() - start_).count();
    if (options_.verify) {
        phase_ = phase::reading_back;
        next_disk_slot_ = 0;
        next_reset_ = clock::time_point::max();
        drive();
    }
    try {
        controller_->shut_down();
    } catch (const unexpected&) {
        if (options_.reconnect <= 0)
            throw;  // else: it broke when there was nothing left to do
    }
    return outcome_;
}

void load::connect() {
    if (options_.reconnect <= 0) {
        controller_ = std::make_unique<controller>(options_.host);
        return;
    }
    const auto give_up = clock::now() + seconds(options_.reconnect);
    for (;;) {
        try {
            controller_ = std::make_unique<controller>(options_.host);
            return;
        } catch (const unexpected& e) {
            if (clock::now() > give_up)
                throw;
        }
        std::this_thread::sleep_for(connect_after);
    }
}

void load::first_look_at_disk() {
    const std::uint32_t block_size = controller_->block_size();
    if (options_.host.bytes % block_size)
        throw unexpected(fmt::format("{} bytes are not a number of blocks of {}", options_.host.bytes, block_size));
    blocks_each_ = options_.host.bytes / block_size;
    const std::uint64_t blocks =
        options_.region ? std::min(options_.region / block_size, controller_->blocks()) : controller_->blocks();
    disk_slots_ = blocks / blocks_each_;
    if (disk_slots_ == 0)
        throw unexpected("the disk, or the part of it that may be used, is smaller than one command");
    if (options_.verify && disk_slots_ < workers_.size())
        throw unexpected(
            fmt::format("{} commands at a time on {} places: some would have to wait", workers_.size(), disk_slots_));
    if (!options_.verify)
        return;
    pattern_.emplace(options_.seed, block_size);
    tracker_.emplace(disk_slots_);
}

void load::connect_again(const std::string& why) {
    if (options_.reconnect <= 0)
        throw unexpected(why);
    say(why + "; connecting again");
    controller_.reset();
    connect();
    ++outcome_.reconnects;
    say("connected again");
    for (worker& w : workers_) {
        if (!w.has_work || !w.is_sent)
            continue;
        ++outcome_.redriven;
        if (w.what == kind::write && tracker_)
            w.what = kind::look;
        send(w);
    }
}

void load::drive() {
    for (worker& w : workers_)
        if (choose(w))
            send(w);
    while (turn())
        if (const std::string why = controller_->broken(); !why.empty())
            connect_again(why);
}

bool load::turn() {
    unsigned answers = 0;
    for (unsigned spins = 0; spins < turns_without_a_look_at_the_clock; ++spins) {
        unsigned q = 0;
        for (auto& queue : controller_->queues()) {
            answers += queue->poll([&](unsigned slot, const nvme::completion& c) { answered(worker_of(q, slot), c); });
            queue->flush();
            ++q;
        }
        if (options_.host.events)
            break;
    }
    const auto now = clock::now();
    if (!options_.host.events && now < next_housekeeping_)
        return true;
    next_housekeeping_ = now + housekeeping_every;
    housekeeping(now);
    if (std::none_of(workers_.begin(), workers_.end(), [](const worker& w) { return w.has_work; }))
        return false;
    if (options_.host.events && !answers)
        wait();
    return true;
}

void load::housekeeping(clock::time_point now) {
    controller_->look_after();
    for (worker& w : workers_) {
        if (!w.has_work)
            continue;
        if (!w.is_sent && w.due <= now)
            send(w);
        else if (w.is_sent && now - w.sent > options_.timeout)
            return connect_again(fmt::format("no answer to a command for {} s", options_.timeout.count() / 1000.));
    }
    if (now >= next_reset_ && phase_ == phase::driving) {
        next_reset_ = now + seconds(options_.reset_every);
        ++outcome_.resets;
        std::string why = "the controller was reset";
        try {
            controller_->reset();
        } catch (const unexpected& e) {
            why = e.what();
        }
        connect_again(why);
    }
    for (auto& queue : controller_->queues())
        queue->flush();
}

/// Sleeps until something is there, or something is due.
void load::wait() {
    auto until = std::min(clock::now() + 100ms, controller_->next_look());
    for (const worker& w : workers_)
        if (w.has_work && !w.is_sent)
            until = std::min(until, w.due);
    std::vector<pollfd> watched{{controller_->admin_connection(), POLLIN, 0}};
    for (auto& queue : controller_->queues()) {
        queue->arm();
        watched.push_back({queue->completions(), POLLIN, 0});
        watched.push_back({queue->connection(), POLLIN, 0});
    }
    // What came before the arming made no event.
    unsigned answers = 0, q = 0;
    for (auto& queue : controller_->queues()) {
        answers += queue->poll([&](unsigned slot, const nvme::completion& c) { answered(worker_of(q, slot), c); });
        queue->flush();
        ++q;
    }
    if (!answers && !stopped_.load(std::memory_order_relaxed)) {
        const auto left =
            std::chrono::ceil<std::chrono::nanoseconds>(std::max(clock::duration{}, until - clock::now()));
        const timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
        ::ppoll(watched.data(), watched.size(), &time, nullptr);
    }
    for (auto& queue : controller_->queues())
        queue->disarm();
}

bool load::choose(worker& w) {
    w.has_work = false;
    if (phase_ == phase::reading_back)
        return choose_in_order(w);
    const auto now = clock::now();
    if (stopped_.load(std::memory_order_relaxed) || now >= end_ || (options_.count && chosen_ >= options_.count))
        return false;
    do {
        w.disk_slot = (options_.sequential ? next_disk_slot_++ : random()) % disk_slots_;
    } while (tracker_ && !tracker_->take(w.disk_slot));
    w.what = random() % 100 < options_.write_percent ? kind::write : kind::read;
    if (tracker_ && tracker_->acknowledged(w.disk_slot) == 0)
        w.what = kind::write;  // nothing is known of what could be read
    if (tracker_ && w.what == kind::write)
        w.generation = tracker_->begin_write(w.disk_slot);
    ++chosen_;
    w.has_work = true;
    w.due = w.began = now;
    if (options_.rate) {
        w.due = w.began = std::max(now, next_due_);
        next_due_ = w.due + seconds(1.0 / static_cast<double>(options_.rate));
    }
    return true;
}

/// Reads all of it back, each place once.
bool load::choose_in_order(worker& w) {
    while (next_disk_slot_ < disk_slots_ && tracker_->acknowledged(next_disk_slot_) == 0)
        ++next_disk_slot_;
    if (next_disk_slot_ == disk_slots_)
        return false;
    w.disk_slot = next_disk_slot_++;
    tracker_->take(w.disk_slot);
    w.what = kind::read;
    w.has_work = true;
    w.due = w.began = clock::now();
    return true;
}

void load::send(worker& w) {
    if (w.due > clock::now()) {
        w.is_sent = false;
        return;
    }
    io_queue& q = *controller_->queues()[w.queue];
    const bool writes = w.what == kind::write;
    nvme::command c{};
    c.opcode = nvme::to_underlying(writes ? nvme::io_opcode::write : nvme::io_opcode::read);
    c.nsid = options_.host.at.nsid;
    nvme::set_block_range(c, lba_of(w), blocks_each_);
    if (writes && pattern_)
        pattern_->fill(q.data(w.slot).first(options_.host.bytes), lba_of(w), w.generation);
    w.is_sent = true;
    w.sent = clock::now();
    q.submit(w.slot, c, writes ? direction::to_target : direction::to_host, options_.host.bytes);
}

void load::answered(worker& w, const nvme::completion& c) {
    w.is_sent = false;
    const bool writes = w.what == kind::write;
    if (!c.status().ok()) {
        const std::string what = fmt::format("a {} of {} blocks at {} was answered with {}", writes ? "write" : "read",
                                             blocks_each_, lba_of(w), nvme::to_string(c.status()));
        if (options_.reconnect <= 0 || c.status().dnr())
            throw disk_is_wrong(what);
        ++outcome_.retried;
        w.due = clock::now() + retry_after;
        return;
    }
    if (!writes && pattern_)
        check(w, controller_->queues()[w.queue]->data(w.slot).first(options_.host.bytes));
    if (w.what == kind::look) {
        w.what = kind::write;
        return send(w);
    }
    acknowledged(w);
    if (choose(w))
        send(w);
}

void load::acknowledged(worker& w) {
    if (tracker_) {
        if (w.what == kind::write)
            tracker_->acknowledge(w.disk_slot);
        tracker_->release(w.disk_slot);
    }
    if (phase_ == phase::reading_back)
        return;
    side& s = w.what == kind::write ? outcome_.write : outcome_.read;
    ++s.commands;
    s.bytes += options_.host.bytes;
    s.nanoseconds.add(static_cast<std::uint64_t>(std::chrono::nanoseconds(clock::now() - w.began).count()));
}

void load::check(const worker& w, std::span<const std::byte> data) {
    const std::uint32_t size = pattern_->block_size();
    const std::uint32_t acknowledged = tracker_->acknowledged(w.disk_slot);
    if (acknowledged == 0)
        return;  // a look at what was there before us
    std::uint64_t lba = lba_of(w);
    for (std::size_t at = 0; at < data.size(); at += size, ++lba) {
        const auto block = data.subspan(at, size);
        if (pattern_->is(block, lba, acknowledged) ||
            (tracker_->is_pending(w.disk_slot) && pattern_->is(block, lba, acknowledged + 1)))
            continue;
        throw disk_is_wrong(fmt::format(
            "block {} holds {}, where generation {}{} must be", lba, pattern_->describe(block), acknowledged,
            tracker_->is_pending(w.disk_slot) ? fmt::format(" or {}", acknowledged + 1) : ""));
    }
    outcome_.verified_blocks += data.size() / size;
}

std::uint64_t load::random() noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return random_ >> 33;
}

}  // namespace causeway::rdma_host
