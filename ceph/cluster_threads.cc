// SPDX-License-Identifier: Apache-2.0
#include "ceph/cluster_threads.h"

#include "core/log_event.h"

namespace causeway::ceph {

core::result<> cluster_threads::check(const std::string& what) const {
    const std::lock_guard lock(mutex_);
    if (hung_.contains(what))
        return core::fail(
            EBUSY, "not retried: an earlier attempt was cancelled, but its call to the cluster still hangs", what);
    if (hung_.size() >= max_running)
        return core::fail(EBUSY,
                          "not tried: " + std::to_string(hung_.size()) +
                              " calls to this cluster hang, which is the maximum at a time",
                          what);
    return {};
}

void cluster_threads::hangs(const std::string& what) {
    core::log::report(
        core::log::event::cluster_call_hangs, {{"call", what}},
        "{}: cancelled while its call to the cluster was in progress; not retried before that call returns", what);
    const std::lock_guard lock(mutex_);
    hung_.insert(what);
}

void cluster_threads::returned(const std::string& what) {
    core::log::notice("{}: the call that was cancelled has returned", what);
    const std::lock_guard lock(mutex_);
    hung_.extract(what);
}

std::vector<std::string> cluster_threads::hung() const {
    const std::lock_guard lock(mutex_);
    return {hung_.begin(), hung_.end()};
}

}  // namespace causeway::ceph
