// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/connection.h"

#include "core/trace.h"
#include "nvmf/target.h"
#include "transport/tcp/linger_close.h"
#include "transport/tcp/poll_group.h"
#include "transport/tcp/transport.h"

#include <cerrno>
#include <new>
#include <utility>

namespace causeway::tcp {

namespace {

core::log::flag flag("tcp");

}  // namespace

connection::connection(tcp_transport& transport, handshake_result e)
    : common::connection<connection, qpair>(transport.target(), flag, e.qid), transport_(transport),
      handshake_(std::move(e)) {
    hold(std::move(handshake_.permit));
}

core::task<> connection::begin() {
    lease_ = target_.assign_core(handshake_.qid);
    auto group = co_await transport_.group_on(lease_.home());
    core::result<> joined;
    if (group && !cancelled_) {
        group_ = *group;
        co_await core::switch_to(lease_.home());
        try {
            qpair_ = std::make_unique<qpair>(*group_, *permit_, std::move(handshake_), on_closed_by_qpair());
            joined = group_->join(*qpair_);
        } catch (const std::bad_alloc&) {
            joined = core::fail_errno(ENOMEM, "a connection");
        }
        if (joined)
            qpair_->begin();
        else
            qpair_.reset();
        co_await core::switch_to(control());
    }
    if (!qpair_) {
        if (!group || !joined)
            core::log::error("tcp: rejecting a connection: {}", (group ? joined.error() : group.error()).text());
        transport_.remove(*this);
        co_return;
    }
    become_live();
}

core::task<> connection::end_link() {
    group_->leave(*qpair_);
    auto stream = qpair_->stop_sending();
    if (why_ == nvmf::disconnect_reason::protocol_violation)
        co_await linger_close(std::move(stream), {});
    stream.reset();
}

void connection::on_gone() {
    transport_.remove(*this);
}

}  // namespace causeway::tcp
