// SPDX-License-Identifier: Apache-2.0
#include "tests/rdma_host/controller.h"

#include "nvme/features.h"
#include "nvme/identify_controller.h"
#include "nvme/identify_namespace.h"

#include <cstring>
#include <fmt/format.h>
#include <thread>

namespace causeway::rdma_host {

using hostile::must_answer;
using hostile::must_succeed;
using hostile::unexpected;

namespace {

constexpr std::uint32_t page_size = 4096;  // CAP.MPSMIN, in whose units MDTS is

// One after the other, so that they need not be told apart; the Keep Alive may be beside another.
constexpr std::uint16_t cid = 2, keep_alive_cid = 0x100;

constexpr std::uint32_t sizes = 6u << 16 | 4u << 20;  // IOSQES 64 bytes, IOCQES 16 bytes
constexpr std::uint32_t enabled = sizes | 1, shutting_down = enabled | 1u << 14, disabled = sizes;

template <class T>
T from(std::span<const std::byte> memory) {
    T t;
    std::memcpy(&t, memory.data(), sizeof t);
    return t;
}

}  // namespace

controller::controller(const controller_options& o) : options_(o) {
    connect_admin();
    hostile::enable(*admin_);
    identify();
    request_io_queues();
    for (unsigned i = 0; i < o.queues; ++i)
        queues_.push_back(std::make_unique<io_queue>(o.at, queue_options{.qid = static_cast<std::uint16_t>(i + 1),
                                                                         .cntlid = cntlid_,
                                                                         .depth = o.depth,
                                                                         .bytes = o.bytes,
                                                                         .in_capsule = in_capsule_,
                                                                         .events = o.events}));
    if (o.keep_alive.count() && !o.silent)
        next_keep_alive_ = clock::now() + o.keep_alive / 2;
}

void controller::connect_admin() {
    admin_ = hostile::must_open(options_.at, {});
    auto c = hostile::connect_command(*admin_, options_.at, 0, 31, nvme::cntlid_dynamic);
    c.kato = static_cast<std::uint32_t>(options_.keep_alive.count());
    const auto answer = must_answer(*admin_, hostile::as_command(c));
    must_succeed(answer);
    cntlid_ = static_cast<std::uint16_t>(answer.dw0 & 0xffff);
}

void controller::identify() {
    must_succeed(must_answer(*admin_, hostile::identify_controller(*admin_, cid)));
    const auto c = from<nvme::identify_controller>(admin_->memory());
    // Capsules: 64 bytes of command, then data, whose offset Linux wants to be 0.
    if (c.ioccsz * 16 > sizeof(nvme::command) && c.icdoff == 0)
        in_capsule_ = c.ioccsz * 16 - static_cast<std::uint32_t>(sizeof(nvme::command));
    if (c.mdts && options_.bytes > page_size << c.mdts)
        throw unexpected(fmt::format("the target takes at most {} bytes with one command", page_size << c.mdts));
    if (c.maxcmd && options_.depth > c.maxcmd)
        throw unexpected(fmt::format("the target takes at most {} commands at a time", c.maxcmd.value()));

    must_succeed(must_answer(*admin_, hostile::identify_namespace(*admin_, cid, options_.at.nsid)));
    const auto n = from<nvme::identify_namespace>(admin_->memory());
    blocks_ = n.nsze;
    if (blocks_ == 0)
        throw unexpected(fmt::format("there is no namespace {}", options_.at.nsid));
    block_size_ = 1u << n.lbaf[n.flbas & 0xf].lbads;
}

void controller::request_io_queues() {
    nvme::command c{};
    c.opcode = nvme::to_underlying(nvme::admin_opcode::set_features);
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.cid = cid;
    c.cdw10 = std::uint32_t{nvme::to_underlying(nvme::fid::number_of_queues)};
    c.cdw11 = nvme::number_of_queues(options_.queues, options_.queues);
    const auto answer = must_answer(*admin_, c);
    must_succeed(answer);
    const std::uint32_t granted = (answer.dw0 & 0xffff) + 1;
    if (granted < options_.queues)
        throw unexpected(fmt::format("the target grants {} I/O queues", granted));
}

void controller::set_and_wait(std::uint32_t cc, std::uint32_t csts_mask, std::uint32_t csts_value) {
    using namespace std::chrono_literals;
    must_succeed(must_answer(*admin_, hostile::property_set(cid, nvme::property::cc, cc)));
    const auto end = clock::now() + options_.at.patience;
    for (;;) {
        const auto csts = must_answer(*admin_, hostile::property_get(cid, nvme::property::csts));
        must_succeed(csts);
        if ((csts.dw0 & csts_mask) == csts_value)
            return;
        if (clock::now() > end)
            throw unexpected("the controller's status does not follow its configuration");
        std::this_thread::sleep_for(1ms);
    }
}

void controller::shut_down() {
    queues_.clear();
    while (waits_for_keep_alive_ && broken_.empty())  // the next answer is to be that of our command
        look_after();
    set_and_wait(shutting_down, 3u << 2, 2u << 2);
    admin_->disconnect();
}

void controller::reset() {
    queues_.clear();
    while (waits_for_keep_alive_ && broken_.empty())
        look_after();
    set_and_wait(disabled, 1, 0);
    admin_->disconnect();
}

void controller::look_after() {
    for (auto& q : queues_)
        q->look_at_connection();
    if (const auto answer = admin_->take()) {
        if (answer->cid != keep_alive_cid || !waits_for_keep_alive_)
            throw unexpected("the admin queue: a response to a command that is not outstanding");
        must_succeed(*answer);
        waits_for_keep_alive_ = false;
    }
    if (admin_->closed()) {
        broken_ = "the target closed the connection of the admin queue";
        return;
    }
    if (clock::now() < next_keep_alive_)
        return;
    if (waits_for_keep_alive_) {
        broken_ = "no answer to a Keep Alive";
        return;
    }
    waits_for_keep_alive_ = admin_->send(hostile::keep_alive(keep_alive_cid));
    next_keep_alive_ += options_.keep_alive / 2;
}

std::string controller::broken() const {
    for (std::size_t i = 0; i < queues_.size(); ++i)
        if (!queues_[i]->broken().empty())
            return fmt::format("I/O queue {}: {}", i + 1, queues_[i]->broken());
    return broken_;
}

}  // namespace causeway::rdma_host
