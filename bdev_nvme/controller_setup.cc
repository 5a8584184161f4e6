// SPDX-License-Identifier: Apache-2.0
// The admin commands by which a controller that has just been enabled is made ready for I/O.

#include "bdev_nvme/controller.h"
#include "bdev_nvme/enable.h"
#include "core/log.h"
#include "nvme/make_command.h"
#include "nvme/pcie.h"

#include <algorithm>

namespace causeway::bdev_nvme {

namespace {

constexpr std::uint32_t version_1_1 = nvme::version(1, 1);
constexpr std::uint32_t version_1_3 = nvme::version(1, 3);
constexpr std::uint32_t version_1_4 = nvme::version(1, 4);
constexpr std::size_t max_namespaces = 1024;  // one page of their list

std::uint16_t qid_of(std::size_t i) noexcept {
    return static_cast<std::uint16_t>(i + 1);  // 0 is the admin queue
}

}  // namespace

template <class Page>
core::task<core::result<>> controller::read_page(nvme::command c, Page& page) {
    const std::span<std::byte> to = std::as_writable_bytes(std::span(&page, 1));
    auto read = co_await admin_.run(c, to);
    if (!read)
        co_return tl::make_unexpected(read.error());
    co_return core::result<>();
}
template core::task<core::result<>> controller::read_page(nvme::command, nvme::smart_log&);
template core::task<core::result<>> controller::read_page(nvme::command, nvme::changed_namespace_list&);
template core::task<core::result<>> controller::read_page(nvme::command, nvme::error_information_entry&);

core::task<core::result<>> controller::bring_up() {
    if (auto good = check_capabilities(registers_, address_); !good)
        co_return good;
    if (auto off = co_await disable(registers_, address_); !off)
        co_return off;
    function_->start_dma();
    const unsigned stride = registers_.cap().dstrd();
    const std::size_t first_doorbells = nvme::completion_doorbell(0, stride) + sizeof(std::uint32_t);
    if (first_doorbells > registers_.bytes())
        co_return core::fail(ENOTSUP, "its doorbells lie outside of BAR 0", address_);
    admin_.open(doorbell_at(nvme::submission_doorbell(0, stride)), doorbell_at(nvme::completion_doorbell(0, stride)),
                {options_.admin_timeout, options_.admin_poll_period}, [weak = weak_from_this()](const char* why) {
                    if (const auto self = weak.lock())
                        self->schedule_reset(why);
                });
    const admin_memory memory{admin_.submission_address(), admin_.completion_address(), admin_queue::entries};
    if (auto on = co_await enable(registers_, memory, address_); !on)
        co_return on;
    if (auto done = co_await identify(); !done)
        co_return done;
    if (auto done = co_await set_up_host_memory_buffer(); !done)
        co_return done;
    if (auto done = co_await negotiate_queue_count(); !done)
        co_return done;
    if (auto done = co_await set_up_shadow_doorbells(); !done)
        co_return done;
    for (std::size_t i = 0; i < queue_count_; ++i)
        if (auto made = co_await create_queue(i); !made)
            co_return made;
    if (auto found = co_await find_namespaces(); !found)
        co_return found;
    co_await read_health();  // not every device has it
    co_await request_events();
    co_return core::result<>();
}

core::task<core::result<>> controller::identify() {
    nvme::identify_controller id{};
    if (auto read = co_await read_page(nvme::make_identify(nvme::cns::controller), id); !read)
        co_return read;
    auto info = read_controller(id, registers_.read(nvme::property::vs), address_);
    if (!info)
        co_return tl::make_unexpected(info.error());
    info_ = std::move(*info);
    co_return core::result<>();
}

core::task<core::result<>> controller::set_up_host_memory_buffer() {
    if (info_.host_memory_wanted) {  // to zero it takes long
        auto had = co_await core::run_blocking(group_, [this] { return host_memory_.allocate(info_, address_); });
        if (!had)
            co_return had;
    }
    if (!host_memory_.wanted())
        co_return core::result<>();
    nvme::command c = nvme::make_set_features(nvme::fid::host_memory_buffer, nvme::host_memory_enable);
    c.cdw12 = static_cast<std::uint32_t>(host_memory_.bytes() / memory_page);
    c.cdw13 = static_cast<std::uint32_t>(host_memory_.list_address());
    c.cdw14 = static_cast<std::uint32_t>(host_memory_.list_address() >> 32);
    c.cdw15 = host_memory_.list_length();
    auto given = co_await admin_.run(c);
    if (!given && info_.host_memory_least)
        co_return tl::make_unexpected(given.error());
    core::log::info("{}: {} KiB of host memory", address_, given ? host_memory_.bytes() / 1024 : 0);
    co_return core::result<>();
}

/// One for each core, or as many as the controller has. After a reset as many as before: I/O waits in them.
core::task<core::result<>> controller::negotiate_queue_count() {
    const bool again = queue_entries_ != 0;
    const auto wanted = again ? queue_count_ : std::clamp<std::size_t>(options_.io_queues, 1, queues_.size());
    const auto n = static_cast<std::uint32_t>(wanted);
    auto set = co_await admin_.run(nvme::make_set_features(nvme::fid::number_of_queues, nvme::number_of_queues(n, n)));
    if (!set)
        co_return tl::make_unexpected(set.error());
    const std::uint32_t granted = set->dw0;
    const std::uint32_t count = std::min(granted & 0xffff, granted >> 16) + 1;
    // And as many as have doorbells in the window.
    const unsigned stride = registers_.cap().dstrd();
    std::size_t reachable = 0;
    while (reachable < wanted &&
           nvme::completion_doorbell(qid_of(reachable), stride) + sizeof(std::uint32_t) <= registers_.bytes())
        ++reachable;
    const std::size_t usable = std::min({wanted, std::size_t{count}, reachable});
    if (usable == 0 || (again && usable < queue_count_))
        co_return core::fail(
            EIO, again ? "the controller has fewer queues than before its reset" : "the controller has no I/O queue",
            address_);
    if (!again) {  // later other cores look at it
        queue_count_ = usable;
        for (std::size_t core = 0; core < queues_.size(); ++core)
            queue_of_core_.push_back(queues_[core % queue_count_].get());
    }
    queue_entries_ = std::min<std::uint32_t>(std::clamp(options_.queue_entries, min_queue_entries, 1024u),
                                             registers_.cap().mqes() + 1u);
    if (queue_count_ < queues_.size())
        core::log::notice("{}: {} I/O queues for {} cores: some share one", address_, queue_count_, queues_.size());
    co_return core::result<>();
}

/// Emulated controllers look at doorbells in memory: a register would cost them an exit to the emulator.
core::task<core::result<>> controller::set_up_shadow_doorbells() {
    shadowed_ = false;
    if (!(info_.oacs & nvme::oacs_doorbell_buffer))
        co_return core::result<>();
    const unsigned stride = registers_.cap().dstrd();
    const std::size_t last = nvme::completion_doorbell(qid_of(queue_count_ - 1), stride) - nvme::doorbells_offset;
    if (last + sizeof(std::uint32_t) > memory_page)
        co_return core::result<>();  // they have one page
    if (shadows_.size() == 0) {
        auto m = core::dma_memory::allocate(2 * memory_page, memory_page);
        if (!m)
            co_return tl::make_unexpected(m.error());
        shadows_ = std::move(*m);
    }
    std::memset(shadows_.data(), 0, shadows_.size());
    nvme::command c{};
    c.opcode = nvme::to_underlying(nvme::admin_opcode::doorbell_buffer_config);
    const auto at = reinterpret_cast<std::uintptr_t>(shadows_.data());
    c.sgl = std::bit_cast<nvme::sgl_descriptor>(nvme::prp_pointer{at, at + memory_page});
    const auto set = co_await admin_.run(c);
    shadowed_ = set.has_value();
    if (!set)  // the memory stays: the controller may still execute a command that it has not completed
        core::log::notice("{}; using its doorbell registers", set.error().text());
    co_return core::result<>();
}

core::task<core::result<>> controller::create_queue(std::size_t i) {
    const std::uint16_t qid = qid_of(i);
    const unsigned stride = registers_.cap().dstrd();
    queue_pair& q = *queues_[i];
    queue_pair::settings s{.qid = qid, .entries = queue_entries_, .sgls = info_.sgls};
    s.submission = doorbell_at(nvme::submission_doorbell(qid, stride));
    s.completion = doorbell_at(nvme::completion_doorbell(qid, stride));
    if (shadowed_) {
        const auto shadow = [&](doorbell& d, std::size_t offset) {
            std::byte* const at = shadows_.data() + (offset - nvme::doorbells_offset);
            d.shadow(at, at + memory_page);
        };
        shadow(s.submission, nvme::submission_doorbell(qid, stride));
        shadow(s.completion, nvme::completion_doorbell(qid, stride));
    }
    if (auto ready = q.prepare(s); !ready)
        co_return ready;

    const std::uint32_t size_and_id = (queue_entries_ - 1) << 16 | qid;
    nvme::command c{};
    c.opcode = nvme::to_underlying(nvme::admin_opcode::create_io_cq);
    c.sgl = std::bit_cast<nvme::sgl_descriptor>(nvme::prp_pointer{q.completion_address(), std::uint64_t{0}});
    c.cdw10 = size_and_id;
    c.cdw11 = nvme::create_queue_contiguous;
    if (auto made = co_await admin_.run(c); !made)
        co_return tl::make_unexpected(made.error());
    c.opcode = nvme::to_underlying(nvme::admin_opcode::create_io_sq);
    c.sgl = std::bit_cast<nvme::sgl_descriptor>(nvme::prp_pointer{q.submission_address(), std::uint64_t{0}});
    c.cdw11 = nvme::create_queue_contiguous | std::uint32_t{qid} << 16;
    if (auto made = co_await admin_.run(c); !made)
        co_return tl::make_unexpected(made.error());
    co_return core::result<>();
}

/// As the specification wants it before a shutdown. Submission queues first: completion queues have to be without any.
core::task<> controller::delete_queues() {
    for (const auto opcode : {nvme::admin_opcode::delete_io_sq, nvme::admin_opcode::delete_io_cq}) {
        for (std::size_t i = 0; i < queue_count_; ++i) {
            nvme::command c{};
            c.opcode = nvme::to_underlying(opcode);
            c.cdw10 = qid_of(i);
            if (const auto done = co_await admin_.run(c); !done && done.error().code == ETIMEDOUT)
                co_return;
        }
    }
}

core::task<core::result<std::vector<std::uint32_t>>> controller::active_namespaces() {
    std::vector<std::uint32_t> all;
    if (info_.version >= version_1_1) {
        nvme::namespace_list list{};
        if (co_await read_page(nvme::make_identify(nvme::cns::active_ns_list, 0), list)) {
            for (const auto& nsid : list.nsid) {
                if (nsid == 0u || (!all.empty() && nsid <= all.back()))
                    break;  // ascending, says the specification
                all.push_back(nsid);
            }
            co_return all;
        }
        if (!admin_.usable())
            co_return core::fail(EIO, "the controller does not list its namespaces", address_);
    }
    const auto count = std::min<std::size_t>(info_.namespaces, max_namespaces);
    for (std::uint32_t nsid = 1; nsid <= count; ++nsid)
        all.push_back(nsid);
    co_return all;
}

core::task<core::result<namespace_info>> controller::read_namespace_info(std::uint32_t nsid,
                                                                         const command_limits& limits) {
    nvme::identify_namespace id{};
    if (auto read = co_await read_page(nvme::make_identify(nvme::cns::ns, nsid), id); !read)
        co_return tl::make_unexpected(read.error());
    std::array<std::byte, nvme::identify_bytes> descriptors{};
    bool described = false;
    if (info_.version >= version_1_3) {
        auto read = co_await read_page(nvme::make_identify(nvme::cns::ns_id_descriptors, nsid), descriptors);
        if (!read &&
            read.error().code != EIO)  // not refused, and not answered either: without it the name would change
            co_return tl::make_unexpected(read.error());
        described = read.has_value();
    }
    co_return read_namespace(nsid, id, described ? descriptors.data() : nullptr, info_, limits,
                             fmt::format("{} namespace {}", address_, nsid));
}

core::task<core::result<>> controller::find_namespaces() {
    nvme::identify_controller_nvm nvm{};
    bool limited = false;
    if (info_.version >= version_1_4)
        limited = (co_await read_page(nvme::make_identify(nvme::cns::csi_controller), nvm)).has_value();
    const command_limits limits = read_limits(info_, limited ? &nvm : nullptr);
    const auto active = co_await active_namespaces();
    if (!active)
        co_return tl::make_unexpected(active.error());
    std::vector<found_namespace> found;
    for (const std::uint32_t nsid : *active) {
        auto info = co_await read_namespace_info(nsid, limits);
        if (!info && info.error().code != ENOENT && info.error().code != ENOTSUP && !admin_.usable())
            co_return tl::make_unexpected(info.error());
        if (!info && info.error().code == ENOENT)
            continue;
        found.push_back({nsid, std::move(info)});
    }
    namespaces_ = std::move(found);
    co_return core::result<>();
}

}  // namespace causeway::bdev_nvme
