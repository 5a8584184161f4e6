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

constexpr auto term_req_timeout = std::chrono::milliseconds(200);

}  // namespace

connection::connection(tcp_transport& transport, handshake_result e)
    : transport_(transport), handshake_(std::move(e)) {}

core::reactor& connection::control() const noexcept {
    return transport_.target().group().control();
}

core::task<> connection::begin() {
    const std::uint16_t qid = handshake_.qid;
    lease_ = transport_.target().assign_core(qid);
    auto group = co_await transport_.group_on(lease_.home());
    core::result<> joined;
    if (group && !cancelled_) {
        group_ = *group;
        co_await core::switch_to(lease_.home());
        auto on_close = [this](nvmf::disconnect_reason why) { control().execute([this, why] { close(why); }); };
        try {
            qpair_ = std::make_unique<qpair>(*group_, std::move(handshake_), on_close);
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
    state_ = state::live;
    CAUSEWAY_TRACE(flag, "{} queue {}: on core {}", qpair_->peer_address().text(), qid, lease_.home().index());
    if (cancelled_)
        close(why_);
}

void connection::close(nvmf::disconnect_reason why) {
    if (state_ == state::closing)
        return;
    if (!cancelled_)
        why_ = why;
    if (state_ == state::beginning) {
        cancelled_ = true;
        return;
    }
    state_ = state::closing;
    // With nothing to wait for it would be over before this returns, and this object gone.
    core::detach_deferred(tear_down());
}

core::task<> connection::tear_down() {
    co_await core::switch_to(lease_.home());
    CAUSEWAY_TRACE(flag, "{} queue {}: closing: {}", qpair_->peer_address().text(), qpair_->qid(),
                   nvmf::to_string(why_));
    qpair_->begin_close();
    // What has been said before goes out first: a refused Connect should say why.
    co_await qpair_->progress().wait_for(term_req_timeout, [this] { return qpair_->responses_out(); });
    group_->leave(*qpair_);
    auto stream = qpair_->stop_sending();
    if (why_ == nvmf::disconnect_reason::protocol_violation)
        co_await linger_close(std::move(stream), {});
    stream.reset();
    qpair_->permit.reset();
    co_await core::switch_to(control());
    lease_.release();

    // What still executes may take its time: it holds its requests and their buffers, and nothing else that others
    // might want.
    co_await core::switch_to(lease_.home());
    co_await transport_.target().detach(*qpair_);
    qpair_.reset();
    co_await core::switch_to(control());
    transport_.remove(*this);
}

}  // namespace causeway::tcp
