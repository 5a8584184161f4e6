// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/log.h"
#include "core/result.h"
#include "core/task.h"
#include "nvmf/port.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::common {

/// The ports at which a fabric listens: opened, visited and closed one at a time. How many subsystems use a port is
/// nvmf::ports' matter: it opens each once, and closes it after its last use. Control reactor.
///
/// A fabric's listener has:
///
///     const std::shared_ptr<const nvmf::port>& port() const
///     core::task<core::result<>> open()
///     core::task<> close()                                   nothing happens if it is not open
template <class Listener>
class listeners {
  public:
    /// `log_name`: "tcp", in front of what is logged.
    explicit listeners(std::string_view log_name) noexcept : log_name_(log_name) {}
    listeners(const listeners&) = delete;
    listeners& operator=(const listeners&) = delete;
    ~listeners() { assert(all_.empty()); }

    /// ESHUTDOWN: after stop(); else open()'s.
    core::task<core::result<>> open(std::unique_ptr<Listener> made) {
        const auto lock = co_await changing_.lock();
        const nvmf::transport_address& at = made->port()->at;
        core::result<> opened = core::fail_errno(ESHUTDOWN, at.text());
        if (!stopping_)
            opened = co_await made->open();
        if (opened) {
            core::log::notice("{}: listening at {}", log_name_, at.text());
            all_.push_back(std::move(made));
        }
        co_return opened;
    }
    core::task<> close(std::shared_ptr<const nvmf::port> at) {
        const auto lock = co_await changing_.lock();
        const auto it = std::find_if(all_.begin(), all_.end(), [&](const auto& l) { return l->port() == at; });
        if (it == all_.end())
            co_return;
        const auto dying = std::move(*it);
        all_.erase(it);
        co_await dying->close();
    }
    /// None is opened from this call on. Ends when all are closed.
    core::task<> stop() {
        stopping_ = true;
        const auto lock = co_await changing_.lock();
        for (const auto& l : all_)
            co_await l->close();
        all_.clear();
    }
    bool stopping() const noexcept { return stopping_; }

    /// Calls `f(listener)`, a task, for one after the other.
    template <class F>
    core::task<> visit(F f) {
        const auto lock = co_await changing_.lock();
        for (std::size_t i = 0; i < all_.size(); ++i)
            co_await f(*all_[i]);
    }
    template <class F>
    bool any_of(F f) const {
        return std::any_of(all_.begin(), all_.end(), [&](const auto& l) { return f(*l); });
    }

  private:
    const std::string_view log_name_;
    bool stopping_ = false;
    core::async_mutex changing_;
    std::vector<std::unique_ptr<Listener>> all_;
};

}  // namespace causeway::common
