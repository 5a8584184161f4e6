// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/client_file.h"
#include "ceph/cluster_threads.h"
#include "ceph/operation_share.h"
#include "core/clock.h"
#include "core/result.h"

#include <map>
#include <memory>
#include <rados/librados.h>
#include <sched.h>
#include <string>
#include <vector>

namespace causeway::ceph {

/// What happens to the images of a client that its cluster has blocklisted.
enum class fence_policy : std::uint8_t {
    reconnect,  ///< a fresh client is connected and the images are reopened on it
    offline,    ///< they stay inaccessible until they are deleted: for operators who fence a gateway to keep it out
};

/// How to reach a Ceph cluster. Later settings win over earlier ones: our defaults, the monitors' database
/// (`ceph config set client …`), the file's, the two that no gateway may have otherwise, `config_param`, `key_file`.
struct client_options {
    std::string user_id;  ///< without "client."; empty: "admin"
    /// Empty: librados' usual places (CEPH_CONF, /etc/ceph/ceph.conf, …), as far as they exist.
    std::string config_file;
    bool read_config_file = true;
    std::map<std::string, std::string> config_param;
    std::string key_file;
    std::string
        core_mask;  ///< for librados' and librbd's threads; empty: all CPUs but the reactors', where there are others
    /// RADOS operations that all images of the client may have outstanding; see operation_share.
    unsigned max_outstanding_ops = outstanding_operations::default_limit;
    core::nanoseconds time_limit = std::chrono::seconds(30);  ///< for connecting, and for opening an image

    fence_policy on_fenced = fence_policy::reconnect;

    bool operator==(const client_options&) const = default;
};

/// The environment of a client.
struct client_environment {
    std::vector<unsigned> reactors;  ///< their CPUs, to stay away from
    std::shared_ptr<cluster_threads> threads;
    std::shared_ptr<client_file> file;  ///< where its addresses are stored while it lives; nullptr: nowhere
    /// Of the client that this one replaces: its images come along, and are counted there. nullptr: it replaces none.
    std::shared_ptr<outstanding_operations> operations = nullptr;
};

/// A connected librados client, shared by the images that are opened on it: its threads, its sockets, its maps.
///
/// Connecting and destroying block: on plain threads only, never on a reactor. Constant in between: any thread.
class client {
  public:
    /// What no OSD or monitor answers ends after this, unless the operator has set rados_osd_op_timeout or
    /// rados_mon_op_timeout.
    static constexpr core::nanoseconds operation_time_limit = std::chrono::seconds(25);

    /// REQUIRES: blocking is allowed. EINVAL (a setting that librados refuses), ENOENT (file, key), ETIMEDOUT, EACCES,
    /// …
    static core::result<std::shared_ptr<client>> connect(const client_options& options, client_environment environment);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    rados_t handle() const noexcept { return rados_; }
    /// Distinguishes this client from all others of this process, past ones included.
    std::uint64_t id() const noexcept { return id_; }
    const std::string& fsid() const noexcept { return fsid_; }
    /// What the cluster can fence, as rados_getaddrs() gives it; empty: not known.
    const std::string& addresses() const noexcept { return addresses_; }
    /// Of the clients of dead predecessors that have been put on the blocklist.
    std::vector<std::string> fenced_predecessors() const;
    const cpu_set_t& cpus() const noexcept { return cpus_; }
    core::nanoseconds time_limit() const noexcept { return time_limit_; }
    /// What no OSD answers ends; not so if the operator has set rados_osd_op_timeout to 0.
    bool ends_hung_io() const noexcept { return ends_hung_io_; }
    /// For how long an OSD shall keep a watch of ours while we are silent: osd_client_watch_timeout, as clients have
    /// it.
    std::chrono::seconds watch_timeout() const noexcept { return watch_timeout_; }
    std::uint64_t capacity() const noexcept;  ///< bytes of the whole cluster, raw; 0: it does not say. Blocks
    /// For all that blocks on this cluster, destroying this client included.
    const std::shared_ptr<cluster_threads>& threads() const noexcept { return environment_.threads; }
    const std::shared_ptr<outstanding_operations>& operations() const noexcept { return operations_; }

  private:
    client(client_environment environment, unsigned max_outstanding_ops);
    core::result<> configure(const client_options& options);
    void read_addresses();
    void store_addresses();
    void fence_predecessor();
    void fence(const std::string& address);

    const client_environment environment_;
    const std::uint64_t id_;
    rados_t rados_ = nullptr;
    const std::shared_ptr<outstanding_operations> operations_;
    std::string fsid_;
    std::string addresses_;
    cpu_set_t cpus_;
    core::nanoseconds time_limit_{};
    bool ends_hung_io_ = true;
    std::chrono::seconds watch_timeout_{30};
};

}  // namespace causeway::ceph
