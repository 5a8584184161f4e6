// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_replay.h"

#include "core/log_event.h"
#include "rpc/secrets.h"
#include "rpc/spdk_methods.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::rpc {

namespace {

using namespace std::chrono_literals;

// Of one cluster or device: as many as a cluster has threads (ceph::cluster_threads), so that none waits there
// while its time limit runs.
constexpr unsigned max_at_once = 16;
// Calls that are begun in one go. Hosts' admin commands and Keep Alive have their turns in between.
constexpr unsigned calls_in_a_turn = 16;
constexpr core::nanoseconds shortest_backoff = 1s;
constexpr core::nanoseconds longest_backoff = 60s;

std::string worded(const rpc_error& e) {
    return fmt::format("{} (code {})", e.message, e.code);
}

std::string about(const config_call& c) {
    return c.where.empty() ? c.method : c.where + ": " + c.method;
}

}  // namespace

// ---- The first pass.

core::result<> config_replay::check(const std::vector<config_call>& calls) const {
    for (const auto& c : calls) {
        const method* m = methods_.find(c.method);
        if (!m)
            return core::fail(EINVAL, not_found(methods_, c.method).message, c.where);
        if (m->check)
            if (const auto wrong = m->check(c.params))
                return core::fail(EINVAL, worded(*wrong), about(c));
    }
    return {};
}

/// What is allowed before the start. Only what is allowed then alone must succeed.
core::task<core::result<>> config_replay::run_settings(std::vector<config_call>& calls) {
    for (auto& c : calls) {
        const states when = methods_.find(c.method)->when;
        if (!allows(when, rpc::state::startup))
            continue;
        const auto a = co_await calls_.call(c.method, c.params);
        if (!a && (when == states::startup || policy_ == on_failure::end))
            co_return core::fail(EINVAL, worded(a.error()), about(c));
        if (a)
            c.method.clear();  // done
    }
    std::erase_if(calls, [](const config_call& c) { return c.method.empty(); });
    co_return core::result<>{};
}

core::task<core::result<>> config_replay::run(std::vector<config_call> calls, on_failure policy) {
    policy_ = policy;
    if (auto checked = check(calls); !checked)
        co_return checked;
    if (auto set = co_await run_settings(calls); !set)
        co_return set;
    if (auto started = co_await cycle_.start(); !started)
        co_return started;
    if (stopped_)
        co_return core::fail(ECANCELED, "the gateway is shutting down");
    build(std::move(calls));
    listed_();
    for (std::size_t i = 0; i < entries_.size(); ++i)
        consider(i);
    core::detach(pump());
    if (unattempted_ > 0 && !outcome_) {
        ended_ = std::make_shared<core::one_shot<bool>>();
        core::one_shot<bool>& ended = *ended_;
        co_await ended;
    }
    co_return outcome_.value_or(core::result<>{});
}

void config_replay::build(std::vector<config_call> calls) {
    for (auto& c : calls) {
        entry& e = entries_.emplace_back();
        e.names = names_in(c.method, c.params);
        e.call = std::move(c);
        const std::size_t i = entries_.size() - 1;
        for (const auto& name : e.names.makes)
            makers_.emplace(name, i);
        for (const auto& name : e.names.needs)
            users_[name].push_back(i);
    }
    unmade_ = unattempted_ = entries_.size();
    connect_followers();
}

void config_replay::connect_followers() {
    std::unordered_map<std::string, std::vector<std::size_t>> mentions;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const entry& e = entries_[i];
        if (!e.names.follows.empty())
            continue;
        for (const auto& name : e.names.makes)
            mentions[name].push_back(i);
        for (const auto& name : e.names.needs)
            mentions[name].push_back(i);
        mentions["method " + e.call.method].push_back(i);
    }
    for (std::size_t i = 0; i < entries_.size(); ++i)
        for (const auto& name : entries_[i].names.follows)
            for (const std::size_t before : mentions[name]) {
                entries_[before].followers.push_back(i);
                ++entries_[i].unattempted;
            }
}

void config_replay::stop() {
    stopped_ = true;
    retry_timer_.cancel();
    end_run(core::fail(ECANCELED, "the gateway is shutting down"));
    notify_if_settled();
}

void config_replay::end_run(core::result<> r) {
    if (outcome_)
        return;
    outcome_ = std::move(r);
    if (ended_)
        ended_->set(true);
}

// ---- Which call may begin.

/// The call that has to make something for this one, and has not.
const config_replay::entry* config_replay::missing(const entry& e) const {
    for (const auto& name : e.names.needs) {
        const auto maker = makers_.find(name);
        if (maker == makers_.end())
            continue;
        const entry& m = entries_[maker->second];
        if (&m != &e && m.now != state::made && m.now != state::dropped)
            return &m;
    }
    return nullptr;
}

/// Lets a call begin that waits for others, if they allow it now.
void config_replay::consider(std::size_t i) {
    entry& e = entries_[i];
    if (e.now != state::waiting && e.now != state::blocked)
        return;
    if (const entry* m = missing(e)) {
        if (m->now == state::failed || m->now == state::blocked)
            block(i, *m);
        return;
    }
    if (e.unattempted == 0)
        admit(i);
}

void config_replay::admit(std::size_t i) {
    entry& e = entries_[i];
    set(e, state::queued);
    if (e.names.lane.empty()) {
        ready_.insert(i);
        return;
    }
    lane& l = lanes_[e.names.lane];
    l.waiting.insert(i);
    fill(l);
}

void config_replay::fill(lane& l) {
    const unsigned limit = l.is_silent ? 1 : max_at_once;
    while (l.admitted < limit && !l.waiting.empty()) {
        ready_.insert(l.waiting.extract(l.waiting.begin()));
        ++l.admitted;
    }
}

/// Begins what is ready, in the order of the configuration. What waits for nothing outside ends before the next begins.
core::task<> config_replay::pump() {
    if (pumping_)
        co_return;
    pumping_ = true;
    for (unsigned begun = 1; !stopped_ && !ready_.empty(); ++begun) {
        const std::size_t i = ready_.extract(ready_.begin()).value();
        if (entries_[i].names.lane.empty())
            co_await attempt(i);
        else
            core::detach(attempt(i));
        if (begun % calls_in_a_turn == 0)
            co_await core::yield();
    }
    pumping_ = false;
}

core::task<> config_replay::attempt(std::size_t i) {
    entry& e = entries_[i];
    set(e, state::running);
    ++e.attempts;
    const answer a = co_await calls_.call(e.call.method, e.call.params);
    leave_lane(e, a);
    if (e.now == state::running) {  // or an operator has dropped it meanwhile
        if (a)
            on_made(i);
        else
            on_failed(i, a.error());
    }
    core::detach(pump());
    notify_if_settled();
}

/// A lane that does not answer in time is not asked for the rest, until it answers again.
void config_replay::leave_lane(const entry& e, const answer& a) {
    if (e.names.lane.empty())
        return;
    lane& l = lanes_[e.names.lane];
    --l.admitted;
    const int code = a ? 0 : a.error().code;
    if (code == -ETIMEDOUT) {
        l.is_silent = true;
        if (l.admitted == 0)
            ++l.silent_rounds;
        for (const std::size_t untried : std::exchange(l.waiting, {}))
            on_failed(untried, a.error());
    } else if (code != -EBUSY && std::exchange(l.is_silent, false)) {  // EBUSY: an earlier call still hangs
        l.silent_rounds = 0;
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (entries_[i].now == state::failed && entries_[i].names.lane == e.names.lane)
                admit(i);
    }
    fill(l);
}

// ---- What becomes of it.

void config_replay::on_made(std::size_t i) {
    entry& e = entries_[i];
    set(e, state::made);
    --unmade_;
    if (e.attempts > 1)
        core::log::notice("configuration: {}: succeeded at attempt {}", about(e.call), e.attempts);
    e.call.params = nullptr;
    mark_attempted(i);
    consider_users(e);
}

void config_replay::on_failed(std::size_t i, rpc_error why) {
    entry& e = entries_[i];
    const bool is_new = e.attempts > 0 && why.message != e.error.message;
    set(e, state::failed);
    e.error = std::move(why);
    e.due = control_.time().now() + control_.time().to_ticks(backoff(e));
    if (policy_ == on_failure::end) {
        end_run(core::fail(EINVAL, worded(e.error), about(e.call)));
        stop();
        return;
    }
    if (is_new)
        core::log::report(core::log::event::configuration_call_failed,
                          {{"method", e.call.method}, {"attempts", e.attempts}}, "configuration: {}: {}; will retry",
                          about(e.call), worded(e.error));
    mark_attempted(i);
    consider_users(e);
    arm_retry();
}

void config_replay::block(std::size_t i, const entry& by) {
    entry& e = entries_[i];
    if (e.now == state::blocked)
        return;
    set(e, state::blocked);
    e.error = {-EAGAIN, "waits for a call that failed: " + about(by.call)};
    mark_attempted(i);
    consider_users(e);
}

void config_replay::consider_users(const entry& maker) {
    for (const auto& name : maker.names.makes)
        if (const auto users = users_.find(name); users != users_.end())
            for (const std::size_t user : users->second)
                consider(user);
}

void config_replay::mark_attempted(std::size_t i) {
    if (std::exchange(entries_[i].attempted, true))
        return;
    for (const std::size_t f : entries_[i].followers)
        if (--entries_[f].unattempted == 0)
            consider(f);
    if (--unattempted_ == 0)
        end_run({});
}

// ---- Trying again.

core::nanoseconds config_replay::backoff(const entry& e) const {
    unsigned failures = e.attempts;
    if (const auto l = lanes_.find(e.names.lane); l != lanes_.end())
        failures = std::max(failures, l->second.silent_rounds);
    constexpr unsigned max_doublings = 6;  // 64 s
    const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0, max_doublings);
    return std::min(shortest_backoff * (1u << doublings), longest_backoff);
}

void config_replay::arm_retry() {
    std::optional<core::ticks> next;
    for (const entry& e : entries_)
        if (e.now == state::failed)
            next = std::min(next.value_or(e.due), e.due);
    if (!next || stopped_)
        return;
    const core::ticks now = control_.time().now();
    retry_timer_.arm_after(control_.time().to_nanoseconds(*next > now ? *next - now : 1));
}

void config_replay::retry_due() {
    const core::ticks now = control_.time().now();
    for (std::size_t i = 0; i < entries_.size(); ++i)
        if (entries_[i].now == state::failed && entries_[i].due <= now)
            admit(i);
    arm_retry();
    core::detach(pump());
}

core::task<core::result<>> config_replay::retry(std::optional<unsigned> id) {
    if (id && !is_listed(*id))
        co_return core::fail(ENOENT, "no failed call of the configuration has this id", std::to_string(*id));
    for (std::size_t i = 0; i < entries_.size(); ++i)
        if (entries_[i].now == state::failed && (!id || *id == i + 1))
            admit(i);
    core::detach(pump());
    while (under_way_ > 0 && !stopped_) {
        const auto mine = std::make_shared<core::one_shot<bool>>();
        settled_.push_back(mine);
        core::one_shot<bool>& settled = *mine;
        co_await settled;
    }
    co_return core::result<>{};
}

void config_replay::set(entry& e, state s) noexcept {
    const auto is_under_way = [](state of) { return of == state::queued || of == state::running; };
    under_way_ -= is_under_way(e.now) ? 1 : 0;
    under_way_ += is_under_way(s) ? 1 : 0;
    e.now = s;
}

void config_replay::notify_if_settled() {
    if (under_way_ == 0 || stopped_)
        for (const auto& waiter : std::exchange(settled_, {}))
            waiter->set(true);
}

// ---- What operators do meanwhile.

bool config_replay::on_call(std::string_view method, const json& params, bool succeeded) {
    const config_names names = names_in(method, params);
    const std::size_t before = unmade_;
    for (const auto& name : names.removes) {
        const auto maker = makers_.find(name);
        const bool is_unmade = maker != makers_.end() && entries_[maker->second].now != state::made;
        if (succeeded || is_unmade)
            drop_removed(name);
    }
    if (succeeded && !names.makes.empty()) {
        const auto maker = makers_.find(names.makes.front());
        if (maker != makers_.end() && entries_[maker->second].names.makes.front() == names.makes.front())
            drop(maker->second);
    } else if (succeeded && names.needs.empty()) {  // a setting
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (entries_[i].call.method == method && entries_[i].names.makes.empty())
                drop(i);
    }
    core::detach(pump());
    notify_if_settled();
    return unmade_ < before;
}

/// What is in the thing, too: a subsystem of the same name that is made later is another one.
void config_replay::drop_removed(const std::string& name) {
    if (const auto users = users_.find(name); users != users_.end() && contains_its_users(name)) {
        for (const std::size_t user : users->second) {
            for (const auto& made : entries_[user].names.makes)
                drop_removed(made);
            drop(user);
        }
    }
    if (const auto maker = makers_.find(name); maker != makers_.end())
        drop(maker->second);
}

void config_replay::drop(std::size_t i) {
    entry& e = entries_[i];
    if (e.now == state::made || e.now == state::dropped)
        return;
    set(e, state::dropped);
    --unmade_;
    if (const auto l = lanes_.find(e.names.lane); l != lanes_.end()) {
        l->second.waiting.erase(i);
        if (ready_.contains(i)) {
            --l->second.admitted;
            fill(l->second);
        }
    }
    ready_.erase(i);
    mark_attempted(i);
    consider_users(e);
}

core::result<> config_replay::forget(unsigned id) {
    if (!is_listed(id))
        return core::fail(ENOENT, "no failed call of the configuration has this id", std::to_string(id));
    drop(id - 1);
    core::detach(pump());
    notify_if_settled();
    return {};
}

// ---- What is shown, and saved.

/// Attempted, and not made: it has failed, is being tried again, or waits for one of these.
bool config_replay::is_listed(const entry& e) const noexcept {
    return e.attempted && e.now != state::made && e.now != state::dropped;
}

bool config_replay::is_listed(unsigned id) const noexcept {
    return id > 0 && id <= entries_.size() && is_listed(entries_[id - 1]);
}

std::vector<config_replay::failed_call> config_replay::failed() const {
    std::vector<failed_call> all;
    const core::ticks now = control_.time().now();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const entry& e = entries_[i];
        if (!is_listed(e))
            continue;
        all.push_back({static_cast<unsigned>(i + 1), e.call.subsystem, e.call.method, without_secrets(e.call.params),
                       e.error, e.attempts, std::nullopt});
        if (e.now == state::failed)
            all.back().next_attempt = control_.time().to_nanoseconds(e.due > now ? e.due - now : 0);
    }
    return all;
}

std::size_t config_replay::failed_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(entries_, [&](const entry& e) { return is_listed(e); }));
}

core::result<> config_replay::check_complete() const {
    const std::size_t listed = failed_count();
    if (listed == 0)
        return {};
    return core::fail(EAGAIN, fmt::format("{} of {} calls of the configuration have failed and are being retried: "
                                          "see framework_get_failed_config",
                                          listed, entries_.size()));
}

void config_replay::write_unmade(const std::function<bool(const std::string& subsystem)>& belongs, json& calls) const {
    if (unmade_ == 0)
        return;
    std::set<std::string> written;
    for (const json& c : calls)
        for (auto& name : names_in(c.at("method").get_ref<const std::string&>(), c.at("params")).makes)
            written.insert(std::move(name));
    for (const entry& e : entries_) {
        if (e.now == state::made || e.now == state::dropped || !belongs(e.call.subsystem))
            continue;
        // What is being made may be among them already.
        if (!e.names.makes.empty() && written.contains(e.names.makes.front()))
            continue;
        calls.push_back(saved_config::call(e.call.method, without_secrets(e.call.params)));
    }
}

}  // namespace causeway::rpc
