// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "core/log.h"
#include "core/placement.h"
#include "core/task.h"
#include "core/trace.h"
#include "nvmf/target.h"
#include "transport/common/connection_limiter.h"

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace causeway::common {

/// The control side of a connection: it begins, lives and ends once, in one order for all fabrics. The data path is its
/// qpair. Lives on the control reactor, until all of its resources are released.
///
/// A fabric derives from it, `class connection final : public common::connection<connection, qpair>`, and has:
///
///     bool peer_is_gone() const     nothing that is sent arrives any more: on the home reactor
///     core::task<> end_link()       begins and ends on the home reactor: after it nothing comes, nothing goes, and no
///                                   device touches memory
///     void on_link_ended()          on the control reactor: gives back what the link had
///     void on_gone()                on the control reactor, last of all: gives back the rest, and destroys this
template <class Connection, class Qpair>
class connection {
  public:
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Begins to close it, once. Closing ends with on_gone(), which never happens within this call.
    void close(nvmf::disconnect_reason why) {
        if (state_ == state::closing || cancelled_)
            return;
        why_ = why;
        if (state_ == state::beginning) {
            cancelled_ = true;
            return;
        }
        state_ = state::closing;
        CAUSEWAY_TRACE(flag_, "{} queue {}: closing: {}", qpair_->peer_address().text(), qid_, nvmf::to_string(why));
        // With nothing to wait for it would be over before this returns, and this object gone.
        core::detach_deferred(tear_down());
    }

  protected:
    enum class state : std::uint8_t { beginning, live, closing };

    connection(nvmf::target& target, const core::log::flag& flag, std::uint16_t qid) noexcept
        : target_(target), flag_(flag), qid_(qid) {}
    ~connection() = default;

    core::reactor& control() const noexcept { return target_.group().control(); }
    /// Its slot among the connections, until its link has ended. If it has to make room for others, it is closed.
    void hold(std::unique_ptr<connection_permit> permit) {
        permit_ = std::move(permit);
        permit_->watch(control(), [this] { close(nvmf::disconnect_reason::transport_error); });
    }
    /// What a queue pair calls on its reactor when it closes.
    auto on_closed_by_qpair() noexcept {
        return [this](nvmf::disconnect_reason why) { control().execute([this, why] { close(why); }); };
    }
    /// The queue pair is at work. Closes the connection if it was closed while it began.
    void become_live() {
        state_ = state::live;
        CAUSEWAY_TRACE(flag_, "{} queue {}: on core {}", qpair_->peer_address().text(), qid_, lease_.home().index());
        if (std::exchange(cancelled_, false))
            close(why_);
    }

    nvmf::target& target_;
    state state_ = state::beginning;
    bool cancelled_ = false;  ///< closed while it began
    nvmf::disconnect_reason why_{};
    std::unique_ptr<connection_permit> permit_;
    core::core_lease lease_;        ///< empty until it is admitted
    std::unique_ptr<Qpair> qpair_;  ///< home reactor's

  private:
    static constexpr std::chrono::milliseconds last_responses_limit{200}, commands_in_flight_limit{1000};

    Connection& self() noexcept { return static_cast<Connection&>(*this); }
    core::task<> tear_down();

    const core::log::flag& flag_;
    const std::uint16_t qid_;
};

template <class Connection, class Qpair>
core::task<> connection<Connection, Qpair>::tear_down() {
    co_await core::switch_to(lease_.home());
    qpair_->begin_close();
    // Unless the peer is gone, earlier responses are sent first: a refused Connect should say why. Where an operator
    // has ended the connection, what executes is answered too, unless a disk hangs.
    const bool answers_all = nvmf::answers_commands_in_flight(why_);
    co_await qpair_->progress().wait_for(answers_all ? commands_in_flight_limit : last_responses_limit, [&] {
        return self().peer_is_gone() || (qpair_->responses_out() && !(answers_all && qpair_->has_commands_in_flight()));
    });
    co_await self().end_link();
    co_await core::switch_to(control());
    permit_.reset();
    self().on_link_ended();
    lease_.release();

    // What still executes may take its time: it holds its requests and their buffers, and nothing else that others
    // might want.
    co_await core::switch_to(lease_.home());
    co_await target_.detach(*qpair_);
    qpair_.reset();
    co_await core::switch_to(control());
    CAUSEWAY_TRACE(flag_, "queue {}: gone", qid_);
    self().on_gone();
}

/// The connections of a fabric, from their beginning until all of their resources are released. Control reactor.
template <class Connection>
class connections {
  public:
    connections() = default;
    connections(const connections&) = delete;
    connections& operator=(const connections&) = delete;
    ~connections() { assert(all_.empty()); }

    std::size_t size() const noexcept { return all_.size(); }

    Connection& add(std::unique_ptr<Connection> made) {
        all_.push_back(std::move(made));
        return *all_.back();
    }
    /// Destroys it.
    void remove(Connection& c) {
        std::erase_if(all_, [&](const auto& o) { return o.get() == &c; });
        if (all_.empty())
            none_left_.notify_all();
    }
    /// Closes those for which `f(connection)` is true. Closing a connection never removes it within this call.
    template <class F>
    void close_if(nvmf::disconnect_reason why, F f) {
        for (const auto& c : all_)
            if (f(*c))
                c->close(why);
    }
    /// Closes all. Ends when none is left.
    core::task<> close_all(nvmf::disconnect_reason why) {
        close_if(why, [](const Connection&) { return true; });
        co_await none_left_.wait([this] { return all_.empty(); });
    }

  private:
    std::vector<std::unique_ptr<Connection>> all_;
    core::condition_variable none_left_;
};

}  // namespace causeway::common
