// SPDX-License-Identifier: Apache-2.0
#include "host/path_set.h"

#include <algorithm>

// The control side: connections that come and go, and the events of their controllers. Commands are in path_choice.cc.

namespace causeway::host {

path_set::path_set(std::vector<std::unique_ptr<connector>> ways, path_set_options o)
    : options_(std::move(o)), ways_(ways.size()), cores_(options_.controller.io_reactors.size()) {
    for (std::size_t i = 0; i < ways.size(); ++i)
        ways_[i].by = std::move(ways[i]);
    for (per_core& c : cores_)
        c.views.resize(ways_.size());
}

path_set::~path_set() = default;

core::task<core::result<>> path_set::start() {
    home_ = core::reactor::current();
    no_path_timer_ = std::make_unique<core::timer>(*home_, [this] { begin_task(publish_no_path(true)); });
    for (std::size_t core = 0; core < cores(); ++core) {
        co_await core::switch_to(reactor_of(core));
        per_core& c = cores_[core];
        c.again = std::make_unique<core::timer>(*core::reactor::current(), [this, &c] { send_waiting(c); });
    }
    co_await core::switch_to(*home_);
    core::result<> last;
    for (std::size_t i = 0; i < ways_.size(); ++i) {
        ways_[i].again = std::make_unique<core::timer>(*home_, [this, i] { begin_task(try_again(i)); });
        last = co_await connect(i);
        if (!last)
            ways_[i].again->arm_after(options_.reconnect_after);
    }
    if (alive())
        co_return core::result<>{};
    co_await stop();
    co_return last;
}

core::task<> path_set::stop() {
    stopping_ = true;
    no_path_timer_->cancel();
    for (way& w : ways_)
        w.again->cancel();
    if (tasks_) {  // each task ends without help
        core::one_shot<bool> over;
        tasks_waiter_ = &over;
        (void)co_await over;
    }
    for (std::size_t i = 0; i < ways_.size(); ++i)
        co_await drop(i);
    for (std::size_t core = 0; core < cores(); ++core) {
        co_await core::switch_to(reactor_of(core));
        cores_[core].again.reset();
    }
    co_await core::switch_to(*home_);
}

void path_set::begin_task(core::task<> t) {
    ++tasks_;
    core::detach(std::move(t), [this] {
        if (--tasks_ == 0 && tasks_waiter_)
            std::exchange(tasks_waiter_, nullptr)->set(true);
    });
}

controller* path_set::any() noexcept {
    for (way& w : ways_)
        if (w.its && w.its->is_alive())
            return w.its.get();
    return nullptr;
}

std::size_t path_set::alive() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(ways_.begin(), ways_.end(), [](const way& w) { return w.its && w.its->is_alive(); }));
}

core::task<core::result<>> path_set::connect(std::size_t path) {
    way& w = ways_[path];
    w.its = std::make_unique<controller>(*w.by, options_.controller);
    if (auto connected = co_await w.its->connect(); !connected) {
        w.its.reset();
        co_return connected;
    }
    w.its->on_lost = [this, path](std::string) { lost(path); };
    w.its->on_event = [this, path](std::uint32_t) { schedule_ana_read(path); };
    co_await read_states(path);
    update_no_path_timer();
    co_return core::result<>{};
}

core::task<> path_set::try_again(std::size_t path) {
    if (stopping_)
        co_return;
    if (auto connected = co_await connect(path); connected)
        ++reconnects_;
    else if (!stopping_)
        ways_[path].again->arm_after(options_.reconnect_after);
}

/// On its reactor, in a callback of the controller, which has to live until that has returned.
void path_set::lost(std::size_t path) {
    if (!stopping_)
        begin_task(lose(path));
}

core::task<> path_set::lose(std::size_t path) {
    co_await core::yield();
    co_await drop(path);
    if (!stopping_)
        ways_[path].again->arm_after(options_.reconnect_after);
    update_no_path_timer();
}

core::task<> path_set::drop(std::size_t path) {
    way& w = ways_[path];
    if (!w.its)
        co_return;
    if (w.reading_ana_log) {  // ends: its connection answers, or is lost
        core::one_shot<bool> over;
        w.ana_read_waiter = &over;
        (void)co_await over;
    }
    // Unpublished first, so that nothing is submitted to a path that is about to be closed.
    co_await publish(path, false, {});
    co_await w.its->disconnect();
    w.its.reset();
}

void path_set::schedule_ana_read(std::size_t path) {
    way& w = ways_[path];
    w.ana_log_changed = true;
    if (w.reading_ana_log || stopping_)
        return;
    begin_task(read_states(path));
}

/// Until nothing has changed while it was read. A log that cannot be read changes nothing.
core::task<> path_set::read_states(std::size_t path) {
    way& w = ways_[path];
    w.reading_ana_log = true;
    do {
        w.ana_log_changed = false;
        std::vector<ana_group> groups;
        if (w.its->identity().cmic & nvme::cmic_ana) {
            auto log = co_await read_ana_log(*w.its);
            if (!log)
                break;
            groups = std::move(*log);
        }
        // Read, so that the controller reports the next change.
        std::vector<std::byte> changed(sizeof(nvme::changed_namespace_list));
        (void)co_await w.its->log_page(nvme::lid::changed_namespace_list, 0, changed);
        if (w.its->is_alive())
            co_await publish(path, true, std::move(groups));
    } while (w.ana_log_changed && w.its->is_alive());
    w.reading_ana_log = false;
    if (w.ana_read_waiter)
        std::exchange(w.ana_read_waiter, nullptr)->set(true);
}

/// Publishes the state of a path to every core; those that waited for it go on.
core::task<> path_set::publish(std::size_t path, bool connected, std::vector<ana_group> groups) {
    way& w = ways_[path];
    const bool has_ana = w.its->identity().cmic & nvme::cmic_ana;
    std::vector<std::pair<std::uint32_t, nvme::ana_state>> states;
    for (const ana_group& g : groups)
        for (const std::uint32_t nsid : g.nsids)
            states.emplace_back(nsid, g.state);
    std::sort(states.begin(), states.end());
    for (std::size_t core = 0; core < cores(); ++core) {
        co_await core::switch_to(reactor_of(core));
        per_core& c = cores_[core];
        view& v = c.views[path];
        queue_pair* const queue = connected ? &w.its->io(core) : nullptr;
        if (queue && queue != v.queue)
            for (const auto memory : c.memory)
                queue->use_memory(memory);
        v.queue = queue;
        v.has_ana = has_ana;
        v.states = states;
        send_waiting(c);
    }
    co_await core::switch_to(*home_);
}

/// Without any path the time runs that commands wait for one.
void path_set::update_no_path_timer() {
    if (stopping_)
        return;
    if (alive() == 0) {
        if (!no_path_timer_->armed())
            no_path_timer_->arm_after(options_.no_path_timeout);
        return;
    }
    no_path_timer_->cancel();
    begin_task(publish_no_path(false));
}

core::task<> path_set::publish_no_path(bool no_path_expired) {
    for (std::size_t core = 0; core < cores(); ++core) {
        co_await core::switch_to(reactor_of(core));
        per_core& c = cores_[core];
        c.no_path_expired = no_path_expired;
        send_waiting(c);
    }
    co_await core::switch_to(*home_);
}

}  // namespace causeway::host
