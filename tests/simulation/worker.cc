// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/worker.h"

#include "host/loop/commands.h"
#include "tests/simulation/memory.h"

#include <algorithm>

namespace causeway::simulation {

using namespace std::chrono_literals;
using nvme::io_opcode;

namespace {

/// A promise that nothing was written.
bool refuses(nvme::status s) noexcept {
    for (const nvme::status known :
         {nvme::sc::lba_out_of_range, nvme::sc::invalid_namespace_or_format, nvme::sc::namespace_is_write_protected,
          nvme::sc::aborted_failed_fused, nvme::sc::aborted_missing_fused, nvme::sc::compare_failure})
        if (s.is(known))
            return true;
    return false;
}

}  // namespace

bool worker::lost(nvme::status s) const noexcept {
    return s.is(nvme::sc::host_pathing_error) && queue_.phase() != loop::host_queue::state::open;
}

worker::target_range worker::choose(std::uint32_t max_blocks, std::uint32_t share_of_transfer) {
    auto& random = system_.random();
    std::vector<disk*> here;
    for (auto& d : system_.disks())
        if (d->subsystem == session_.subsystem && (!d->absent.now() || random.chance(1, 8)))
            here.push_back(d.get());
    disk* d =
        here.empty() ? system_.disks()[random.below(system_.disks().size())].get() : here[random.below(here.size())];
    const auto size = static_cast<std::uint32_t>(d->model.blocks());
    const std::uint32_t max_bytes = session_.max_bytes / share_of_transfer;
    const std::uint32_t most = std::min({max_blocks, size, max_bytes / d->model.block_size()});
    // Mostly small, so that much is in flight on the same blocks.
    const auto count = static_cast<std::uint32_t>(1 + random.below(random.chance(1, 4) ? most : std::min(most, 4u)));
    return {d, random.below(size - count + 1), count};
}

core::task<> worker::run(unsigned& budget) {
    auto& random = system_.random();
    while (budget > 0 && queue_.phase() == loop::host_queue::state::open && !system_.failed()) {
        --budget;
        ++system_.commands;
        if (random.chance(1, 4))
            co_await core::sleep_for(system_.some_time(1ms));
        if (system_.plans().has(trouble::nonsense) && random.chance(1, 10)) {
            if (random.chance(1, 2))
                co_await nonsense();
            else
                co_await half_a_fused_pair();
            continue;
        }
        switch (random.below(12)) {
        case 0: co_await flush(); break;
        case 1: co_await compare(); break;
        case 2: co_await compare_and_write(); break;
        case 3: co_await write_zeroes(); break;
        case 4: co_await deallocate(); break;
        case 5:
        case 6:
        case 7:
        case 8: co_await write(); break;
        default: co_await read();
        }
    }
    --session_.workers;
}

core::task<> worker::read() {
    co_await read(choose());
}

core::task<> worker::read(target_range r) {
    disk_model& model = r.on->model;
    host_memory memory(r.bytes(), model.block_size(), system_.random());
    const moment begin = system_.now();
    model.begin_read(begin);
    const nvme::completion c = co_await queue_.run(
        loop::make_block_command(io_opcode::read, r.on->nsid, r.block, r.count, r.bytes()), memory.data());
    const moment end = system_.now();
    judge("read", r, begin, c.status());
    if (c.status().ok()) {
        const auto data = memory.get();
        for (std::uint32_t i = 0; i < r.count; ++i) {
            ++system_.checked_blocks;
            const std::uint64_t block = r.block + i;
            const auto v = model.decode(std::span(data).subspan(i * model.block_size(), model.block_size()), block);
            if (!v)
                system_.fail("read [{}, {}]: block {} of {} holds bytes that were never written there", begin, end,
                             block, r.on->name);
            else if (!model.may_find(*v, block, begin, end))
                system_.fail("read [{}, {}]: block {} of {} holds {}, but\n{}", begin, end, block, r.on->name, *v,
                             model.history(block));
            else
                model.found(*v, block, end);
        }
    }
    model.end_read(begin);
}

core::task<> worker::read_all(disk& d) {
    const std::uint32_t most = std::max(1u, session_.max_bytes / d.model.block_size());
    for (std::uint64_t block = 0; block < d.model.blocks(); block += most) {
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(most, d.model.blocks() - block));
        co_await read({&d, block, count});
    }
}

core::task<> worker::write() {
    const target_range r = choose();
    disk_model& model = r.on->model;
    const value v = system_.fresh_value();
    host_memory memory(r.bytes(), model.block_size(), system_.random());
    memory.put(bytes_of(r, std::vector<value>(r.count, v)));
    const moment begin = system_.now();
    model.begin_write(v, r.block, r.count, begin);
    auto command = loop::make_block_command(io_opcode::write, r.on->nsid, r.block, r.count, r.bytes());
    if (system_.random().chance(1, 8))
        command.cdw12 = command.cdw12 | nvme::rw_fua;
    const nvme::completion c = co_await queue_.run(command, memory.data());
    judge("write", r, begin, c.status());
    end_write(r, v, begin, c.status());
}

core::task<> worker::write_zeroes() {
    const target_range r = choose();
    const moment begin = system_.now();
    r.on->model.begin_write(0, r.block, r.count, begin);
    auto command = loop::make_block_command(io_opcode::write_zeroes, r.on->nsid, r.block, r.count);
    if (system_.random().chance(1, 2))
        command.cdw12 = command.cdw12 | nvme::write_zeroes_deac;
    const nvme::completion c = co_await queue_.run(command);
    judge("write zeroes", r, begin, c.status());
    end_write(r, 0, begin, c.status());
}

core::task<> worker::deallocate() {
    target_range r = choose();
    const std::size_t count = 1 + system_.random().below(4);
    std::vector<nvme::dsm_range> ranges(count);
    std::vector<target_range> wanted;
    std::vector<moment> begins;
    for (auto& range : ranges) {
        target_range more = r;
        more.block = system_.random().below(r.on->model.blocks());
        more.count = static_cast<std::uint32_t>(1 + system_.random().below(r.on->model.blocks() - more.block));
        range = {};
        range.slba = more.block;
        range.nlb = more.count;
        wanted.push_back(more);
        begins.push_back(system_.now());
        r.on->model.begin_write(0, more.block, more.count, begins.back());
    }
    const iovec piece{ranges.data(), ranges.size() * sizeof ranges[0]};
    const nvme::completion c =
        co_await queue_.run(loop::make_deallocate(r.on->nsid, static_cast<std::uint32_t>(count)), {&piece, 1});
    judge("deallocate", r, begins.front(), c.status());
    // A hint: it may have zeroed any of them, or none.
    for (std::size_t i = 0; i < count; ++i) {
        if (lost(c.status()))
            system_.haunts(queue_.connection(), *r.on, 0, wanted[i].block, wanted[i].count, begins[i]);
        else
            r.on->model.end_write(0, wanted[i].block, wanted[i].count, begins[i], disk_model::outcome::maybe,
                                  system_.now());
    }
}

std::vector<value> worker::guess(const target_range& r, moment begin) {
    auto& random = system_.random();
    std::vector<value> values;
    for (std::uint32_t i = 0; i < r.count; ++i) {
        const auto known = r.on->model.candidates(r.block + i, begin, begin + 1);
        values.push_back(random.chance(1, 16) ? system_.fresh_value() : known[random.below(known.size())]);
    }
    return values;
}

std::vector<std::byte> worker::bytes_of(const target_range& r, const std::vector<value>& values) const {
    const disk_model& model = r.on->model;
    std::vector<std::byte> data(r.bytes());
    for (std::uint32_t i = 0; i < r.count; ++i)
        model.fill_block(std::span(data).subspan(i * model.block_size(), model.block_size()), values[i], r.block + i);
    return data;
}

void worker::check_compare(const target_range& r, const std::vector<value>& values, moment begin, nvme::status s) {
    disk_model& model = r.on->model;
    const moment end = system_.now();
    bool certain = true;
    for (std::uint32_t i = 0; i < r.count; ++i) {
        const std::uint64_t block = r.block + i;
        if (s.ok() && !model.may_find(values[i], block, begin, end))
            system_.fail("compare [{}, {}]: block {} of {} was said to hold {}, but\n{}", begin, end, block, r.on->name,
                         values[i], model.history(block));
        if (s.ok())
            model.found(values[i], block, end);
        certain &= model.candidates(block, begin, end) == std::vector<value>{values[i]};
    }
    if (s.is(nvme::sc::compare_failure) && certain)
        system_.fail("compare [{}, {}]: {} blocks from {} of {} must have been equal", begin, end, r.count, r.block,
                     r.on->name);
}

core::task<> worker::compare() {
    const target_range r = choose();
    const moment begin = system_.now();
    r.on->model.begin_read(begin);
    const auto values = guess(r, begin);
    host_memory memory(r.bytes(), r.on->model.block_size(), system_.random());
    memory.put(bytes_of(r, values));
    const nvme::completion c = co_await queue_.run(
        loop::make_block_command(io_opcode::compare, r.on->nsid, r.block, r.count, r.bytes()), memory.data());
    check_compare(r, values, begin, c.status());
    if (!c.status().is(nvme::sc::compare_failure))
        judge("compare", r, begin, c.status());
    r.on->model.end_read(begin);
}

core::task<std::pair<nvme::completion, nvme::completion>>
worker::run_together(nvme::command a, std::span<const iovec> a_data, nvme::command b, std::span<const iovec> b_data) {
    struct half : loop::host_request {
        core::one_shot<nvme::completion> answer;
    } first, second;
    first.command = a;
    first.data = a_data;
    second.command = b;
    second.data = b_data;
    first.done = second.done = [](loop::host_request& q) noexcept { static_cast<half&>(q).answer.set(q.completion); };
    while (queue_.phase() == loop::host_queue::state::open && queue_.outstanding() + 2u >= queue_.entries())
        co_await core::yield();
    if (queue_.phase() != loop::host_queue::state::open)
        co_return std::pair{loop::lost_completion(), loop::lost_completion()};
    queue_.submit(first);
    queue_.submit(second);
    const nvme::completion of_first = co_await first.answer;
    const nvme::completion of_second = co_await second.answer;
    co_return std::pair{of_first, of_second};
}

core::task<> worker::compare_and_write() {
    const target_range r = choose(4, 2);  // both halves in one buffer
    disk_model& model = r.on->model;
    const moment begin = system_.now();
    model.begin_read(begin);
    const auto values = guess(r, begin);
    const value v = system_.fresh_value();
    host_memory old_data(r.bytes(), model.block_size(), system_.random());
    host_memory new_data(r.bytes(), model.block_size(), system_.random());
    old_data.put(bytes_of(r, values));
    new_data.put(bytes_of(r, std::vector<value>(r.count, v)));
    model.begin_write(v, r.block, r.count, begin);

    const auto [a, b] = co_await run_together(
        loop::make_block_command(io_opcode::compare, r.on->nsid, r.block, r.count, r.bytes(), nvme::fuse::first),
        old_data.data(),
        loop::make_block_command(io_opcode::write, r.on->nsid, r.block, r.count, r.bytes(), nvme::fuse::second),
        new_data.data());

    if (!a.status().is(nvme::sc::compare_failure))
        judge("the compare of a fused pair", r, begin, a.status());
    if (b.status().ok() && !a.status().ok() && !lost(a.status()))
        system_.fail("fused: the compare said {}, and the write was done", nvme::to_string(a.status()));
    if (!b.status().is(nvme::sc::aborted_failed_fused) || a.status().ok())
        judge("the write of a fused pair", r, begin, b.status());
    check_compare(r, values, begin, a.status());
    // Whether anything was written is what the compare's answer says.
    const bool refused_with_it = b.status().is(nvme::sc::aborted_failed_fused);
    end_write(r, v, begin, refused_with_it && !a.status().ok() ? a.status() : b.status());
    model.end_read(begin);
}

core::task<> worker::flush() {
    const target_range r = choose();
    const moment begin = system_.now();
    const nvme::completion c = co_await queue_.run(loop::make_flush(r.on->nsid));
    judge("flush", r, begin, c.status());
}

core::task<> worker::nonsense() {
    auto& random = system_.random();
    target_range r = choose();
    host_memory memory(r.bytes(), r.on->model.block_size(), random);
    auto command = loop::make_block_command(io_opcode::read, r.on->nsid, r.block, r.count, r.bytes());
    switch (random.below(6)) {
    case 0: command.opcode = static_cast<std::uint8_t>(random.between(0x90, 0xff)); break;
    case 1: command.nsid = 0; break;
    case 2: command.nsid = static_cast<std::uint32_t>(random.between(1000, nvme::broadcast_nsid)); break;
    case 3: nvme::set_block_range(command, r.on->model.blocks() - random.below(r.count), r.count); break;
    case 4: nvme::set_block_range(command, ~std::uint64_t{0} - random.below(4), r.count); break;
    default: command.flags = static_cast<std::uint8_t>(random.chance(1, 2) ? 0 : 3 | 1 << 6);
    }
    const nvme::completion c = co_await queue_.run(command, memory.data());
    if (c.status().ok())
        system_.fail("nonsense was done: opcode {:#x} flags {:#x} nsid {} slba {}", command.opcode, command.flags,
                     command.nsid.value(), nvme::block_command_view{command}.slba());
}

core::task<> worker::half_a_fused_pair() {
    const target_range r = choose(4, 2);  // both halves in one buffer
    const bool first = system_.random().chance(1, 2);
    const moment begin = system_.now();
    host_memory memory(r.bytes(), r.on->model.block_size(), system_.random());
    const nvme::command half =
        loop::make_block_command(first ? io_opcode::compare : io_opcode::write, r.on->nsid, r.block, r.count, r.bytes(),
                                 first ? nvme::fuse::first : nvme::fuse::second);
    // The other half would stand where the flush does.
    const nvme::command other = loop::make_flush(r.on->nsid);
    // Not by ?:, in whose branches g++ 12 destroys what is awaited twice.
    std::pair<nvme::completion, nvme::completion> answers;
    if (first)
        answers = co_await run_together(half, memory.data(), other, {});
    else
        answers = co_await run_together(other, {}, half, memory.data());
    const auto& [a, b] = answers;
    const nvme::status s = (first ? a : b).status();
    if (s.ok())
        system_.fail("half of a fused pair was done on its own");
    else if (!s.is(nvme::sc::aborted_missing_fused))
        judge("half of a fused pair", r, begin, s);
    judge("the flush beside it", r, begin, (first ? b : a).status());
}

void worker::end_write(const target_range& r, value v, moment begin, nvme::status s) {
    if (lost(s))
        return system_.haunts(queue_.connection(), *r.on, v, r.block, r.count, begin);
    const auto outcome = s.ok()       ? disk_model::outcome::acknowledged
                         : refuses(s) ? disk_model::outcome::refused
                                      : disk_model::outcome::maybe;
    if (!r.on->model.end_write(v, r.block, r.count, begin, outcome, system_.now()))
        system_.fail("write {} to {} was refused with {}, and yet a read has found it", v, r.on->name,
                     nvme::to_string(s));
}

void worker::judge(const char* what, const target_range& r, moment begin, nvme::status s) {
    if (s.ok()) {
        ++system_.answers_ok;
        return;
    }
    system_.trace("{} of {} blocks from {} of {} since {}: {}", what, r.count, r.block, r.on->name, begin,
                  nvme::to_string(s));
    if (lost(s)) {
        ++system_.lost;
        return;  // whether the connection may be lost is the session's to judge
    }
    ++system_.answers_bad;
    if (!excused(*r.on, begin, s))
        system_.fail("{} of {} blocks from {} of {} since {}: {} without cause", what, r.count, r.block, r.on->name,
                     begin, nvme::to_string(s));
}

bool worker::excused(const disk& d, moment begin, nvme::status s) const {
    if (s.is(nvme::sc::lba_out_of_range))
        return d.resized.since(begin);
    if (s.is(nvme::sc::invalid_namespace_or_format))
        return d.absent.since(begin) || d.subsystem != session_.subsystem;
    if (s.is(nvme::sc::aborted_by_request))
        return session_.aborting;
    if (s.is(nvme::sc::aborted_sq_deletion))
        return session_.leaving || system_.subsystems()[session_.subsystem].unreachable.since(begin);
    if (s.is(nvme::sc::host_pathing_error) || s.is(nvme::sc::compare_failure))
        return false;
    return d.faulty.since(begin) || d.absent.since(begin);
}

}  // namespace causeway::simulation
