#include "transport/tcp/farewell.h"

#include "core/reactor.h"
#include "core/timer.h"

#include <array>
#include <optional>
#include <sys/epoll.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr auto time_limit = std::chrono::seconds(1);

class farewell {
  public:
    farewell(core::reactor& home, stream& s, last_words& words)
        : stream_(s), words_(words), watch_(home, s.socket(), EPOLLIN | EPOLLOUT, [this](std::uint32_t) { go_on(); }),
          limit_(home, [this] { end(); }) {
        limit_.arm_after(time_limit);
    }
    core::one_shot<bool> over;

  private:
    void go_on() {
        if (!words_.empty()) {
            const auto left = words_.left();
            const iovec piece{const_cast<std::byte*>(left.data()), left.size()};
            const stream::outcome o = stream_.send({&piece, 1});
            words_.sent(o.bytes);
            if (o.after != stream::state::open)
                return end();
        }
        if (words_.empty() && !said_) {
            said_ = true;
            stream_.end_sending();
            watch_.set_events(EPOLLIN);
        }
        std::array<std::byte, 4096> unheard;
        const iovec to{unheard.data(), unheard.size()};
        if (stream_.receive({&to, 1}).after != stream::state::open)
            end();
    }
    void end() {
        if (!std::exchange(ended_, true))
            over.set(true);
    }

    stream& stream_;
    last_words& words_;
    bool said_ = false, ended_ = false;
    core::fd_watch watch_;
    core::timer limit_;
};

}  // namespace

core::task<> take_leave(std::unique_ptr<stream> s, last_words words) {
    std::optional<farewell> f(std::in_place, *core::reactor::current(), *s, words);
    co_await f->over;
}

}  // namespace causeway::tcp
