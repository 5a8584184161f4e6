// SPDX-License-Identifier: Apache-2.0
#include "rpc/server.h"

#include "core/log.h"

#include <algorithm>
#include <sys/epoll.h>

namespace causeway::rpc {

namespace {

constexpr auto retry_after = std::chrono::seconds(1);
core::log::limiter evictions;

}  // namespace

server::server(core::reactor& control, dispatcher& requests, net::unix_listener listener, server_options options)
    : control_(control), requests_(requests), listener_(std::move(listener)), options_(options),
      unread_{.limit = options.unread_bytes, .relieve = [this] { drop_slowest_reader(); }},
      retry_(control, [this] { watch_for_clients(true); }) {
    watch_for_clients(true);
}

server::~server() = default;

void server::watch_for_clients(bool on) {
    if (!on)
        watch_.reset();
    else if (!watch_ && !stopping_)
        watch_ = std::make_unique<core::fd_watch>(control_, listener_.fd(), EPOLLIN,
                                                  [this](std::uint32_t) { accept_some(); });
}

/// Level-triggered: clients that are left in the backlog are told of again.
///
/// Accepts several also where each takes another's place, so that those that come again as soon as they are closed do
/// not hold up others in the backlog. But no more than a part of the places at once, so that a newcomer is heard before
/// it is the one that has been idle for longest.
void server::accept_some() {
    const unsigned max_at_once = options_.connections / 4 + 1;
    for (unsigned i = 0; i < max_at_once; ++i) {
        const auto victim = connections_.size() >= options_.connections ? find_victim() : nullptr;
        if (!victim && connections_.size() > options_.connections) {
            watch_for_clients(false);
            retry_.arm_after(retry_after);
            return;
        }
        auto fd = listener_.accept();
        if (!fd) {
            core::log::error("cannot accept a client: {}", fd.error().text());
            watch_for_clients(false);  // or it would be ready again at once
            retry_.arm_after(retry_after);
            return;
        }
        if (!*fd)
            return;
        if (victim) {
            core::log::peer_warning(evictions, "{}: {} clients: closing the one that has been {} for longest",
                                    listener_.path(), connections_.size(), victim->is_quiet() ? "idle" : "waiting");
            victim->close();
        }
        add_client(std::move(*fd));
    }
}

void server::add_client(core::unique_fd fd) {
    const auto c = std::make_shared<connection>(control_, std::move(fd), requests_, options_.each, unread_,
                                                [this](connection& gone) {
                                                    connections_.erase(&gone);
                                                    client_gone_.notify_all();
                                                    watch_for_clients(true);
                                                });
    connections_.emplace(c.get(), c);
}

/// The client that has been idle for longest, or else the one that has waited for its answers for longest, and too
/// long. nullptr: not found.
std::shared_ptr<connection> server::find_victim() const {
    const core::ticks now = control_.time().now();
    const core::ticks long_ago = now - std::min(now, control_.time().to_ticks(options_.busy_limit));
    const auto rank = [](const connection& c) { return std::pair(!c.is_quiet(), c.last_active()); };
    std::shared_ptr<connection> victim;
    for (const auto& [raw, c] : connections_)
        if ((c->is_quiet() || c->last_active() <= long_ago) && (!victim || rank(*c) < rank(*victim)))
            victim = c;
    return victim;
}

void server::drop_slowest_reader() {
    const auto slowest = std::ranges::max_element(connections_, {}, [](const auto& c) { return c.second->unsent(); });
    if (slowest == connections_.end())
        return;
    const auto victim = slowest->second;
    core::log::peer_warning(evictions, "{}: closing a client that does not read its answers of {} bytes",
                            listener_.path(), victim->unsent());
    victim->close();
}

core::task<> server::stop(core::nanoseconds grace) {
    stopping_ = true;
    retry_.cancel();
    watch_for_clients(false);
    std::vector<std::shared_ptr<connection>> all;
    for (const auto& [raw, c] : connections_)
        all.push_back(c);
    for (const auto& c : all)
        c->finish();
    all.clear();
    co_await client_gone_.wait_for(grace, [this] { return connections_.empty(); });
    connections_.clear();
}

}  // namespace causeway::rpc
