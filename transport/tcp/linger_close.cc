// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/linger_close.h"

#include "core/reactor.h"
#include "core/timer.h"

#include <array>
#include <optional>
#include <sys/epoll.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr auto time_limit = std::chrono::seconds(1);

class lingering_stream {
  public:
    lingering_stream(core::reactor& home, stream& s, term_req& request)
        : stream_(s), request_(request),
          watch_(home, s.socket(), EPOLLIN | EPOLLOUT, [this](std::uint32_t) { advance(); }),
          limit_(home, [this] { end(); }) {
        limit_.arm_after(time_limit);
    }
    core::one_shot<bool> over;

  private:
    void advance() {
        if (!request_.empty()) {
            const auto left = request_.left();
            const iovec piece{const_cast<std::byte*>(left.data()), left.size()};
            const stream::outcome o = stream_.send({&piece, 1});
            request_.sent(o.bytes);
            if (o.after != stream::state::open)
                return end();
        }
        if (request_.empty() && !sent_) {
            sent_ = true;
            stream_.end_sending();
            watch_.set_events(EPOLLIN);
        }
        std::array<std::byte, 4096> unread;
        const iovec to{unread.data(), unread.size()};
        if (stream_.receive({&to, 1}).after != stream::state::open)
            end();
    }
    void end() {
        if (!std::exchange(ended_, true))
            over.set(true);
    }

    stream& stream_;
    term_req& request_;
    bool sent_ = false, ended_ = false;
    core::fd_watch watch_;
    core::timer limit_;
};

}  // namespace

core::task<> linger_close(std::unique_ptr<stream> s, term_req request) {
    std::optional<lingering_stream> f(std::in_place, *core::reactor::current(), *s, request);
    co_await f->over;
}

}  // namespace causeway::tcp
