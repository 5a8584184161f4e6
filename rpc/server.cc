#include "rpc/server.h"

#include "core/log.h"

#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace causeway::rpc {

namespace {

constexpr auto retry_after = std::chrono::seconds(1);
constexpr auto stop_check_period = std::chrono::milliseconds(10);

}  // namespace

server::server(core::reactor& control, dispatcher& requests, socket_path socket, server_options options)
    : control_(control), requests_(requests), socket_(std::move(socket)), options_(options),
      retry_(control, [this] { watch_for_clients(true); }) {
    watch_for_clients(true);
}

server::~server() = default;

void server::watch_for_clients(bool on) {
    if (!on)
        watch_.reset();
    else if (!watch_ && !stopping_)
        watch_ =
            std::make_unique<core::fd_watch>(control_, socket_.fd(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
}

void server::accept_some() {
    while (connections_.size() < options_.connections) {
        unique_fd fd(::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) {
            if (errno == EAGAIN)
                return;
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            core::log::error("{}: cannot accept a client: {}", socket_.path(), std::strerror(errno));
            watch_for_clients(false);  // or it would be ready again at once
            retry_.arm_after(retry_after);
            return;
        }
        const auto c =
            std::make_shared<connection>(control_, std::move(fd), requests_, options_.each, [this](connection& gone) {
                connections_.erase(&gone);
                watch_for_clients(true);
            });
        connections_.emplace(c.get(), c);
    }
    watch_for_clients(false);
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
    const auto& time = control_.time();
    const auto until = time.now() + time.to_ticks(grace);
    while (!connections_.empty() && time.now() < until)
        co_await core::sleep_for(stop_check_period);
    connections_.clear();
}

}  // namespace causeway::rpc
