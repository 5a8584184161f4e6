// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_saver.h"

#include "core/log_event.h"
#include "rpc/json_text.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

using namespace std::chrono_literals;

constexpr core::nanoseconds shortest_backoff = 1s;
constexpr core::nanoseconds longest_backoff = 60s;

}  // namespace

bool may_change_configuration(std::string_view method) noexcept {
    return method.find("_get_") == std::string_view::npos && method.find("_wait_") == std::string_view::npos;
}

config_saver::config_saver(core::reactor_group& group, const saved_config& config, store s)
    : group_(group), config_(config), store_(std::move(s)),
      retry_timer_(group.control(), [this] { core::detach(write_until_stored()); }) {}

void config_saver::begin() {
    began_ = true;
    core::detach(write_until_stored());
}

core::task<core::result<>> config_saver::save() {
    const std::uint64_t mine = ++wanted_;
    core::detach(write_until_stored());
    co_await progress_.wait([&] { return attempted_ >= mine || stopped_; });
    if (stored_ >= mine)
        co_return core::result<>{};
    if (stopped_)
        co_return core::fail(ECANCELED, "the gateway is shutting down");
    co_return last_;
}

/// One at a time: whoever finds one running leaves the rest to it.
core::task<> config_saver::write_until_stored() {
    if (!began_ || writes_.holders() > 0)
        co_return;
    const auto running = writes_.hold();
    while (running && !stopped_ && (attempted_ < wanted_ || stored_ < attempted_ || stored_text_.empty())) {
        const std::uint64_t all = wanted_;
        std::string text = co_await to_line_in_slices(config_.all());
        core::result<> written;
        if (text != stored_text_)
            written = co_await core::run_blocking(group_, [&] { return store_(text); });
        attempted_ = all;
        last_ = written;
        if (written) {
            stored_ = all;
            stored_text_ = std::move(text);
            if (std::exchange(failures_, 0) > 0)
                core::log::notice("the configuration is stored again");
        } else {
            stored_text_.clear();  // the old one may be there, or this one
            if (failures_++ == 0)
                core::log::report(core::log::event::state_not_stored, {},
                                  "the configuration cannot be stored: {}; will retry", written.error().text());
            arm_retry();
        }
        progress_.notify_all();
        if (!written && attempted_ == wanted_)
            co_return;
    }
}

void config_saver::arm_retry() {
    constexpr unsigned max_doublings = 6;  // 64 s
    const unsigned doublings = std::min(failures_ - 1, max_doublings);
    if (!stopped_)
        retry_timer_.arm_after(std::min(shortest_backoff * (1u << doublings), longest_backoff));
}

core::task<bool> config_saver::stop(core::nanoseconds limit) {
    stopped_ = true;
    retry_timer_.cancel();
    progress_.notify_all();
    const bool ended = co_await writes_.close_for(limit);
    co_return ended;
}

core::result<> config_saver::check_stored() const {
    return last_;
}

}  // namespace causeway::rpc
