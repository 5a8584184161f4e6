// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/fake_cluster.h"

namespace causeway::nvmf::test {

using namespace std::chrono_literals;

namespace {

/// Of what the object's OSD does not answer.
constexpr core::nanoseconds operation_limit = 10s;
constexpr core::nanoseconds longest_lateness = 3s;

core::error timed_out() {
    return {ETIMEDOUT, "nobody has answered", ""};
}

core::error blocklisted() {
    return {ESHUTDOWN, "the client is on the blocklist", ""};
}

}  // namespace

core::nanoseconds fake_cluster::draw_delay() {
    return core::nanoseconds(random_.below(static_cast<std::uint64_t>(trouble.max_delay.count())));
}

void fake_cluster::fence(const std::string& address) {
    if (!fenced.try_emplace(address, epoch + 1).second)
        return;
    ++epoch;
    for (std::size_t i = 0; i < gateways.size(); ++i)
        if (gateways[i] && gateways[i]->address() == address && on_fenced)
            on_fenced(i);
}

fake_object::fake_object(fake_cluster& c, std::size_t index) : cluster_(c), index_(index) {
    if (c.gateways.size() <= index)
        c.gateways.resize(index + 1);
    c.gateways[index] = this;
    running_->set();
    reconnect();
}

fake_object::~fake_object() {
    cluster_.gateways[index_] = nullptr;
}

void fake_object::reconnect() {
    addresses_.push_back("gateway" + std::to_string(index_) + "/" + std::to_string(addresses_.size()));
    observer_ = nullptr;
    received_.clear();
    map_epoch_ = 0;  // the monitor that it has its first map from may be behind
}

std::vector<std::string> fake_object::dead_clients() const {
    return {addresses_.begin(), addresses_.end() - 1};
}

/// The way of a request to the cluster, or of an answer from there.
core::task<core::result<>> fake_object::reach() {
    const auto running = running_;
    fake_cluster& c = cluster_;
    const std::string by = address();
    co_await core::sleep_for(c.draw_delay());
    co_await running->wait();
    if (c.stopped) {
        co_await core::sleep_for(operation_limit);
        co_return tl::make_unexpected(timed_out());
    }
    if (c.is_fenced(by))
        co_return tl::make_unexpected(blocklisted());
    co_return core::result<>();
}

core::task<core::result<>> fake_object::watch(observer& o) {
    auto reached = co_await reach();
    if (!reached)
        co_return reached;
    cluster_.exists = true;
    observer_ = &o;
    co_return reached;
}

core::task<core::result<reservation::entries>> fake_object::read() {
    const auto reached = co_await reach();
    if (!reached)
        co_return tl::make_unexpected(reached.error());
    if (cluster_.happens(cluster_.trouble.failed_read))
        co_return tl::make_unexpected(timed_out());
    const reservation::entries seen = cluster_.object;
    co_await core::sleep_for(cluster_.draw_delay());
    co_return seen;
}

core::result<> fake_object::apply(const std::string& by, std::uint64_t expected, const reservation::entries& set,
                                  const std::vector<std::string>& remove) {
    if (cluster_.is_fenced(by))
        return tl::make_unexpected(blocklisted());
    const auto content = reservation::from_entries(cluster_.object);
    if (content->kept.number != expected)
        return core::fail(ESTALE, "it has another number");
    for (const auto& [name, value] : set)
        cluster_.object[name] = value;
    for (const std::string& name : remove)
        cluster_.object.erase(name);
    if (set.contains(reservation::state_entry) && cluster_.on_stored)
        cluster_.on_stored(index_, reservation::from_entries(cluster_.object)->kept);
    return {};
}

core::task<> fake_object::apply_later(std::string by, std::uint64_t expected, reservation::entries set,
                                      std::vector<std::string> remove) {
    fake_cluster& c = cluster_;
    const std::size_t index = index_;
    co_await core::sleep_for(longest_lateness - c.draw_delay());
    if (fake_object* const self = c.gateways[index])
        (void)self->apply(by, expected, set, remove);
}

core::task<core::result<>> fake_object::write(std::uint64_t expected, reservation::entries set,
                                              std::vector<std::string> remove) {
    const std::string by = address();
    auto reached = co_await reach();
    if (!reached)
        co_return reached;
    if (cluster_.happens(cluster_.trouble.failed_write)) {
        if (cluster_.happens(cluster_.trouble.late_write))
            core::detach(apply_later(by, expected, std::move(set), std::move(remove)));
        else if (cluster_.happens(500))
            (void)apply(by, expected, set, remove);
        co_return tl::make_unexpected(timed_out());
    }
    if (cluster_.before_write)
        cluster_.before_write(index_);
    auto applied = apply(by, expected, set, remove);
    co_await core::sleep_for(cluster_.draw_delay());
    if (applied && set.contains(reservation::state_entry))
        stored_last = expected + 1;
    co_return applied;
}

core::task<core::result<>> fake_object::remove_entry(std::string name) {
    co_await core::sleep_for(cluster_.leaving_takes);
    auto reached = co_await reach();
    if (reached)
        cluster_.object.erase(name);
    co_return reached;
}

core::task<> fake_object::deliver(fake_cluster& c, std::size_t to, std::shared_ptr<pending_notice> n,
                                  std::string text) {
    co_await core::sleep_for(c.draw_delay());
    if (!c.gateways[to])
        co_return;
    const auto running = c.gateways[to]->running_;
    co_await running->wait();
    fake_object* const o = c.gateways[to];
    if (!o || !o->observer_ || c.is_fenced(o->address()) || c.happens(c.trouble.lost_notice))
        co_return;
    const std::uint64_t id = o->next_id_++;
    o->received_[id] = std::move(n);
    o->observer_->notified(id, std::move(text));
}

core::task<core::result<std::vector<std::string>>> fake_object::notify(std::string text, core::nanoseconds limit) {
    ++cluster_.notices;
    const auto reached = co_await reach();
    if (!reached)
        co_return tl::make_unexpected(reached.error());
    const auto n = std::make_shared<pending_notice>();
    for (std::size_t to = 0; to < cluster_.gateways.size(); ++to) {
        if (!cluster_.gateways[to] || !cluster_.gateways[to]->observer_)
            continue;
        ++n->missing;
        core::detach(deliver(cluster_, to, n, text));
    }
    if (n->missing > 0)
        co_await n->changed.wait_for(limit);
    const std::vector<std::string> replies = n->replies;
    co_await core::sleep_for(cluster_.draw_delay());
    co_return replies;
}

void fake_object::acknowledge(std::uint64_t id, std::string reply) {
    const auto it = received_.find(id);
    if (it == received_.end())
        return;
    const auto n = std::move(it->second);
    received_.erase(it);
    if (is_stopped() || cluster_.is_fenced(address()) || cluster_.happens(cluster_.trouble.lost_reply))
        return;
    n->replies.push_back(std::move(reply));
    if (--n->missing == 0)
        n->changed.set();
}

core::task<core::result<>> fake_object::fence(std::vector<std::string> addresses) {
    auto reached = co_await reach();
    if (!reached)
        co_return reached;
    for (const std::string& address : addresses)
        cluster_.fence(address);
    map_epoch_ = cluster_.epoch;
    co_return reached;
}

core::task<core::result<>> fake_object::wait_for_latest_map() {
    auto reached = co_await reach();
    if (reached)
        map_epoch_ = cluster_.epoch;
    co_return reached;
}

core::task<> fake_object::close() {
    observer_ = nullptr;
    received_.clear();
    co_return;
}

void fake_object::lose_watch() {
    if (observer* const o = std::exchange(observer_, nullptr))
        o->watch_lost();
}

}  // namespace causeway::nvmf::test
