// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include "nvme/text.h"

#include <algorithm>
#include <utility>

namespace causeway::bdev_nvme::testing {

using nvme::property;

namespace {

std::size_t register_bytes(const model_options& o) noexcept {
    constexpr std::size_t least = 16384;
    return std::max(least, nvme::submission_doorbell(static_cast<std::uint16_t>(o.queues + 1), o.dstrd));
}

}  // namespace

controller_model::controller_model(model_options options)
    : options_(std::move(options)), registers_(register_bytes(options_)), memory_(options_.reaches_everything),
      submission_(options_.queues + 1u), completion_(options_.queues + 1u), granted_(options_.queues),
      counters_(options_.queues + 1u) {
    for (const auto& n : options_.namespaces)
        add_namespace(n);
    changed_.clear();
    health_.composite_temperature = 310;
    health_.available_spare = 100;
    health_.available_spare_threshold = 10;
    health_.power_cycles.low = 1;
    show_capabilities();
    leave_behind();
    show_status();
}

controller_model::~controller_model() = default;

void controller_model::on_removal(std::function<void()> f) {
    const std::lock_guard guard(removal_lock_);
    removal_ = std::move(f);
}

void controller_model::show_capabilities() {
    nvme::cap cap;
    cap.set_mqes(options_.mqes).set_cqr(options_.cqr).set_to(options_.to).set_dstrd(options_.dstrd);
    cap.set_css(options_.css).set_mpsmin(options_.mpsmin).set_mpsmax(options_.mpsmax);
    registers_.set64(property::cap, cap.value);
    registers_.set32(property::vs, options_.version);
}

void controller_model::leave_behind() {
    if (options_.before == left_behind::nothing)
        return;
    cc_.set_en(true).set_iosqes(6).set_iocqes(4);
    registers_.set32(property::cc, cc_.value);
    switch (options_.before) {
    case left_behind::enabling: ready_at_ = options_.steps_until_ready; return;
    case left_behind::fatal: fatal_ = true; break;
    case left_behind::shut_down: shutdown_ = nvme::csts::shutdown::complete; break;
    default: break;
    }
    ready_ = true;
}

unsigned controller_model::step() {
    if (removed_) {
        registers_.fill(~std::uint64_t{0});
        return 0;
    }
    steps_.add();
    follow_configuration();
    unsigned done = 0;
    if (serves()) {
        use_host_memory();
        for (auto& cq : completion_)
            if (cq) {
                look_at_head(*cq);
                write_waiting(*cq);
            }
        for (auto& sq : submission_)
            if (sq)
                done += run_due(*sq);
        for (std::size_t qid = 0; qid < submission_.size(); ++qid)
            if (submission_[qid]) {
                look_at_tail(*submission_[qid]);
                done += serve(*submission_[qid]);
            }
        look_at_strays();
        answer_events();
    }
    show_status();
    return done;
}

void controller_model::follow_configuration() {
    const nvme::cc now{registers_.get32(property::cc)};
    const nvme::cc before = std::exchange(cc_, now);
    if (!before.en() && now.en())
        enable(now);
    if (before.en() && !now.en())
        disable();
    if (before.shn() != now.shn() && now.shn() != nvme::cc::shutdown::none) {
        shutdown_ = nvme::csts::shutdown::occurring;
        shut_down_at_ = steps_.get() + options_.steps_until_shut_down;
        shutdowns_.add();
    }
    if (ready_at_ && steps_.get() >= *ready_at_) {
        ready_at_.reset();
        ready_ = true;
    }
    if (disabled_at_ && steps_.get() >= *disabled_at_) {
        disabled_at_.reset();
        ready_ = false;
    }
    if (shut_down_at_ && steps_.get() >= *shut_down_at_ && !shutdown_hangs_) {
        shut_down_at_.reset();
        shutdown_ = nvme::csts::shutdown::complete;
    }
}

/// NVM Express Base Specification 2.0, "Memory-based Controller Initialization (PCIe)".
void controller_model::enable(nvme::cc cc) {
    enables_.add();
    drop_queues();
    fatal_ = false;
    shutdown_ = nvme::csts::shutdown::none;
    shut_down_at_.reset();
    page_ = std::size_t{4096} << cc.mps();
    const std::uint32_t aqa = registers_.get32(property::aqa);
    const std::uint64_t asq = registers_.get64(property::asq);
    const std::uint64_t acq = registers_.get64(property::acq);
    const std::uint32_t sq_entries = nvme::bits<11, 0>(aqa) + 1;
    const std::uint32_t cq_entries = nvme::bits<27, 16>(aqa) + 1;
    const bool possible = cc.mps() >= options_.mpsmin && cc.mps() <= options_.mpsmax && cc.css() == 0 &&
                          cc.ams() == 0 && sq_entries >= 2 && cq_entries >= 2 && asq != 0 && acq != 0 &&
                          (asq | acq) % page_ == 0;
    if (!possible) {
        fatal_ = true;
        return;
    }
    auto cq = std::make_unique<completion_queue>();
    cq->base = reinterpret_cast<std::byte*>(acq);
    cq->entries = cq_entries;
    cq->users = 1;
    auto sq = std::make_unique<submission_queue>();
    sq->base = reinterpret_cast<const std::byte*>(asq);
    sq->entries = sq_entries;
    sq->cq = cq.get();
    completion_[0] = std::move(cq);
    submission_[0] = std::move(sq);
    disabled_at_.reset();
    ready_ = false;
    ready_at_ = steps_.get() + options_.steps_until_ready;
}

/// NVM Express Base Specification 2.0, "Controller Level Reset".
void controller_model::disable() {
    drop_queues();
    fatal_ = false;
    shutdown_ = nvme::csts::shutdown::none;
    ready_at_.reset();
    shut_down_at_.reset();
    disabled_at_ = steps_.get() + options_.steps_until_disabled;
}

void controller_model::drop_queues() {
    for (auto& sq : submission_)
        sq.reset();
    for (auto& cq : completion_)
        cq.reset();
    shadow_ = event_indices_ = nullptr;
    granted_ = options_.queues;
    host_memory_.clear();
    features_.clear();
    misdescribed_.clear();
    events_.clear();
    // A controller's doorbells are cleared by its reset.
    strays_.clear();
    for (std::uint16_t qid = 0; qid < submission_.size(); ++qid) {
        registers_.set32(tail_doorbell(qid), 0);
        registers_.set32(head_doorbell(qid), 0);
    }
}

void controller_model::show_status() {
    nvme::csts csts;
    csts.set_rdy(held_ready_.value_or(ready_)).set_cfs(fatal_).set_shst(shutdown_);
    if (registers_.get32(property::csts) != csts.value)
        registers_.set32(property::csts, csts.value);
}

void controller_model::set_fatal() {
    if (!cc_.en())
        return;
    fatal_ = true;
    show_status();
}

void controller_model::remove(bool tell) {
    removed_ = true;
    registers_.fill(~std::uint64_t{0});
    if (!tell)
        return;
    // Under the lock: once it is cleared, none is called.
    const std::lock_guard guard(removal_lock_);
    if (const auto f = std::exchange(removal_, nullptr))
        f();
}

void controller_model::add_namespace(model_namespace shape) {
    if (shape.nsid == 0)
        shape.nsid = namespaces_.empty() ? 1 : namespaces_.rbegin()->first + 1;
    const auto nsid = shape.nsid;
    namespaces_.insert_or_assign(nsid, namespace_store(shape, options_.keeps_data));
    namespace_changed(nsid);
}

void controller_model::remove_namespace(std::uint32_t nsid) {
    if (namespaces_.erase(nsid) > 0)
        namespace_changed(nsid);
}

void controller_model::resize_namespace(std::uint32_t nsid, std::uint64_t blocks) {
    if (auto* n = find(nsid)) {
        n->resize(blocks);
        namespace_changed(nsid);
    }
}

namespace_store* controller_model::find(std::uint32_t nsid) noexcept {
    const auto n = namespaces_.find(nsid);
    return n == namespaces_.end() ? nullptr : &n->second;
}

std::size_t controller_model::submission_queues() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(submission_.begin() + 1, submission_.end(), [](auto& q) { return q != nullptr; }));
}

std::size_t controller_model::completion_queues() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(completion_.begin() + 1, completion_.end(), [](auto& q) { return q != nullptr; }));
}

std::uint64_t controller_model::io_commands(nvme::io_opcode o) const noexcept {
    std::uint64_t n = 0;
    for (std::size_t qid = 1; qid < counters_.size(); ++qid)
        n += counters_[qid].by_opcode[nvme::to_underlying(o)].get();
    return n;
}

std::uint64_t controller_model::admin_commands(nvme::admin_opcode o) const noexcept {
    return counters_[0].by_opcode[nvme::to_underlying(o)].get();
}

}  // namespace causeway::bdev_nvme::testing
