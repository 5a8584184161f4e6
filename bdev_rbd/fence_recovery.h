// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_rbd/rbd_device.h"
#include "ceph/clusters.h"
#include "core/condition_variable.h"
#include "core/event.h"

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace causeway::bdev_rbd {

/// Recovers images whose client a cluster has blocklisted: another client broke the lock of one of them, or an operator
/// fenced this gateway. The cluster refuses the whole client, and for good.
///
/// The first I/O that is refused makes all images of its client inaccessible, so that hosts get the same status for
/// each (a path error without DNR). Then, as the client's fence_policy says, a fresh client is connected and the images
/// are reopened on it, again and again until that succeeds, or they stay inaccessible until they are deleted. Lives on
/// the control reactor.
class fence_recovery {
  public:
    explicit fence_recovery(ceph::clusters& named) : clusters_(named) {}

    /// `own` is how to reach the cluster where the image has a client for itself; `cluster_name` is empty then.
    void add(const std::shared_ptr<rbd_device>& d, std::string cluster_name, ceph::client_options own);
    void remove(const rbd_device& d);
    /// A named client that was found on the blocklist, with images or without.
    void fenced(const std::string& cluster_name, std::uint64_t client_id);

    /// Gives up what is under way: the gateway ends.
    void stop();
    /// Ends soon after stop(), when nothing is under way any more.
    core::task<> stopped();

  private:
    /// Where a client comes from.
    struct origin {
        std::string cluster_name;
        ceph::client_options own;
        std::string text;  ///< for logs: the cluster's name, or the image's
    };
    struct member {
        std::weak_ptr<rbd_device> device;
        origin from;
    };
    /// Of origins that are fenced again and again.
    struct history {
        core::ticks last = 0;
        unsigned streak = 0;
    };
    /// One client's recovery.
    struct run {
        std::uint64_t client_id;
        std::uint64_t to_replace;  ///< the same, or one that took its place and was blocklisted, too
        ceph::deadline_call<std::shared_ptr<ceph::client>> connecting;
        std::list<ceph::deadline_call<std::unique_ptr<image>>> openings;
    };
    using devices = std::vector<std::shared_ptr<rbd_device>>;

    void begin(origin from, std::uint64_t client_id);
    core::task<> recover(origin from, std::list<run>::iterator r);
    core::task<> reconnect(const origin& from, run& r);
    core::task<core::result<std::shared_ptr<ceph::client>>> connect_new_client(const origin& from, run& r);
    core::task<> reopen_all(devices images, const std::shared_ptr<ceph::client>& on, run& r);
    core::task<> reopen(std::shared_ptr<rbd_device> d, std::shared_ptr<ceph::client> on, run& r);
    devices images_of(std::uint64_t client_id) const;
    core::nanoseconds delay_before(const origin& from);
    core::task<> pause(core::nanoseconds d);

    ceph::clusters& clusters_;
    std::map<const rbd_device*, member> members_;
    std::map<std::string, history> histories_;
    std::list<run> runs_;
    core::condition_variable run_ended_;
    core::event stopping_;
};

}  // namespace causeway::bdev_rbd
