// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/shared_store.h"

#include "core/log_event.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::nvmf::reservation {

using namespace std::chrono_literals;

namespace {

core::log::limiter unreadable_messages, failed_answers;

/// So many gateways at once change what one of them is about to write.
constexpr unsigned max_attempts = 64;
constexpr auto between_rounds = 500ms;
constexpr auto first_retry = 500ms;
constexpr auto longest_retry = 8s;
constexpr std::size_t max_announced = 64;

core::error lost_race(const std::string& about) {
    return {EAGAIN, "other gateways change the reservation all the time: try again", about};
}

core::error not_registered(const std::string& about) {
    return {ESHUTDOWN, "another gateway has fenced this one: its images are reopened on a new client", about};
}

}  // namespace

/// What the others have answered to one notice.
struct shared_store::round {
    addresses missing;  ///< have not confirmed
    bool commands_ended = true;
};

shared_store::shared_store(core::reactor_group& group, std::unique_ptr<shared_object> object)
    : group_(group), object_(std::move(object)) {}

shared_store::~shared_store() = default;

shared_store::addresses shared_store::others() const {
    addresses all = now_.gateways;
    all.erase(object_->address());
    return all;
}

/// What is older than what is known comes from a read that has been overtaken.
void shared_store::take(shared_content c) {
    if (c.kept.number >= now_.kept.number)
        now_ = std::move(c);
}

// ---- The object.

core::task<core::result<>> shared_store::read() {
    const std::uint64_t known = now_.kept.number;
    auto all = co_await object_->read();
    if (!all)
        co_return tl::make_unexpected(std::move(all.error()));
    auto content = from_entries(*all);
    if (!content)
        co_return core::fail(content.error().code, content.error().sentence, object_->text());
    if (content->kept.number < known)
        co_return core::fail(EIO,
                             "it has been removed, or replaced by an older one: the namespace has to be removed and "
                             "added again at every gateway",
                             object_->text());
    take(std::move(*content));
    co_return core::result<>();
}

/// `next` is what the object is then; its number is made here.
core::task<core::result<>> shared_store::write(std::uint64_t expected, shared_content next, entries set,
                                               std::vector<std::string> remove) {
    next.kept.number = expected + 1;
    set[number_entry] = to_shared_text(next.kept.number);
    auto written = co_await object_->write(expected, std::move(set), std::move(remove));
    if (written)
        take(std::move(next));
    else if (written.error().code != ESTALE)
        write_failed_ = true;
    co_return written;
}

/// A write whose outcome is unknown may still have an effect. It is conditional on the number that it was decided from:
/// so once there is another number, it has had its effect or never will.
core::task<core::result<>> shared_store::settle_failed_write() {
    for (unsigned i = 0; write_failed_ && i < max_attempts; ++i) {
        const std::uint64_t number = now_.kept.number;
        write_failed_ = false;
        shared_content same = now_;
        entries set;
        std::vector<std::string> remove;
        auto written = co_await write(number, std::move(same), std::move(set), std::move(remove));
        if (written)
            co_return written;
        if (written.error().code != ESTALE)
            co_return written;
        auto seen = co_await read();
        if (!seen) {
            write_failed_ = true;
            co_return seen;
        }
    }
    co_return core::result<>();
}

core::task<core::result<>> shared_store::follow_map() {
    const std::uint64_t fenced_at = now_.fenced_at;
    if (fenced_at <= map_at_)
        co_return core::result<>();
    const std::string client = object_->address();
    auto known = co_await object_->wait_for_latest_map();
    if (client != object_->address())  // what the former one knows says nothing of the next one
        co_return tl::make_unexpected(not_registered(object_->text()));
    if (known)
        map_at_ = std::max(map_at_, fenced_at);
    co_return known;
}

// ---- Coming and going.

core::task<core::result<>> shared_store::join() {
    const auto lock = co_await joining_.lock();
    auto watched = co_await object_->watch(*this);
    if (!watched)
        co_return watched;
    for (unsigned i = 0; i < max_attempts; ++i) {
        const auto done = co_await try_to_join();
        if (!done)
            co_return tl::make_unexpected(done.error());
        if (!*done)
            continue;
        auto known = co_await follow_map();
        joined_ = known.has_value();
        co_return known;
    }
    co_return tl::make_unexpected(lost_race(object_->text()));
}

/// False: another gateway was first, try again. Whoever changes the reservation either finds this gateway among those
/// who must confirm, or has made the number that this one registers against.
core::task<core::result<bool>> shared_store::try_to_join() {
    const auto seen = co_await read();
    if (!seen)
        co_return tl::make_unexpected(seen.error());
    const std::string address = object_->address();
    shared_content next = now_;
    entries set;
    std::vector<std::string> remove;
    for (const std::string& dead : object_->dead_clients())
        if (dead != address && next.gateways.erase(dead) > 0)
            remove.push_back(gateway_entry(dead));
    if (is_registered() && remove.empty())
        co_return true;
    next.gateways.insert(address);
    set.emplace(gateway_entry(address), to_shared_text(std::uint64_t{1}));
    const std::uint64_t expected = next.kept.number;
    if (!remove.empty()) {  // they are fenced, and nobody has waited for the map that says so
        next.fenced_at = expected + 1;
        set[fenced_at_entry] = to_shared_text(next.fenced_at);
    }
    const auto written = co_await write(expected, std::move(next), std::move(set), std::move(remove));
    if (written)
        co_return true;
    if (written.error().code == ESTALE)
        co_return false;
    co_return tl::make_unexpected(written.error());
}

core::task<core::result<store::version>> shared_store::load() {
    core::result<> done;
    if (joined_ && is_registered())
        done = co_await read();
    else
        done = co_await join();
    if (done)
        done = co_await settle_failed_write();
    if (done && joined_ && !is_registered()) {  // removed by a gateway that did not hear of this one
        joined_ = false;
        co_await observer_->lost();
        done = tl::make_unexpected(not_registered(object_->text()));
    }
    if (!done)
        co_return tl::make_unexpected(std::move(done.error()));
    co_return now_.kept;
}

core::task<core::result<>> shared_store::rejoin() {
    const core::gate::holder hold = tasks_.hold();
    if (!hold)
        co_return core::result<>();  // the namespace is being removed
    joined_ = false;
    map_at_ = 0;
    auto joined = co_await join();
    if (!joined)
        co_return joined;
    const version kept = now_.kept;
    co_await observer_->changed(kept, false);
    co_return joined;
}

core::task<> shared_store::close() {
    cancel();
    co_await tasks_.close();
    const std::string own = gateway_entry(object_->address());
    const auto left = co_await object_->remove_entry(own);
    if (!left && left.error().code != ENOENT && left.error().code != ESHUTDOWN)
        core::log::warning("{}: cannot leave: {}. When another gateway changes the reservation, it will fence this one",
                           object_->text(), left.error().text());
    co_await object_->close();
}

// ---- What others tell.

void shared_store::notified(std::uint64_t id, std::string text) {
    core::detach(answer(id, std::move(text)));
}

/// What is not confirmed is acknowledged without a reply, so that others do not wait for it.
core::task<> shared_store::answer(std::uint64_t id, std::string text) {
    const core::gate::holder hold = tasks_.hold();
    if (!hold) {
        object_->acknowledge(id, std::string());
        co_return;
    }
    const auto n = notice_from(text);
    if (!n) {
        core::log::peer_warning(unreadable_messages,
                                "{}: not answering a message that no gateway of this release sends", object_->text());
        object_->acknowledge(id, std::string());
        co_return;
    }
    std::string reply;
    if (n->from != object_->address())
        reply = co_await confirmation_of(*n);
    object_->acknowledge(id, std::move(reply));
}

/// Empty: nothing can be confirmed.
core::task<std::string> shared_store::confirmation_of(const notice& n) {
    core::result<> known;
    if (now_.kept.number < n.number)
        known = co_await read();
    if (known)
        known = co_await follow_map();
    if (!known) {
        core::log::peer_warning(failed_answers, "{}: cannot confirm a change of the reservation: {}", object_->text(),
                                known.error().text());
        co_return std::string();
    }
    if (!is_registered()) {
        if (std::exchange(joined_, false))
            co_await observer_->lost();
        co_return std::string();
    }
    const version kept = now_.kept;
    const std::string address = object_->address();
    const bool ended = co_await observer_->changed(kept, n.end_commands);
    if (!n.notifications.empty() && !is_announced(fmt::format("{} {}", n.from, n.change)))
        observer_->announce(n.notifications);
    const reply r{.from = address, .number = kept.number, .commands_ended = ended};
    co_return to_text(r);
}

/// A notice comes again where some gateway has not confirmed the first.
bool shared_store::is_announced(std::string change) {
    if (std::ranges::find(announced_, change) != announced_.end())
        return true;
    announced_.push_back(std::move(change));
    if (announced_.size() > max_announced)
        announced_.pop_front();
    return false;
}

void shared_store::watch_lost() {
    ++losses_;
    if (!std::exchange(watching_again_, true))
        core::detach(watch_again());
}

/// Without it this gateway is fenced when another changes the reservation. What it has missed it reads.
core::task<> shared_store::watch_again() {
    const core::gate::holder hold = tasks_.hold();
    if (!hold)
        co_return;
    for (core::nanoseconds retry = first_retry; !closing_.is_set();
         retry = std::min<core::nanoseconds>(2 * retry, longest_retry)) {
        const std::uint64_t losses = losses_;
        auto watched = co_await object_->watch(*this);
        if (watched)
            watched = co_await read();
        if (watched && losses_ == losses) {
            watching_again_ = false;
            if (is_registered()) {
                const version kept = now_.kept;
                co_await observer_->changed(kept, false);
            } else if (std::exchange(joined_, false)) {
                co_await observer_->lost();
            }
            co_return;
        }
        if (!watched && watched.error().code == ESHUTDOWN)  // rejoin() watches by the next client
            break;
        co_await closing_.wait_for(retry);
    }
    watching_again_ = false;
}

// ---- Changes.

core::task<core::result<std::uint64_t>> shared_store::replace(std::uint64_t expected, state next) {
    if (!joined_ || !is_registered())
        co_return tl::make_unexpected(not_registered(object_->text()));
    if (now_.kept.number != expected)
        co_return core::fail(ESTALE, "the reservation has changed meanwhile", object_->text());
    shared_content content = now_;
    entries set{{state_entry, to_shared_text(next)}};
    content.kept.state = std::move(next);
    std::vector<std::string> remove;
    const auto written = co_await write(expected, std::move(content), std::move(set), std::move(remove));
    if (!written)
        co_return tl::make_unexpected(written.error());
    co_return expected + 1;
}

core::task<core::result<confirmation>> shared_store::confirm(std::vector<notification> notifications,
                                                             bool end_commands) {
    const core::clock& time = group_.time();
    const core::ticks begin = time.now();
    const auto is_over = [&](core::nanoseconds limit) { return time.now() - begin >= time.to_ticks(limit); };
    const std::uint64_t change = notifications.empty() ? 0 : now_.kept.number;
    std::map<std::string, core::ticks> silent;  // since when
    for (;;) {
        const std::uint64_t number = now_.kept.number;
        const addresses who = others();
        if (!joined_ || !is_registered())
            co_return tl::make_unexpected(not_registered(object_->text()));
        auto known = co_await follow_map();
        if (!known)
            co_return tl::make_unexpected(std::move(known.error()));
        const confirmation alone{number, true};
        if (who.empty())
            co_return alone;

        const core::ticks asked = time.now();
        const notice n{object_->address(), number, change, end_commands, notifications};
        const auto answers = co_await ask(n, who);
        if (!answers)
            co_return tl::make_unexpected(answers.error());
        const confirmation all{number, answers->commands_ended};
        if (answers->missing.empty() && (answers->commands_ended || !end_commands || is_over(end_limit)))
            co_return all;
        if (is_over(confirm_limit))
            co_return core::fail(ETIMEDOUT, "other gateways have not confirmed in time", object_->text());
        if (answers->missing.empty())
            continue;

        std::erase_if(silent, [&](const auto& s) { return !answers->missing.contains(s.first); });
        const bool again = !silent.empty();
        for (const std::string& address : answers->missing)
            silent.try_emplace(address, asked);
        auto seen = co_await read();  // they may have left
        if (seen && again)
            seen = co_await fence_silent(silent, time.now());
        if (!seen)
            co_return tl::make_unexpected(std::move(seen.error()));
        const bool closing = co_await closing_.wait_for(between_rounds);
        if (closing)
            co_return core::fail(ECANCELED, "the namespace is being removed", object_->text());
    }
}

core::task<core::result<shared_store::round>> shared_store::ask(const notice& n, const addresses& who) {
    auto replies = co_await object_->notify(to_text(n), round_limit);
    if (!replies)
        co_return tl::make_unexpected(std::move(replies.error()));
    round r{.missing = who};
    for (const std::string& text : *replies) {
        if (text.empty())
            continue;
        const auto answer = reply_from(text);
        if (!answer) {
            core::log::peer_warning(unreadable_messages,
                                    "{}: not reading an answer that no gateway of this release "
                                    "gives",
                                    object_->text());
        } else if (answer->number >= n.number && r.missing.erase(answer->from) > 0) {
            r.commands_ended = r.commands_ended && answer->commands_ended;
        }
    }
    co_return r;
}

core::task<core::result<>> shared_store::fence_silent(const std::map<std::string, core::ticks>& silent,
                                                      core::ticks now) {
    addresses dead;
    for (const auto& [address, since] : silent)
        if (now - since >= group_.time().to_ticks(silence_limit) && now_.gateways.contains(address))
            dead.insert(address);
    if (dead.empty())
        co_return core::result<>();
    for (const std::string& address : dead)
        core::log::report(core::log::event::other_gateway_fenced, {{"image", object_->text()}, {"client", address}},
                          "{}: fencing gateway {}: it has not confirmed a change of the reservation for {} s",
                          object_->text(), address,
                          std::chrono::duration_cast<std::chrono::seconds>(silence_limit).count());
    std::vector<std::string> all(dead.begin(), dead.end());
    auto fenced = co_await object_->fence(std::move(all));
    if (!fenced)
        co_return fenced;
    co_return co_await remove_fenced(dead);
}

/// Everybody who confirms the version that this makes has waited for the map that fences them: else what another
/// gateway does next could land before what they have on its way.
core::task<core::result<>> shared_store::remove_fenced(const addresses& dead) {
    for (unsigned i = 0; i < max_attempts; ++i) {
        shared_content next = now_;
        std::vector<std::string> remove;
        for (const std::string& address : dead)
            if (next.gateways.erase(address) > 0)
                remove.push_back(gateway_entry(address));
        if (remove.empty())
            co_return core::result<>();
        const std::uint64_t expected = next.kept.number;
        next.fenced_at = expected + 1;
        entries set{{fenced_at_entry, to_shared_text(next.fenced_at)}};
        auto written = co_await write(expected, std::move(next), std::move(set), std::move(remove));
        if (written || written.error().code != ESTALE)
            co_return written;
        auto seen = co_await read();
        if (!seen)
            co_return seen;
    }
    co_return tl::make_unexpected(lost_race(object_->text()));
}

}  // namespace causeway::nvmf::reservation
