// SPDX-License-Identifier: Apache-2.0
#include "host/controller.h"

#include "nvme/make_command.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace causeway::host {

using namespace std::chrono_literals;

namespace {

constexpr auto shutdown_timeout = 5s;

}  // namespace

core::error controller::failed(nvme::status s, std::string_view what) const {
    if (s.is(nvme::sc::host_pathing_error) && admin_ && !admin_->trouble().empty())
        return {ECONNRESET, fmt::format("{}: {}", what, admin_->trouble()), name()};
    return {EPROTO, fmt::format("{}: {}", what, nvme::to_string(s)), name()};
}

core::task<core::result<>> controller::connect() {
    home_ = core::reactor::current();
    auto done = co_await connect_all();
    if (!done) {
        alive_ = false;
        co_await close_all();
    }
    co_return done;
}

core::task<core::result<>> controller::connect_all() {
    if (auto done = co_await connect_admin(); !done)
        co_return done;
    if (auto done = co_await enable(); !done)
        co_return done;
    if (auto done = co_await identify(nvme::cns::controller, 0,
                                      std::as_writable_bytes(std::span<nvme::identify_controller, 1>(&identity_, 1)));
        !done)
        co_return done;
    if (!options_.io_reactors.empty()) {
        if (auto done = co_await request_io_queues(); !done)
            co_return done;
        io_.resize(options_.io_reactors.size());
        for (std::size_t i = 0; i < io_.size(); ++i)
            if (auto done = co_await connect_io(i); !done)
                co_return done;
    }
    if (auto done = co_await configure_events(); !done)
        co_return done;
    if (!admin_->is_open())
        co_return tl::make_unexpected(core::error{ECONNRESET, admin_->trouble(), name()});
    co_return core::result<>{};
}

core::task<core::result<>> controller::connect_admin() {
    auto q = co_await connector_.open({.qid = 0, .cntlid = nvme::cntlid_dynamic, .depth = options_.admin_depth});
    if (!q)
        co_return tl::make_unexpected(q.error());
    admin_ = std::move(*q);
    alive_ = true;
    admin_->on_lost = [this] { lost(admin_->trouble()); };
    const auto cntlid = co_await connect_queue(*admin_, 0);
    if (!cntlid)
        co_return tl::make_unexpected(cntlid.error());
    cntlid_ = *cntlid;
    if (options_.kato_ms) {
        keep_alive_timer_.emplace(*home_, [this] { keep_alive(); });
        keep_alive_timer_->arm_every(std::chrono::milliseconds(std::max(options_.kato_ms / 2, 1u)));
    }
    co_return core::result<>{};
}

core::task<core::result<std::uint16_t>> controller::connect_queue(queue_pair& q, std::uint16_t qid) {
    const auto connected = co_await send_connect_command(q, qid);
    if (!connected)
        co_return tl::make_unexpected(connected.error());
    const bool must_authenticate = connected->authreq & nvme::authreq_in_band;
    if (must_authenticate && !options_.dhchap)
        co_return core::fail(
            EACCES, fmt::format("queue {}: the controller asks for authentication (--dhchap-key)", qid), name());
    if (!must_authenticate && options_.dhchap && options_.dhchap->ctrlr)
        co_return core::fail(EACCES, fmt::format("queue {}: the controller offers no proof of its key", qid), name());
    if (must_authenticate)
        if (auto done = co_await authenticate_queue(q, qid); !done)
            co_return tl::make_unexpected(done.error());
    co_return connected->cntlid.value();
}

core::task<core::result<>> controller::authenticate_queue(queue_pair& q, std::uint16_t qid) {
    authentication_parties who{options_.hostnqn, options_.subnqn,
                               next_transaction_.fetch_add(1, std::memory_order_relaxed)};
    auto done = co_await authenticate(q, *options_.dhchap, std::move(who));
    if (!done)
        done = core::fail(done.error().code, fmt::format("authentication of queue {}: {}", qid, done.error().text()),
                          name());
    co_return done;
}

core::task<core::result<>> controller::authenticate_again(std::uint16_t qid) {
    if (!options_.dhchap)
        co_return core::fail(EINVAL, "there is no key to authenticate with", name());
    queue_pair& q = qid == 0 ? *admin_ : *io_[qid - 1u];
    auto done = co_await authenticate_queue(q, qid);
    co_return done;
}

core::task<core::result<nvme::connect_response>> controller::send_connect_command(queue_pair& q, std::uint16_t qid) {
    const nvme::connect_parameters p{.subnqn = options_.subnqn,
                                     .hostnqn = options_.hostnqn,
                                     .hostid = options_.hostid,
                                     .qid = qid,
                                     .cntlid = cntlid_,
                                     .kato_ms = qid ? 0 : options_.kato_ms,
                                     .sq_flow_control = false};
    auto data = nvme::make_connect_data(p);
    const iovec piece{&data, sizeof data};
    const auto answer =
        co_await q.run(nvme::make_connect_command(p, static_cast<std::uint16_t>(q.depth() + 1)), {&piece, 1});
    if (answer.status().ok())
        co_return std::bit_cast<nvme::connect_response>(answer.dw0);
    if (!q.trouble().empty())
        co_return core::fail(ECONNRESET, fmt::format("Connect of queue {}: {}", qid, q.trouble()), name());
    std::string what = nvme::to_string(answer.status().with_dnr(false).with_more(false));
    // The names of codes that fabrics commands share with I/O commands.
    if (const auto bar = what.find('|'); bar != what.npos)
        what.erase(0, bar + 1);
    if (answer.status().is(nvme::sc::connect_invalid_parameters))
        what += fmt::format(" (byte {} of the {})", answer.dw0 & 0xffff, answer.dw0 >> 16 & 1 ? "data" : "command");
    co_return core::fail(EACCES, fmt::format("Connect of queue {} to {}: {}", qid, options_.subnqn, what), name());
}

core::task<core::result<std::uint64_t>> controller::property(nvme::property p) {
    const auto answer = co_await admin_->run(nvme::make_property_get(p));
    if (!answer.status().ok())
        co_return tl::make_unexpected(failed(answer.status(), "Property Get"));
    co_return answer.result64();
}

core::task<core::result<>> controller::set_property(nvme::property p, std::uint64_t value) {
    const auto answer = co_await admin_->run(nvme::make_property_set(p, value));
    if (!answer.status().ok())
        co_return tl::make_unexpected(failed(answer.status(), "Property Set"));
    co_return core::result<>{};
}

/// Polls CSTS, which has no event.
template <class F>
core::task<core::result<>> controller::wait_status(F reached, core::nanoseconds limit) {
    const auto& time = home_->time();
    const auto end = time.now() + time.to_ticks(limit);
    for (;;) {
        const auto csts = co_await property(nvme::property::csts);
        if (!csts)
            co_return tl::make_unexpected(csts.error());
        const nvme::csts s{static_cast<std::uint32_t>(*csts)};
        if (reached(s))
            co_return core::result<>{};
        if (s.cfs())
            co_return core::fail(EIO, "the controller reports a fatal status (CSTS.CFS)", name());
        if (time.now() > end)
            co_return core::fail(
                ETIMEDOUT, fmt::format("timed out waiting for the controller to become ready (CSTS {:#x})", s.value),
                name());
        co_await core::sleep_for(1ms);
    }
}

core::task<core::result<>> controller::enable() {
    const auto cap = co_await property(nvme::property::cap);
    if (!cap)
        co_return tl::make_unexpected(cap.error());
    cap_.value = *cap;
    const auto vs = co_await property(nvme::property::vs);
    if (!vs)
        co_return tl::make_unexpected(vs.error());
    version_ = static_cast<std::uint32_t>(*vs);
    const auto cc = nvme::cc{}.set_en(true).set_iosqes(6).set_iocqes(4);
    if (auto done = co_await set_property(nvme::property::cc, cc.value); !done)
        co_return done;
    co_return co_await wait_status([](nvme::csts s) { return s.rdy(); }, std::max<unsigned>(cap_.to(), 1) * 500ms);
}

core::task<core::result<>> controller::request_io_queues() {
    const auto wanted = static_cast<std::uint32_t>(options_.io_reactors.size());
    const auto answer = co_await admin_->run(
        nvme::make_set_features(nvme::fid::number_of_queues, nvme::number_of_queues(wanted, wanted)));
    if (!answer.status().ok())
        co_return tl::make_unexpected(failed(answer.status(), "Set Features, Number of Queues"));
    const std::uint32_t given = std::min(answer.dw0 & 0xffff, answer.dw0 >> 16) + 1;
    if (given < wanted)
        co_return core::fail(ENOSPC, fmt::format("the controller grants {} of {} I/O queues", given, wanted), name());
    co_return core::result<>{};
}

core::task<core::result<>> controller::connect_io(std::size_t i) {
    core::reactor& there = *options_.io_reactors[i];
    const auto qid = static_cast<std::uint16_t>(i + 1);
    const std::uint32_t capsule = identity_.ioccsz * 16u;
    co_await core::switch_to(there);
    auto q = co_await connector_.open(
        {.qid = qid,
         .cntlid = cntlid_,
         .depth = std::min<unsigned>(options_.io_depth, std::max<unsigned>(cap_.mqes(), 1)),
         .in_capsule_data =
             capsule > sizeof(nvme::command) ? static_cast<std::uint32_t>(capsule - sizeof(nvme::command)) : 0});
    core::result<> done;
    if (!q) {
        done = tl::make_unexpected(q.error());
    } else {
        io_[i] = std::move(*q);
        if (auto connected = co_await connect_queue(*io_[i], qid); !connected)
            done = tl::make_unexpected(connected.error());
        io_[i]->on_lost = [this, i, qid, exists = std::weak_ptr(exists_)] {
            home_->execute([this, exists, why = fmt::format("I/O queue {}: {}", qid, io_[i]->trouble())] {
                if (exists.lock())
                    lost(why);
            });
        };
        if (done && !io_[i]->is_open())
            done = core::fail(ECONNRESET, fmt::format("I/O queue {}: {}", qid, io_[i]->trouble()), name());
    }
    co_await core::switch_to(*home_);
    co_return done;
}

core::task<core::result<>> controller::configure_events() {
    const std::uint32_t wanted =
        identity_.oaes & (nvme::oaes_namespace_attribute | nvme::oaes_ana_change | nvme::oaes_discovery_log_change);
    // An old discovery controller has no events, and a host that polls needs none.
    if (!wanted)
        co_return core::result<>{};
    const auto answer = co_await admin_->run(nvme::make_set_features(nvme::fid::async_event_configuration, wanted));
    if (!answer.status().ok())
        co_return tl::make_unexpected(failed(answer.status(), "Set Features, Asynchronous Event Configuration"));
    wait_for_event();
    co_return core::result<>{};
}

void controller::wait_for_event() {
    event_.command = nvme::make_async_event_request();
    event_.context = this;
    event_.done = [](request& r) noexcept {
        auto& self = *static_cast<controller*>(r.context);
        if (!r.status().ok())
            return;  // the connection is lost, or there are no events
        const std::uint32_t dw0 = r.completion.dw0;
        self.wait_for_event();
        if (self.on_event)
            self.on_event(dw0);
    };
    (void)admin_->submit(event_);  // false: the connection is lost, which is reported elsewhere
}

void controller::keep_alive() {
    if (keep_alive_is_out_)
        return lost("no response to Keep Alive");
    keep_alive_.command = nvme::make_keep_alive();
    keep_alive_.context = this;
    keep_alive_.done = [](request& r) noexcept { static_cast<controller*>(r.context)->keep_alive_is_out_ = false; };
    keep_alive_is_out_ = admin_->submit(keep_alive_);
}

void controller::lost(std::string why) {
    if (!std::exchange(alive_, false))
        return;
    if (keep_alive_timer_)
        keep_alive_timer_->cancel();
    if (auto tell = std::exchange(on_lost, nullptr))
        tell(std::move(why));
}

core::task<> controller::disconnect() {
    on_lost = nullptr;
    on_event = nullptr;
    if (alive_ && admin_->is_open())
        co_await shut_down();
    alive_ = false;
    co_await close_all();
}

core::task<> controller::shut_down() {
    const auto cc = nvme::cc{}.set_en(true).set_iosqes(6).set_iocqes(4).set_shn(nvme::cc::shutdown::normal);
    if (co_await set_property(nvme::property::cc, cc.value))
        (void)co_await wait_status([](nvme::csts s) { return s.shst() == nvme::csts::shutdown::complete; },
                                   shutdown_timeout);
}

core::task<> controller::close_all() {
    *exists_ = false;
    exists_.reset();
    keep_alive_timer_.reset();
    for (std::size_t i = 0; i < io_.size(); ++i) {
        co_await core::switch_to(*options_.io_reactors[i]);
        if (io_[i])
            io_[i]->close();
        io_[i].reset();
    }
    co_await core::switch_to(*home_);
    if (!admin_)
        co_return;
    admin_->close();
    // Tasks that wait for a response continue in the reactor's next turn.
    co_await core::yield();
    admin_.reset();
}

std::uint64_t controller::max_data() const noexcept {
    // Without a limit a length is a field of 32 bits, and NLB one of 16.
    return identity_.mdts && identity_.mdts < 20 ? std::uint64_t{4096} << cap_.mpsmin() << identity_.mdts : 1u << 31;
}

core::task<core::result<>> controller::identify(nvme::cns what, std::uint32_t nsid,
                                                std::span<std::byte, nvme::identify_bytes> data) {
    const iovec piece{data.data(), data.size()};
    const auto answer = co_await admin_->run(nvme::make_identify(what, nsid), {&piece, 1});
    if (!answer.status().ok())
        co_return tl::make_unexpected(
            failed(answer.status(), fmt::format("Identify, CNS {:#x}", nvme::to_underlying(what))));
    co_return core::result<>{};
}

core::task<core::result<std::vector<std::uint32_t>>> controller::active_namespaces() {
    std::vector<std::uint32_t> all;
    nvme::namespace_list list;
    // A full page says that there may be more, behind its last.
    for (std::uint32_t after = 0;;) {
        list = {};
        if (auto done = co_await identify(nvme::cns::active_ns_list, after,
                                          std::as_writable_bytes(std::span<nvme::namespace_list, 1>(&list, 1)));
            !done)
            co_return tl::make_unexpected(done.error());
        for (const std::uint32_t nsid : list.nsid) {
            if (nsid == 0)
                co_return all;
            if (nsid <= after)
                co_return core::fail(EPROTO, "the list of active namespaces does not ascend", name());
            all.push_back(after = nsid);
        }
        if (after >= nvme::broadcast_nsid - 1)
            co_return all;
    }
}

core::task<core::result<nvme::identify_namespace>> controller::identify_namespace(std::uint32_t nsid) {
    nvme::identify_namespace data{};
    if (auto done = co_await identify(nvme::cns::ns, nsid,
                                      std::as_writable_bytes(std::span<nvme::identify_namespace, 1>(&data, 1)));
        !done)
        co_return tl::make_unexpected(done.error());
    co_return data;
}

core::task<core::result<>> controller::log_page(nvme::lid page, std::uint64_t offset, std::span<std::byte> data,
                                                std::uint8_t lsp) {
    auto c = nvme::make_get_log_page(page, static_cast<std::uint32_t>(data.size()), 0);
    c.cdw10 = c.cdw10 | std::uint32_t{lsp} << 8;
    c.cdw12 = static_cast<std::uint32_t>(offset);
    c.cdw13 = static_cast<std::uint32_t>(offset >> 32);
    const iovec piece{data.data(), data.size()};
    const auto answer = co_await admin_->run(c, {&piece, 1});
    if (!answer.status().ok())
        co_return tl::make_unexpected(
            failed(answer.status(), fmt::format("Get Log Page {:#x}", nvme::to_underlying(page))));
    co_return core::result<>{};
}

}  // namespace causeway::host
