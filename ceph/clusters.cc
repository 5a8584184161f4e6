// SPDX-License-Identifier: Apache-2.0
#include "ceph/clusters.h"

#include "ceph/client_cpus.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::ceph {

namespace {

core::error given_up(const std::string& name) {
    return {ECANCELED, "the cluster was unregistered while it was being connected", name};
}

}  // namespace

std::shared_ptr<cluster_threads> clusters::threads_for(const client_options& options) {
    std::erase_if(shares_, [](const share& s) { return s.threads.expired(); });
    for (const share& s : shares_)
        if (s.options == options)
            if (auto threads = s.threads.lock())
                return threads;
    auto threads = std::make_shared<cluster_threads>(threads_);
    shares_.push_back({options, threads});
    return threads;
}

core::task<core::result<std::shared_ptr<client>>>
clusters::connect(client_options options, deadline_call<std::shared_ptr<client>>& call,
                  std::shared_ptr<outstanding_operations> operations) {
    const auto limit = options.time_limit;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    const std::string user = "client." + (options.user_id.empty() ? "admin" : options.user_id);
    core::error too_late{ETIMEDOUT, "the Ceph cluster did not answer within " + std::to_string(seconds) + " s", user};
    auto threads = threads_for(options);
    // It may outlive everything here: it holds what it needs.
    deadline_call<std::shared_ptr<client>>::function work =
        [environment = client_environment{cpus_of(group_), threads, file_, std::move(operations)},
         options = std::move(options)] { return client::connect(options, environment); };
    co_return co_await call.run(std::move(threads), user + ": connecting", limit, std::move(too_late), std::move(work));
}

std::shared_ptr<clusters::entry> clusters::find(const std::string& name) const {
    const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e->name == name; });
    return it == entries_.end() ? nullptr : *it;
}

core::task<core::result<>> clusters::add(std::string name, client_options options) {
    if (name.empty())
        co_return core::fail(EINVAL, "a cluster needs a name", name);
    if (find(name))
        co_return core::fail(EEXIST, "a cluster of this name is registered", name);
    const auto e = std::make_shared<entry>();
    e->name = name;
    e->options = options;
    e->threads = threads_for(options);
    entries_.push_back(e);
    auto connected = co_await connect(std::move(options), e->connecting);
    if (!connected) {
        std::erase(entries_, e);
        co_return tl::make_unexpected(connected.error());
    }
    if (find(name) != e) {  // removed in the very moment when it was ready
        destroy_on(*e->threads, std::move(*connected));
        co_return tl::make_unexpected(given_up(name));
    }
    e->connected = std::move(*connected);
    co_return core::result<>();
}

core::task<core::result<>> clusters::remove(std::string name) {
    const auto e = find(name);
    if (!e)
        co_return core::fail(ENOENT, "no cluster of this name is registered", name);
    if (e->users)
        co_return core::fail(EBUSY, std::to_string(e->users) + " images use the cluster", name);
    std::erase(entries_, e);
    e->connecting.cancel(given_up(name));
    if (e->connected)
        co_await core::run_on(*e->threads, [&e] { return e->connected.reset(), true; });
    co_return core::result<>();
}

core::result<clusters::lease> clusters::use(const std::string& name) {
    auto e = find(name);
    if (!e)
        return core::fail(ENOENT, "no cluster of this name is registered", name);
    if (!e->connected)
        return core::fail(EAGAIN, "the cluster is still being connected", name);
    if (e->fenced && e->options.on_fenced == fence_policy::offline)
        return core::fail(
            ESHUTDOWN,
            "the cluster has blocklisted this gateway's client: delete its images, unregister the cluster and "
            "register it again",
            name);
    if (e->fenced)
        return core::fail(EAGAIN, "the cluster has blocklisted this gateway's client, and a new one is being connected",
                          name);
    return lease(std::move(e));
}

bool clusters::has(const std::string& name, std::uint64_t client_id) const {
    const auto e = find(name);
    return e && e->connected && e->connected->id() == client_id;
}

std::optional<fence_policy> clusters::fenced(const std::string& name, std::uint64_t client_id) {
    if (!has(name, client_id))
        return std::nullopt;
    const auto e = find(name);
    if (!std::exchange(e->fenced, true))
        ++e->fences;
    return e->options.on_fenced;
}

core::task<core::result<std::shared_ptr<client>>> clusters::reconnect(std::string name, std::uint64_t fenced_client_id,
                                                                      deadline_call<std::shared_ptr<client>>& call) {
    const auto e = find(name);
    if (!e || !e->connected)
        co_return core::fail(ENOENT, "no cluster of this name is registered", name);
    if (e->connected->id() != fenced_client_id)
        co_return e->connected;
    auto fresh = co_await connect(e->options, call, e->connected->operations());
    if (!fresh)
        co_return tl::make_unexpected(fresh.error());
    if (!has(name, fenced_client_id)) {  // unregistered meanwhile
        destroy_on(*e->threads, std::move(*fresh));
        co_return tl::make_unexpected(given_up(name));
    }
    destroy_on(*e->threads, std::exchange(e->connected, *fresh));
    e->fenced = false;
    co_return std::move(*fresh);
}

core::task<core::result<>> clusters::wait_for_latest_osdmap(std::string name) {
    std::shared_ptr<client> of;  // not the lease: whoever unregisters the cluster need not wait for this
    if (auto used = use(name); used)
        of = used->get();
    else
        co_return tl::make_unexpected(used.error());
    auto threads = of->threads();
    const auto limit = of->time_limit();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    core::error too_late{ETIMEDOUT, fmt::format("the monitors did not send the latest OSD map within {} s", seconds),
                         name};
    deadline_call<bool>::function work = [of = std::move(of), name]() -> core::result<bool> {
        if (const int r = rados_wait_for_latest_osdmap(of->handle()); r < 0)
            return core::fail(-r, "cannot get the latest OSD map", name);
        return true;
    };
    deadline_call<bool> call;
    // Without the name: clients with the same options share their threads, and one call that hangs says it for all.
    const auto waited = co_await call.run(std::move(threads), "waiting for the latest OSD map", limit,
                                          std::move(too_late), std::move(work));
    co_return waited ? core::result<>() : tl::make_unexpected(waited.error());
}

std::vector<clusters::view> clusters::all() const {
    std::vector<view> views;
    for (const auto& e : entries_)
        views.push_back({e->name, e->options, e->connected != nullptr, e->users,
                         e->connected ? e->connected->fsid() : "", e->threads->hung(), e->fenced, e->fences,
                         e->connected ? e->connected->addresses() : ""});
    return views;
}

}  // namespace causeway::ceph
