// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/nvme_session.h"

#include "tests/fuzz/must.h"

#include <algorithm>
#include <cstring>

namespace causeway::fuzz {

using namespace std::chrono_literals;
using bdev_nvme::testing::fault;
using bdev_nvme::testing::fault_rule;
using bdev_nvme::testing::model_namespace;
using bdev_nvme::testing::model_options;

namespace {

constexpr unsigned max_io = 200;
// Each may take seconds of virtual time.
constexpr unsigned max_waits = 8, max_operations = 16;
constexpr std::uint64_t blocks_of_a_namespace = 128;
// Host memory of the sizes that a garbled controller may ask for costs more than all else.
constexpr std::size_t host_memory_sizes = 272, end_of_host_memory_sizes = 280;

}  // namespace

nvme_session::nvme_session(byte_source& in, nvme_counts& counts)
    : in_(in), counts_(counts), head_(in.byte()), bench_(cores(head_)), model_(bench_.models.add(options(in))),
      cap_([this] {
          std::uint64_t v;
          std::memcpy(&v, model_->registers().data(), sizeof v);
          return v;
      }()),
      version_(model_->options().version) {
    constexpr unsigned slow[] = {1, 2, 4, 9};
    bench_.slowness = slow[head_ >> 1 & 3];
}

model_options nvme_session::options(byte_source& in) {
    model_options o;
    o.to = 1;
    const auto queues = in.byte(), layout = in.byte(), limits = in.byte(), speed = in.byte(), shape = in.byte(),
               memory = in.byte();
    o.mqes = queues & 31;
    o.queues = static_cast<std::uint16_t>(1 + (queues >> 5 & 3));
    o.dstrd = layout & 3;
    constexpr std::uint32_t sgls[] = {0, nvme::sgls_supported, nvme::sgls_supported_dword_aligned, 0};
    o.sgls = sgls[layout >> 2 & 3];
    o.oacs = layout & 16 ? nvme::oacs_doorbell_buffer : std::uint16_t{0};
    o.vwc = layout & 32 ? 0 : o.vwc;
    constexpr std::uint32_t versions[] = {nvme::version(1, 4), nvme::version(1, 0), nvme::version(1, 2),
                                          nvme::version(2, 0)};
    o.version = versions[layout >> 6];
    o.mdts = limits & 7;
    o.before = static_cast<bdev_nvme::testing::left_behind>((limits >> 3) % 5);
    o.steps_until_ready = speed & 7;
    o.steps_until_disabled = speed >> 3 & 7;
    o.steps_until_shut_down = speed >> 6;
    o.hmpre = memory & 15;
    o.hmmin = memory & 16 ? o.hmpre : 0;
    o.hmmaxd = memory & 32 ? 1 : 0;
    o.namespaces.clear();
    for (unsigned i = 0; i < (shape & 3u); ++i) {
        model_namespace n;
        n.blocks = blocks_of_a_namespace;
        n.lbads = shape & 4 ? 12 : 9;
        n.metadata_bytes = shape & 8 ? 8 : 0;
        n.dps = shape & 16 ? 1 : 0;
        n.extended = shape & 32;
        n.atomic_fields = n.optimal_io = shape & 64;
        n.noiob = shape & 128 ? 8 : 0;
        o.namespaces.push_back(n);
    }
    return o;
}

template <class T>
void nvme_session::begin(core::task<T> t) {
    ++operations_;
    const auto task = std::make_shared<core::task<T>>(std::move(t));
    bench_.reactors[0].execute([this, task] { core::detach(std::move(*task), [this](const T&) { --operations_; }); });
}

void nvme_session::attach() {
    bdev_nvme::attach_params p;
    p.name = "Nvme0";
    p.address = model_->address();
    begin(bench_.driver.attach(std::move(p)));
}

void nvme_session::play() {
    ++counts_.inputs;
    const unsigned before = head_ >> 4;  // steps before there is a driver
    for (unsigned i = 0; i < before && !in_.empty(); ++i)
        step();
    attach();
    if (!(head_ & 8))
        bench_.turn_until([this] { return operations_ == 0; });
    while (!in_.empty())
        step();
    judge();
}

void nvme_session::step() {
    const auto b = in_.byte();
    const unsigned how = b >> 3;
    bench_.user.look();
    switch (static_cast<kind>(b & 7)) {
    case kind::io: return io(how);
    case kind::turns: return turns(how);
    case kind::rule: return rule(how);
    case kind::controller: return controller(how);
    case kind::namespaces: return namespaces(how);
    case kind::operation: return operation(how);
    case kind::completion: return completion(how);
    case kind::alter: return alter(how);
    }
}

void nvme_session::io(unsigned how) {
    const auto offset = in_.byte(), length = in_.byte(), layout = in_.byte();
    if (started_.size() >= max_io)
        return;
    bdev_nvme::testing::io_user::request r;
    r.operation = static_cast<bdev::op>(how % bdev::op_count);
    r.offset_blocks = offset;
    r.length_blocks = 1 + length % 48;
    if (offset == 255)
        r.offset_blocks = ~std::uint64_t{length};
    if (r.operation == bdev::op::compare_and_write)
        r.length_blocks = 1;
    r.misaligned = layout & 7;
    r.piece = layout & 8 ? 32u << (layout >> 4 & 7) : 0;
    r.force_unit_access = layout & 128;
    if (r.operation == bdev::op::copy)
        for (std::uint64_t done = 0; done < r.length_blocks; ++done)
            r.sources.push_back({done, 1});
    if (auto o = bench_.user.start(how & 16 ? "Nvme0n2" : "Nvme0n1", r, layout % cores(head_)))
        started_.push_back(std::move(o));
}

void nvme_session::turns(unsigned how) {
    const bool long_one = how == 31 && waits_++ < max_waits;
    bench_.turn_for(long_one ? 2s : core::nanoseconds(20us) * (how + 1) * (how + 1));
}

void nvme_session::rule(unsigned how) {
    const auto opcode = in_.byte(), times = in_.byte();
    fault_rule r;
    r.what = static_cast<fault>(how % bdev_nvme::testing::fault_kinds);
    r.value = static_cast<std::uint32_t>(in_.number(2));
    if (r.what == fault::delay)
        r.value %= 64;
    if (r.what == fault::wrong_result)
        r.value |= r.value << 16;
    if (!(times & 1))
        r.opcode = opcode;
    if (times & 2)
        r.qid = static_cast<std::uint16_t>(times >> 6);
    r.after = times >> 2 & 3;
    r.times = times & 16 ? fault_rule::always : 1 + (times >> 5);
    model_->inject(r);
}

void nvme_session::controller(unsigned how) {
    switch (how % 16) {
    case 0: return model_->set_fatal();
    case 1: return model_->hold_ready(true);
    case 2: return model_->hold_ready(false);
    case 3: return model_->hold_ready(std::nullopt);
    case 4: return model_->hang_shutdown(true);
    case 5: return model_->hang_shutdown(false);
    case 6: return model_->remove(true);
    case 7: return model_->remove(false);
    case 8: return model_->answer_events_at_once(static_cast<std::uint32_t>(in_.number(4)));
    case 9: return model_->answer_events_at_once(std::nullopt);
    case 10: model_->release(1 + in_.byte() % 4); return;
    case 11: model_->release(); return;
    case 12:  // CAP and VS
        poked_ = true;
        return model_->poke32(in_.byte() % 3 * 4, static_cast<std::uint32_t>(in_.number(4)));
    case 13:  // CSTS, until the model writes it anew
        return model_->poke32(nvme::to_underlying(nvme::property::csts), static_cast<std::uint32_t>(in_.number(4)));
    case 14: {  // CC written by another program
        poked_ = true;
        const auto cc = (in_.byte() & 1u) | (in_.byte() & 3u) << 14 | 0x460000;
        return model_->poke32(nvme::to_underlying(nvme::property::cc), cc);
    }
    case 15: return model_->clear_faults();
    }
}

void nvme_session::namespaces(unsigned how) {
    const std::uint32_t nsid = 1 + (how >> 3 & 1);
    switch (how & 7) {
    case 0: return model_->resize_namespace(nsid, in_.byte());
    case 1: return model_->remove_namespace(nsid);
    case 2: {
        // As it was, or another one: what changes its format while it has I/O moves data to where there is no room.
        model_namespace n;
        if (!model_->options().namespaces.empty())
            n = model_->options().namespaces.front();
        n.nsid = how & 16 ? 3 : nsid;
        n.blocks = blocks_of_a_namespace;
        return model_->add_namespace(n);
    }
    case 3: return model_->warn(in_.byte());
    case 4:
        model_->health().critical_warning = in_.byte();
        return model_->raise(nvme::async_event_type::smart, 1, nvme::lid::smart);
    default: {
        const auto type = static_cast<nvme::async_event_type>(in_.byte() & 7);
        const auto information = in_.byte();
        return model_->raise(type, information, static_cast<nvme::lid>(in_.byte()));
    }
    }
}

void nvme_session::operation(unsigned how) {
    if (operations_begun_++ >= max_operations)
        return;
    switch (how & 7) {
    case 0: return begin(bench_.driver.reset("Nvme0"));
    case 1: return begin(bench_.driver.read_health("Nvme0"));
    case 2: return begin(bench_.driver.detach("Nvme0"));
    case 3: return attach();
    case 4: {
        auto o = bench_.quick();
        o.on_timeout = how & 8 ? bdev_nvme::timeout_action::reset : bdev_nvme::timeout_action::abort;
        o.queue_entries = in_.byte();
        bench_.reactors[0].execute([this, o] { bench_.driver.set_options(o); });
        return;
    }
    default: bench_.reactors[0].execute([this, how] { (void)bench_.driver.set_hotplug(how & 8, 50ms); }); return;
    }
}

void nvme_session::completion(unsigned how) {
    nvme::completion c;
    const auto bytes = in_.bytes(how & 8 ? sizeof c : 0);
    c = {};
    if (!bytes.empty()) {
        std::memcpy(static_cast<void*>(&c), bytes.data(), bytes.size());
    } else {
        c.sqid = static_cast<std::uint16_t>(how & 3);
        c.cid = static_cast<std::uint16_t>(in_.number(2));
    }
    model_->post(static_cast<std::uint16_t>(how & 3), c, how & 4);
}

void nvme_session::alter(unsigned how) {
    if (how == 31) {
        patches_.clear();
        return;
    }
    patch p;
    p.of = static_cast<nvme::cns>(how % 9);
    p.at = in_.number(2) % nvme::identify_bytes;
    p.bytes = in_.bytes(std::min<std::size_t>(1 + in_.byte() % 16, nvme::identify_bytes - p.at));
    patches_.push_back(std::move(p));
    model_->on_identify([this](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
        for (const auto& p : patches_)
            for (std::size_t i = 0; p.of == cns && i < p.bytes.size(); ++i)
                if (cns != nvme::cns::controller || p.at + i < host_memory_sizes ||
                    p.at + i >= end_of_host_memory_sizes)
                    d[p.at + i] = p.bytes[i];
    });
}

/// REQUIRES: the input has been played. Nothing but time is needed from now on.
void nvme_session::judge() {
    const auto settled = [this] { return bench_.user.outstanding() == 0 && operations_ == 0; };
    must(bench_.turn_until(settled, 10min));
    for (const auto& o : started_) {
        must(o->ended);
        counts_.failed_io += !o->status.ok();
    }
    counts_.io += started_.size();

    // As if nothing had been.
    patches_.clear();
    model_->clear_faults();
    model_->hold_ready(std::nullopt);
    model_->hang_shutdown(false);
    model_->answer_events_at_once(std::nullopt);
    bench_.reactors[0].execute([this] { (void)bench_.driver.set_hotplug(false, {}); });
    if (!model_->removed()) {
        model_->poke64(nvme::to_underlying(nvme::property::cap), cap_);
        model_->poke32(nvme::to_underlying(nvme::property::vs), version_);
    }
    bench_.turn_for(2500ms);
    must(bench_.turn_until(settled, 10min));
    if (const auto* c = bench_.find("Nvme0"); c && !model_->removed()) {
        ++counts_.attached;
        counts_.resets += c->stats().resets;
        counts_.failed_resets += c->stats().failed_resets;
        const auto reset = bench_.finish(bench_.driver.reset("Nvme0"));
        must(reset && *reset);
        bench_.turn_for(100ms);
        bench_.user.look();
        for (const auto& d : std::vector(bench_.devices.all()))
            if (d->blocks() > 0 && !d->capabilities().read_only) {
                const auto core = cores(head_) - 1;
                must(bench_.io(d->name(), {.operation = bdev::op::write, .fill = 0x5a}, core).ok());
                const auto read = bench_.user.start(d->name(), {});
                must(read && bench_.turn_until([&] { return read->ended; }));
                must(read->status.ok() && read->data == std::vector(d->geometry().block_size, std::byte{0x5a}));
            }
    }
    must(bench_.close());
    must(bench_.empty());
    must(model_->dma_faults() == 0);
    must(poked_ || model_->bad_doorbells() == 0);
}

}  // namespace causeway::fuzz
