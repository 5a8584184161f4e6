// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/client.h"
#include "ceph/deadline_call.h"
#include "core/task.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::ceph {

/// The librados clients that images share, by name. Lives on the control reactor.
class clusters {
    struct entry {
        std::string name;
        client_options options;
        deadline_call<std::shared_ptr<client>> connecting;
        std::shared_ptr<cluster_threads> threads;
        std::shared_ptr<client> connected;  ///< nullptr until it is
        unsigned users = 0;
        bool fenced = false;
        unsigned fences = 0;
    };

  public:
    /// `threads`: for calls that may never return. Apart from the group's, so that those never wait for a cluster.
    /// `file`: where the addresses of clients are stored while they live; nullptr: nowhere, and no predecessor is
    /// fenced.
    clusters(core::reactor_group& group, core::blocking_executor& threads, std::shared_ptr<client_file> file = nullptr)
        : group_(group), threads_(threads), file_(std::move(file)) {}
    explicit clusters(core::reactor_group& group) : clusters(group, group.blocking()) {}

    /// Connects away from the reactors, within the options' time limit. `operations`: see client_environment.
    core::task<core::result<std::shared_ptr<client>>>
    connect(client_options options, deadline_call<std::shared_ptr<client>>& call,
            std::shared_ptr<outstanding_operations> operations = nullptr);

    /// Ends when the client is connected, or cannot be: EEXIST, ECANCELED (removed meanwhile), connect()'s errors.
    core::task<core::result<>> add(std::string name, client_options options);
    /// ENOENT; EBUSY while images use it. One that is still connecting is given up at once.
    core::task<core::result<>> remove(std::string name);

    /// Keeps a client registered while it lives.
    class lease {
      public:
        lease(lease&& other) noexcept = default;
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (entry_)
                --entry_->users;
        }
        const std::shared_ptr<client>& get() const noexcept { return entry_->connected; }
        const client_options& options() const noexcept { return entry_->options; }

      private:
        friend class clusters;
        explicit lease(std::shared_ptr<entry> e) : entry_(std::move(e)) { ++entry_->users; }
        std::shared_ptr<entry> entry_;
    };
    /// ENOENT; EAGAIN while it is still connecting, or reconnecting; ESHUTDOWN: blocklisted, for good.
    core::result<lease> use(const std::string& name);

    /// The cluster has blocklisted this client: no image is opened on it any more. Absent: the name is another's.
    std::optional<fence_policy> fenced(const std::string& name, std::uint64_t client_id);
    /// Connects a fresh client in its place; the one that is there, if it has been done. ENOENT, connect()'s errors.
    core::task<core::result<std::shared_ptr<client>>> reconnect(std::string name, std::uint64_t fenced_client_id,
                                                                deadline_call<std::shared_ptr<client>>& call);
    /// Ends when the client has the cluster's newest OSD map: what others have put on the blocklist before this call
    /// cannot write behind its back any more. Waits on the cluster's own threads, and for the client's time limit at
    /// the most. use()'s errors, ETIMEDOUT, EBUSY (an earlier call still hangs), what librados answers.
    core::task<core::result<>> wait_for_latest_osdmap(std::string name);
    /// True: this client is still the one of that name.
    bool has(const std::string& name, std::uint64_t client_id) const;

    struct view {
        std::string name;
        client_options options;
        bool connected;
        unsigned images;
        std::string fsid;               ///< empty until connected
        std::vector<std::string> hung;  ///< calls that were given up and have not returned
        bool fenced;                    ///< blocklisted, and no fresh client in its place
        unsigned fences;                ///< how often that has happened
        std::string addresses;          ///< client::addresses(); empty until connected
    };
    /// In order of registration.
    std::vector<view> all() const;

  private:
    /// Clients with the same options share their threads, so that registering one twice does not get more threads.
    struct share {
        client_options options;
        std::weak_ptr<cluster_threads> threads;
    };

    std::shared_ptr<entry> find(const std::string& name) const;
    std::shared_ptr<cluster_threads> threads_for(const client_options& options);

    core::reactor_group& group_;
    core::blocking_executor& threads_;
    const std::shared_ptr<client_file> file_;
    std::vector<share> shares_;
    std::vector<std::shared_ptr<entry>> entries_;
};

}  // namespace causeway::ceph
