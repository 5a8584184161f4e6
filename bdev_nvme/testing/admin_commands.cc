// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace causeway::bdev_nvme::testing {

using nvme::admin_opcode;
namespace sc = nvme::sc;

controller_model::outcome controller_model::admin(submission_queue& sq, const nvme::command& c) {
    if (c.fuse() != nvme::fuse::normal)
        return {sc::invalid_field};
    switch (c.as_admin()) {
    case admin_opcode::identify: return identify(sq, c);
    case admin_opcode::create_io_cq: return create_cq(c);
    case admin_opcode::create_io_sq: return create_sq(c);
    case admin_opcode::delete_io_cq: return delete_cq(c);
    case admin_opcode::delete_io_sq: return delete_sq(c);
    case admin_opcode::set_features: return set_features(sq, c);
    case admin_opcode::get_features: return get_features(sq, c);
    case admin_opcode::get_log_page: return get_log_page(sq, c);
    case admin_opcode::abort: return abort(c);
    case admin_opcode::async_event_request: return async_event_request(c);
    case admin_opcode::doorbell_buffer_config: return doorbell_buffer_config(c);
    default: return {sc::invalid_opcode};
    }
}

controller_model::outcome controller_model::create_cq(const nvme::command& c) {
    const nvme::create_cq_view v{c};
    if (v.qid() == 0 || v.qid() > granted_ || completion_[v.qid()])
        return {sc::invalid_queue_identifier};
    if (v.entries() < 2 || v.entries() > options_.mqes + 1u || cc_.iocqes() != 4)
        return {sc::invalid_queue_size};
    // Queues in pieces are not modelled, whatever CAP.CQR says.
    if (!v.contiguous() || c.psdt() != nvme::psdt::prp)
        return {sc::invalid_field};
    if (v.vector() != 0)
        return {sc::invalid_interrupt_vector};
    const std::uint64_t base = std::bit_cast<nvme::prp_pointer>(c.sgl).prp1;
    if (base == 0 || base % page_ != 0)
        return {sc::prp_offset_invalid};
    const piece p{reinterpret_cast<std::byte*>(base), v.entries() * sizeof(nvme::completion)};
    if (!reached({&p, 1}))
        return {sc::data_transfer_error};
    auto cq = std::make_unique<completion_queue>();
    cq->qid = v.qid();
    cq->base = p.data;
    cq->entries = v.entries();
    registers_.set32(head_doorbell(v.qid()), 0);
    completion_[v.qid()] = std::move(cq);
    return {sc::success};
}

controller_model::outcome controller_model::create_sq(const nvme::command& c) {
    const nvme::create_sq_view v{c};
    if (v.qid() == 0 || v.qid() > granted_ || submission_[v.qid()] || v.cqid() == 0 || v.cqid() > granted_)
        return {sc::invalid_queue_identifier};
    if (!completion_[v.cqid()])
        return {sc::completion_queue_invalid};
    if (v.entries() < 2 || v.entries() > options_.mqes + 1u || cc_.iosqes() != 6)
        return {sc::invalid_queue_size};
    if (!v.contiguous() || c.psdt() != nvme::psdt::prp)
        return {sc::invalid_field};
    const std::uint64_t base = std::bit_cast<nvme::prp_pointer>(c.sgl).prp1;
    if (base == 0 || base % page_ != 0)
        return {sc::prp_offset_invalid};
    const piece p{reinterpret_cast<std::byte*>(base), v.entries() * sizeof(nvme::command)};
    if (!reached({&p, 1}))
        return {sc::data_transfer_error};
    auto sq = std::make_unique<submission_queue>();
    sq->qid = v.qid();
    sq->base = p.data;
    sq->entries = v.entries();
    sq->cq = completion_[v.cqid()].get();
    sq->awake = options_.steps_until_asleep + 1;
    ++sq->cq->users;
    registers_.set32(tail_doorbell(v.qid()), shadow_ ? untouched_doorbell : 0);
    submission_[v.qid()] = std::move(sq);
    return {sc::success};
}

controller_model::outcome controller_model::delete_cq(const nvme::command& c) {
    const auto qid = nvme::delete_queue_view{c}.qid();
    if (qid == 0 || qid >= completion_.size() || !completion_[qid])
        return {sc::invalid_queue_identifier};
    if (completion_[qid]->users > 0)
        return {sc::invalid_queue_deletion};
    completion_[qid].reset();
    registers_.set32(head_doorbell(qid), 0);
    strays_.erase(head_doorbell(qid));
    return {sc::success};
}

controller_model::outcome controller_model::delete_sq(const nvme::command& c) {
    const auto qid = nvme::delete_queue_view{c}.qid();
    if (qid == 0 || qid >= submission_.size() || !submission_[qid])
        return {sc::invalid_queue_identifier};
    auto& sq = *submission_[qid];
    for (const auto& h : std::exchange(sq.held, {})) {
        complete(sq, h.command.first, {sc::aborted_sq_deletion});
        if (h.command.second)
            complete(sq, *h.command.second, {sc::aborted_sq_deletion});
    }
    --sq.cq->users;
    submission_[qid].reset();
    registers_.set32(tail_doorbell(qid), 0);
    strays_.erase(tail_doorbell(qid));
    return {sc::success};
}

/// NVM Express Base Specification 2.0, "Abort command".
controller_model::outcome controller_model::abort(const nvme::command& c) {
    const auto waiting = std::count_if(submission_[0]->held.begin(), submission_[0]->held.end(),
                                       [](auto& h) { return h.command.first.as_admin() == admin_opcode::abort; });
    if (waiting > options_.acl)
        return {sc::abort_limit_exceeded};
    const nvme::abort_view v{c};
    if (v.sqid() >= submission_.size() || !submission_[v.sqid()])
        return {sc::success, nvme::abort_not_aborted};
    auto& sq = *submission_[v.sqid()];
    if (v.sqid() == 0 && events_.abort(v.cid())) {
        nvme::command request{};
        request.cid = v.cid();
        complete(sq, request, {sc::aborted_by_request});
        return {sc::success};
    }
    for (auto h = sq.held.begin(); h != sq.held.end(); ++h) {
        if (h->command.first.cid != v.cid() && !(h->command.second && h->command.second->cid == v.cid()))
            continue;
        const auto aborted = std::move(h->command);
        sq.held.erase(h);
        complete(sq, aborted.first, {sc::aborted_by_request});
        if (aborted.second)
            complete(sq, *aborted.second, {sc::aborted_failed_fused});
        return {sc::success};
    }
    return {sc::success, nvme::abort_not_aborted};
}

controller_model::outcome controller_model::async_event_request(const nvme::command& c) {
    if (!events_.request(c.cid, options_.aerl + 1u))
        return {sc::async_event_limit_exceeded};
    return {sc::success, 0, false};
}

/// NVM Express Base Specification 2.0, "Doorbell Buffer Config command". Admin queues go on with their registers: hosts
/// do not agree about these.
controller_model::outcome controller_model::doorbell_buffer_config(const nvme::command& c) {
    if (!(options_.oacs & nvme::oacs_doorbell_buffer))
        return {sc::invalid_opcode};
    const auto pages = std::bit_cast<nvme::prp_pointer>(c.sgl);
    const bool fits = tail_doorbell(static_cast<std::uint16_t>(options_.queues + 1)) <= nvme::doorbells_offset + page_;
    if (c.psdt() != nvme::psdt::prp || pages.prp1 == 0 || pages.prp2 == 0 || (pages.prp1 | pages.prp2) % page_ != 0 ||
        !fits)
        return {sc::invalid_field};
    const piece given[] = {{reinterpret_cast<std::byte*>(pages.prp1.value()), page_},
                           {reinterpret_cast<std::byte*>(pages.prp2.value()), page_}};
    if (!reached(given))
        return {sc::data_transfer_error};
    shadow_ = given[0].data;
    event_indices_ = given[1].data;
    for (auto& sq : submission_)
        if (sq && sq->qid != 0) {
            sq->awake = options_.steps_until_asleep + 1;
            registers_.set32(tail_doorbell(sq->qid), untouched_doorbell);
        }
    return {sc::success};
}

}  // namespace causeway::bdev_nvme::testing
