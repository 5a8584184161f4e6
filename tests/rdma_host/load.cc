// SPDX-License-Identifier: Apache-2.0
#include "tests/rdma_host/load.h"

#include "host/identity.h"
#include "nvme/make_command.h"

#include <algorithm>
#include <fmt/format.h>
#include <new>

namespace causeway::rdma_host {

using namespace std::chrono_literals;

namespace {

constexpr auto retry_after = 10ms, connect_after = 50ms, csts_poll_period = 1ms;
constexpr auto connect_timeout = 20s;  // of one step, under sanitizers
constexpr std::size_t page = 4096;

std::chrono::nanoseconds seconds(double s) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(s));
}

void log(const std::string& what) {
    fmt::print(stderr, "rdma_load: {}\n", what);
}

}  // namespace

load::load(const load_options& o) : options_(o), connector_(o.to, connect_timeout), random_(o.seed * 2 + 1) {
    const std::size_t stride = (o.bytes + page - 1) / page * page;
    memory_bytes_ = stride * o.queues * o.depth;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, memory_bytes_)));
    if (!memory_)
        throw std::bad_alloc();
    std::fill_n(memory_.get(), memory_bytes_, std::byte{0x5a});
    for (unsigned i = 0; i < o.queues * o.depth; ++i)
        workers_.push_back({.queue = i / o.depth, .data = {memory_.get() + i * stride, o.bytes}, .due = {}});
}

core::task<outcome> load::run() {
    auto ready = co_await connect();
    if (ready)
        ready = co_await prepare_disk();
    if (!ready) {
        fail(ready.error().text(), false);
    } else {
        const auto start = next_due_ = clock::now();
        if (options_.seconds > 0)
            end_ = start + seconds(options_.seconds);
        if (options_.reset_every > 0)
            next_reset_ = start + seconds(options_.reset_every);
        co_await drive(phase::driving);
        outcome_.seconds = std::chrono::duration<double>(clock::now() - start).count();
        next_reset_ = clock::time_point::max();
        if (options_.verify && !has_failed())
            co_await drive(phase::reading_back);
    }
    if (controller_)
        co_await controller_->disconnect();
    controller_.reset();
    co_return outcome_;
}

core::task<core::result<>> load::connect() {
    const auto end = clock::now() + seconds(options_.reconnect);
    for (;;) {
        auto connected = co_await connect_once();
        if (connected || options_.reconnect <= 0 || clock::now() > end)
            co_return connected;
        co_await core::sleep_for(connect_after);
    }
}

core::task<core::result<>> load::connect_once() {
    auto self = host::identity_of(options_.hostnqn);
    controller_ = std::make_unique<host::controller>(
        connector_,
        host::controller_options{.subnqn = options_.subnqn,
                                 .hostnqn = std::move(self.hostnqn),
                                 .hostid = self.hostid,
                                 .io_reactors = std::vector<core::reactor*>(options_.queues, core::reactor::current()),
                                 .io_depth = options_.depth,
                                 .kato_ms = options_.kato_ms});
    lost_.clear();
    controller_->on_lost = [this](std::string why) {
        lost_ = std::move(why);
        connected_.reset();
        changed_.notify_all();
    };
    auto connected = co_await controller_->connect();
    if (!connected) {
        controller_.reset();
        co_return connected;
    }
    for (std::size_t i = 0; i < controller_->io_queues() && connected && lost_.empty(); ++i)
        if (!controller_->io(i).use_memory({memory_.get(), memory_bytes_}))
            connected = core::fail(ENOMEM, "the device registers no more memory", controller_->name());
    if (!lost_.empty())
        connected = core::fail(ECONNRESET, lost_, controller_->name());
    if (!connected) {
        co_await controller_->disconnect();
        controller_.reset();
        co_return connected;
    }
    connected_.set();
    co_return connected;
}

core::task<core::result<>> load::prepare_disk() {
    if (options_.bytes > controller_->max_data())
        co_return core::fail(EINVAL, fmt::format("takes at most {} bytes with a command", controller_->max_data()),
                             controller_->name());
    if (const unsigned depth = controller_->io(0).depth(); depth < options_.depth)
        co_return core::fail(EINVAL, fmt::format("takes at most {} commands on a queue", depth), controller_->name());
    const auto ns = co_await controller_->identify_namespace(options_.nsid);
    if (!ns)
        co_return tl::make_unexpected(ns.error());
    if (ns->nsze == 0)
        co_return core::fail(ENOENT, fmt::format("has no namespace {}", options_.nsid), controller_->name());
    const std::uint32_t block_size = 1u << ns->lbaf[ns->flbas & 0xf].lbads;
    if (options_.bytes % block_size)
        co_return core::fail(
            EINVAL, fmt::format("{} bytes are not a multiple of the block size, {}", options_.bytes, block_size));
    blocks_each_ = options_.bytes / block_size;
    const std::uint64_t size = ns->nsze * block_size;
    slots_ = (options_.region ? std::min(options_.region, size) : size) / options_.bytes;
    if (slots_ < (options_.verify ? workers_.size() : 1))
        co_return core::fail(EINVAL, fmt::format("{} commands at a time do not fit beside each other into {} slots",
                                                 workers_.size(), slots_));
    if (options_.verify) {
        pattern_.emplace(options_.seed, block_size);
        tracker_.emplace(slots_);
    }
    co_return core::result<>{};
}

/// Runs all workers until none has anything left to do, and keeps the connection meanwhile.
core::task<> load::drive(phase p) {
    phase_ = p;
    next_slot_ = 0;
    working_ = workers_.size();
    for (worker& w : workers_)
        core::detach(work(w));
    while (working_ > 0 && !has_failed()) {
        co_await wait_for_change();
        if (!lost_.empty() && options_.reconnect <= 0)
            fail(lost_, false);
        else if (!lost_.empty())
            co_await connect_again(lost_);
        else if (clock::now() >= next_reset_ && working_ > 0 && !has_failed())
            co_await reset();
    }
    if (!has_failed())
        co_return;
    // Ends the commands that are outstanding, so that their workers end.
    close_io_queues();
    connected_.set();
    co_await changed_.wait([this] { return working_ == 0; });
}

core::task<> load::wait_for_change() {
    const auto has_changed = [this] { return working_ == 0 || !lost_.empty() || has_failed(); };
    if (next_reset_ == clock::time_point::max())
        co_await changed_.wait(has_changed);
    else
        (void)co_await changed_.wait_for(next_reset_ - clock::now(), has_changed);
}

core::task<> load::connect_again(std::string why) {
    log(why + "; connecting again");
    if (controller_)
        co_await controller_->disconnect();
    controller_.reset();
    const auto connected = co_await connect();
    if (!connected) {
        fail(connected.error().text(), false);
        co_return;
    }
    ++outcome_.reconnects;
    log("connected again");
}

/// Resets the controller as a host does, while commands are outstanding: drops the I/O queues, clears CC.EN, and
/// connects again.
core::task<> load::reset() {
    next_reset_ = clock::now() + seconds(options_.reset_every);
    ++outcome_.resets;
    connected_.reset();
    close_io_queues();
    co_await disable_controller();
    controller_->admin().close();
    co_await connect_again("the controller was reset");
}

core::task<> load::disable_controller() {
    host::queue_pair& admin = controller_->admin();
    const auto cc = nvme::cc{}.set_iosqes(6).set_iocqes(4);
    auto answer = co_await admin.run(nvme::make_property_set(nvme::property::cc, cc.value));
    while (answer.status().ok()) {
        answer = co_await admin.run(nvme::make_property_get(nvme::property::csts));
        if (!nvme::csts{answer.dw0}.rdy())
            co_return;
        co_await core::sleep_for(csts_poll_period);
    }
}

void load::close_io_queues() {
    for (std::size_t i = 0; controller_ && i < controller_->io_queues(); ++i)
        controller_->io(i).close();
}

/// Completes one command after the other, until there is none to choose.
core::task<> load::work(worker& w) {
    while (phase_ == phase::reading_back ? choose_to_read_back(w) : choose(w)) {
        co_await core::sleep_for(w.due - clock::now());
        const bool is_complete = co_await complete(w);
        if (!is_complete)
            break;
        acknowledge(w);
    }
    --working_;
    changed_.notify_all();
}

/// Sends a command until it succeeds. False: the load has failed.
core::task<bool> load::complete(worker& w) {
    bool must_look = false;  // an earlier attempt to write may or may not have been executed
    for (;;) {
        while (!connected_.is_set())
            co_await connected_.wait();
        if (has_failed())
            co_return false;
        const bool reads = must_look || !w.writes;
        const nvme::status status = co_await send(w, reads ? nvme::io_opcode::read : nvme::io_opcode::write);
        if (has_failed())
            co_return false;
        if (status.ok()) {
            if (reads && !check(w))
                co_return false;
            if (!must_look)
                co_return true;
            must_look = false;
        } else if (status.is(nvme::sc::host_pathing_error)) {
            ++outcome_.redriven;
            must_look = w.writes && tracker_;
            connected_.reset();
        } else if (options_.reconnect <= 0 || status.dnr()) {
            fail(fmt::format("a {} of {} blocks at {} was answered with {}", reads ? "read" : "write", blocks_each_,
                             lba_of(w), nvme::to_string(status)),
                 true);
            co_return false;
        } else {
            ++outcome_.retried;
            co_await core::sleep_for(retry_after);
        }
    }
}

core::task<nvme::status> load::send(worker& w, nvme::io_opcode opcode) {
    if (opcode == nvme::io_opcode::write && pattern_)
        pattern_->fill(w.data, lba_of(w), w.generation);
    const iovec piece{w.data.data(), w.data.size()};
    const auto answer = co_await controller_->io(w.queue).run(
        nvme::make_block_command(opcode, options_.nsid, lba_of(w), blocks_each_), {&piece, 1});
    co_return answer.status();
}

bool load::choose(worker& w) {
    const auto now = clock::now();
    if (was_stopped() || has_failed() || now >= end_ || (options_.count && chosen_ >= options_.count))
        return false;
    do {
        w.slot = (options_.sequential ? next_slot_++ : random()) % slots_;
    } while (tracker_ && !tracker_->take(w.slot));
    w.writes = random() % 100 >= options_.read_percent;
    if (tracker_ && tracker_->acknowledged(w.slot) == 0)
        w.writes = true;  // the content is not known yet
    if (tracker_ && w.writes)
        w.generation = tracker_->begin_write(w.slot);
    ++chosen_;
    w.due = now;
    if (options_.rate) {
        w.due = std::max(now, next_due_);
        next_due_ = w.due + seconds(1.0 / static_cast<double>(options_.rate));
    }
    return true;
}

/// Chooses each slot that was written, once.
bool load::choose_to_read_back(worker& w) {
    while (next_slot_ < slots_ && tracker_->acknowledged(next_slot_) == 0)
        ++next_slot_;
    if (next_slot_ == slots_ || has_failed())
        return false;
    w.slot = next_slot_++;
    tracker_->take(w.slot);
    w.writes = false;
    w.due = clock::now();
    return true;
}

void load::acknowledge(const worker& w) {
    if (tracker_) {
        if (w.writes)
            tracker_->acknowledge(w.slot);
        tracker_->release(w.slot);
    }
    if (phase_ == phase::reading_back)
        return;
    outcome::direction& d = w.writes ? outcome_.write : outcome_.read;
    ++d.commands;
    d.bytes += options_.bytes;
}

bool load::check(const worker& w) {
    const std::uint32_t acknowledged = tracker_ ? tracker_->acknowledged(w.slot) : 0;
    if (acknowledged == 0)
        return true;  // written before this load, or by nothing
    const std::uint32_t size = pattern_->block_size();
    const bool is_pending = tracker_->is_pending(w.slot);
    std::uint64_t lba = lba_of(w);
    for (std::size_t at = 0; at < w.data.size(); at += size, ++lba) {
        const auto block = w.data.subspan(at, size);
        if (pattern_->is(block, lba, acknowledged) || (is_pending && pattern_->is(block, lba, acknowledged + 1)))
            continue;
        fail(fmt::format("block {} holds {}, where generation {}{} must be", lba, pattern_->describe(block),
                         acknowledged, is_pending ? fmt::format(" or {}", acknowledged + 1) : ""),
             true);
        return false;
    }
    outcome_.verified_blocks += w.data.size() / size;
    return true;
}

void load::fail(std::string why, bool disk_is_wrong) {
    if (has_failed())
        return;
    outcome_.trouble = std::move(why);
    outcome_.disk_is_wrong = disk_is_wrong;
    changed_.notify_all();
}

std::uint64_t load::random() noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return random_ >> 33;
}

}  // namespace causeway::rdma_host
