// SPDX-License-Identifier: Apache-2.0
// What a script does, and what must have become of it. session_connect.cc has the connections.

#include "tests/fuzz/session.h"

#include "nvme/fabrics.h"
#include "nvme/properties.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <sanitizer/lsan_interface.h>

namespace causeway::fuzz {

namespace {

constexpr unsigned max_steps = 48;
constexpr std::uint32_t max_in_flight = 24;  ///< beyond an I/O queue's depth, within the receives of all queues
constexpr std::uint64_t inputs_between_checks = 16;
constexpr std::uint64_t inputs_of_a_controller = 4096;       ///< so that a history is not endless
constexpr std::uint64_t inputs_between_leak_checks = 16384;  ///< each stops the process for some hundredths of a second
constexpr std::uint16_t any_cntlid = 0xeeee;                 ///< of a script's Connect data: the controller's

constexpr std::uint64_t checked_lba = 77;
constexpr std::byte guard{0xa5};

constexpr std::size_t longest_legal = sizeof(nvme::command) + in_capsule_size;

bool is_fabrics(std::span<const std::byte> capsule, nvme::fctype type) {
    nvme::fabrics_command c;
    if (capsule.size() < sizeof c)
        return false;
    std::memcpy(&c, capsule.data(), sizeof c);
    return c.opcode == nvme::fabrics_opcode && c.fctype() == type;
}

bool sets_property(std::span<const std::byte> capsule) {
    return is_fabrics(capsule, nvme::fctype::property_set);
}

/// A queue, or the controller, by a host's good right.
bool ends_something(std::span<const std::byte> capsule) {
    return sets_property(capsule) || is_fabrics(capsule, nvme::fctype::disconnect);
}

}  // namespace

bool session::play(std::span<const std::uint8_t> input) {
    if (counts_.inputs - opened_at_ >= inputs_of_a_controller) {
        for (auto& q : queues_)
            q.reset();
        repair();
    }
    script s(input);
    if (s.rough() && credit_ < 0)
        return false;
    ++counts_.inputs;
    ++credit_;
    history_.add(input);
    for (unsigned n = 0; n < max_steps && !trouble(); ++n) {
        const auto next = s.next();
        if (!next)
            break;
        act(*next, s.rough());
    }
    settle();
    check_idle();
    if (counts_.inputs % inputs_between_checks == 0)
        check_content();
    if (counts_.inputs % inputs_between_leak_checks == 0 && __lsan_do_recoverable_leak_check())
        fail("memory is leaked");
    for (const auto& [offset, size] : written_)
        std::fill_n(memory_.bytes().begin() + static_cast<std::ptrdiff_t>(offset), size, std::byte{});
    written_.clear();
    return true;
}

void session::act(const step& s, bool rough) {
    switch (s.what) {
    case step::kind::memory: {
        const std::size_t offset = s.offset % host_memory::usable;
        if (!s.bytes.empty())
            std::memcpy(memory_.bytes().data() + offset, s.bytes.data(), s.bytes.size());
        written_.emplace_back(offset, s.bytes.size());
        break;
    }
    case step::kind::turns:
        for (unsigned i = 0; i < s.turns; ++i)
            take_turn();
        break;
    case step::kind::capsule: send(s, rough); break;
    }
}

void session::send(const step& s, bool rough) {
    const auto place = static_cast<std::size_t>(s.to);
    if (place == fresh && !rough)
        return;
    if (!queues_[place]) {
        ++counts_.queues;
        queues_[place] = std::make_unique<host_queue>(gateway_, memory_, s.fresh_admin ? 0 : 2, io_depth);
    }
    host_queue& q = *queues_[place];
    if (!s.raw && q.outstanding() >= q.depth())
        run_until_quiet();
    if (q.outstanding() >= (s.raw ? max_in_flight : q.depth()))
        return;

    const std::size_t most = s.raw ? host_queue::longest_capsule : longest_legal;
    std::size_t size = std::min(s.bytes.size() + s.zeros, most);
    if (!s.raw)
        size = std::max(size, sizeof(nvme::command));
    capsule_.assign(size, std::byte{});
    if (const std::size_t given = std::min(size, s.bytes.size()))
        std::memcpy(capsule_.data(), s.bytes.data(), given);
    patch(capsule_, s.raw);
    if (ends_something(capsule_) && !rough)
        return;
    if (place == admin && sets_property(capsule_))
        cc_touched_ = true;
    if (q.send(capsule_))
        ++counts_.capsules;
    if (!s.no_turns) {
        take_turn();
        take_turn();
    }
}

/// Scripts know neither keys nor addresses.
void session::patch(std::span<std::byte> capsule, bool raw) {
    if (capsule.size() < sizeof(nvme::command))
        return;
    nvme::command c;
    std::memcpy(&c, capsule.data(), sizeof c);
    aim(c.sgl, raw);
    std::memcpy(capsule.data(), &c, sizeof c);
    insert_cntlid(c);
    if (!c.sgl.is(nvme::sgl_type::last_segment, nvme::sgl_subtype::offset))
        return;
    const auto list = c.sgl.as_segment();
    const std::span<std::byte> data = capsule.subspan(sizeof c);
    if (list.address > data.size())
        return;
    for (std::size_t at = list.address; data.size() - at >= sizeof c.sgl && at - list.address < list.length;
         at += sizeof c.sgl) {
        nvme::sgl_descriptor d;
        std::memcpy(&d, data.data() + at, sizeof d);
        aim(d, raw);
        std::memcpy(data.data() + at, &d, sizeof d);
    }
}

void session::aim(nvme::sgl_descriptor& d, bool raw) const {
    if (d.type() != nvme::sgl_type::keyed_data_block)
        return;
    const auto k = d.as_keyed_data_block();
    const std::uint64_t offset = raw ? k.address.value() : k.address % host_memory::usable;
    d = nvme::sgl_descriptor::keyed_data_block(memory_.address() + offset, k.length,
                                               raw ? memory_.key() ^ k.key : memory_.key(), d.subtype());
}

void session::insert_cntlid(const nvme::command& c) {
    if (c.opcode != nvme::fabrics_opcode || std::bit_cast<nvme::fabrics_command>(c).fctype() != nvme::fctype::connect ||
        c.sgl.type() != nvme::sgl_type::keyed_data_block)
        return;
    const std::uint64_t offset = c.sgl.as_keyed_data_block().address - memory_.address();
    if (offset >= host_memory::usable)
        return;
    nvme::connect_data d;
    std::memcpy(&d, memory_.bytes().data() + offset, sizeof d);
    if (d.cntlid != any_cntlid)
        return;
    d.cntlid = cntlid_;
    std::memcpy(memory_.bytes().data() + offset, &d, sizeof d);
}

unsigned session::take_turn() {
    unsigned events = gateway_.turn();
    for (const auto& q : queues_) {
        if (!q)
            continue;
        events += q->poll();
        if (q->take_invalidated())
            memory_.renew_key();
    }
    return events;
}

/// A command may go to the control reactor's mailbox and back, which takes a turn each.
void session::run_until_quiet() {
    unsigned quiet = 0;
    for (unsigned n = 0; quiet < 3; ++n) {
        quiet = take_turn() ? 0 : quiet + 1;
        if (n == 100'000)
            fail("the gateway does not come to rest");
    }
}

/// nullopt: the connection is closed, or closing.
std::optional<nvme::completion> session::call(host_queue& q, nvme::command c, std::uint32_t length) {
    c.flags = 1 << 6;  // PSDT: SGL
    c.cid = q.free_cid();
    if (length)
        c.sgl = nvme::sgl_descriptor::keyed_data_block(memory_.address() + own_offset, length, memory_.key());
    q.expect(c.cid);
    q.send(std::as_bytes(std::span(&c, 1)));
    run_until_quiet();
    if (!q.expected() && !trouble() && !gateway_.wait([&] { return q.poll(), q.expected() || trouble(); }))
        fail(fmt::format("command {:#x} is not answered", c.opcode));
    return q.expected();
}

/// A connection is closed or closing. The host may not have heard of it: that would take a system call.
bool session::trouble() const {
    for (const auto& q : queues_)
        if (q && q->closed())
            return true;
    return idle_.closing() || idle_.connections() != live();
}

/// All that was sent comes to its end.
void session::settle() {
    const auto sends_out = [&] {
        return std::all_of(queues_.begin(), queues_.end(), [](const auto& q) { return !q || !q->sending(); });
    };
    for (unsigned repairs = 0; repairs < 8; ++repairs) {
        run_until_quiet();
        // A capsule that found no receive is sent again by the device, which has a thread and timers for that.
        if (!sends_out() && !trouble() && !gateway_.wait([&] { return take_turn(), sends_out() || trouble(); }))
            fail("a capsule is not taken");
        run_until_quiet();
        if (!trouble() && release_held() && stays_enabled())
            return;
        repair();
    }
    fail("connections are closed again and again");
}

/// Commands that wait for something that the host does: a fused one for the other half, an Asynchronous Event Request
/// for an event. False: a connection has gone.
bool session::release_held() {
    if (queues_[fresh] && queues_[fresh]->outstanding()) {
        queues_[fresh].reset();
        return false;
    }
    if (queues_[io]->outstanding()) {
        nvme::command flush{};
        flush.nsid = nsid;
        if (!call(*queues_[io], flush))
            return false;
    }
    for (const auto& q : queues_)
        if (q && q->has_short_outstanding())
            fail("a capsule without a command closes no connection");
    for (std::uint32_t n = queues_[admin]->outstanding(); n != 0; n = queues_[admin]->outstanding()) {
        nvme::command abort{};
        abort.opcode = nvme::to_underlying(nvme::admin_opcode::abort);
        abort.cdw10 = std::uint32_t{queues_[admin]->outstanding_cid()} << 16;
        if (!call(*queues_[admin], abort))
            return false;
        if (queues_[admin]->outstanding() >= n)
            fail(fmt::format("command {:#x} of the admin queue is neither answered nor can it be aborted",
                             abort.cdw10 >> 16));
    }
    if (queues_[io]->outstanding())
        fail(fmt::format("{} commands of the I/O queue are not answered", queues_[io]->outstanding()));
    return true;
}

bool session::stays_enabled() {
    if (!std::exchange(cc_touched_, false))
        return true;
    return enabled();
}

void session::check_idle() {
    if (trouble())
        return repair();
    if (const std::string leaks = idle_.leaks(live(), memory_.receives_taken); !leaks.empty())
        fail(leaks);
}

/// A block that is written is read again, and nothing beside it is.
void session::check_content() {
    const std::span<std::byte> around = memory_.bytes().subspan(own_offset - 64, block_size + 128);
    const std::span<std::byte> block = around.subspan(64, block_size);
    const auto value = [&](std::size_t i) {
        return static_cast<std::byte>(counts_.inputs >> (i % 3 * 8)) ^ static_cast<std::byte>(i);
    };
    nvme::command c{};
    c.nsid = nsid;
    nvme::set_block_range(c, checked_lba, 1);
    for (const bool writes : {true, false}) {
        std::fill(around.begin(), around.end(), guard);
        for (std::size_t i = 0; writes && i < block_size; ++i)
            block[i] = value(i);
        c.opcode = nvme::to_underlying(writes ? nvme::io_opcode::write : nvme::io_opcode::read);
        const auto answer = call(*queues_[io], c, block_size);
        if (!answer)
            return repair();
        if (!answer->status().ok())
            fail(fmt::format("a good {} is answered with {}", writes ? "Write" : "Read",
                             nvme::to_string(answer->status())));
    }
    for (std::size_t i = 0; i < block_size; ++i)
        if (block[i] != value(i))
            fail(fmt::format("byte {} of a block is not what was written", i));
    for (std::size_t i = 0; i < 64; ++i)
        if (around[i] != guard || around[around.size() - 1 - i] != guard)
            fail("a Read has written beside its buffer");
}

}  // namespace causeway::fuzz
