#include "bdev_rbd/clusters.h"

#include "bdev_rbd/client_cpus.h"

#include <algorithm>

namespace causeway::bdev_rbd {

namespace {

core::error given_up(const std::string& name) {
    return {ECANCELED, "the cluster was unregistered while it was being connected", name};
}

}  // namespace

core::task<core::result<std::shared_ptr<client>>> connect(core::reactor_group& group, client_options options,
                                                          attempt<std::shared_ptr<client>>& trial) {
    const auto limit = options.time_limit;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    core::error too_late{ETIMEDOUT, "the Ceph cluster did not answer within " + std::to_string(seconds) + " s",
                         "client." + (options.user_id.empty() ? "admin" : options.user_id)};
    // It may outlive everything here: it holds what it needs.
    attempt<std::shared_ptr<client>>::function work = [reactors = cpus_of(group), options = std::move(options)] {
        return client::connect(options, reactors);
    };
    co_return co_await trial.run(group, limit, std::move(too_late), std::move(work));
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
    entries_.push_back(e);
    auto connected = co_await connect(group_, std::move(options), e->connecting);
    if (!connected) {
        std::erase(entries_, e);
        co_return tl::make_unexpected(connected.error());
    }
    if (find(name) != e) {  // removed in the very moment when it was ready
        destroy_elsewhere(group_, std::move(*connected));
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
        co_await core::run_blocking(group_, [&e] { e->connected.reset(); });
    co_return core::result<>();
}

core::result<clusters::lease> clusters::use(const std::string& name) {
    auto e = find(name);
    if (!e)
        return core::fail(ENOENT, "no cluster of this name is registered", name);
    if (!e->connected)
        return core::fail(EAGAIN, "the cluster is still being connected", name);
    return lease(std::move(e));
}

std::vector<clusters::view> clusters::all() const {
    std::vector<view> views;
    for (const auto& e : entries_)
        views.push_back(
            {e->name, e->options, e->connected != nullptr, e->users, e->connected ? e->connected->fsid() : ""});
    return views;
}

}  // namespace causeway::bdev_rbd
