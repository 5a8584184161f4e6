// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace causeway::ceph {

/// The addresses of this gateway's rados clients, in a file. A gateway that starts and finds the file of a dead
/// predecessor puts the clients listed there on the blocklist: OSDs take a dead client for a living one for 30 s, and
/// its locks with it.
///
/// The file is locked (flock) while its owner lives, so a living gateway is never fenced because of it, and it is
/// replaced atomically. It is removed with the last client: after an orderly shutdown there is none. Plain threads; any
/// of them.
class client_file {
  public:
    /// What is known as one client to a cluster.
    struct entry {
        std::string fsid;
        std::string addresses;  ///< as rados_getaddrs() gives them
        bool operator==(const entry&) const = default;
    };

    /// Reads what a predecessor has left. EBUSY: its owner lives. Else what the system said.
    static core::result<std::shared_ptr<client_file>> open(std::string path);
    client_file(const client_file&) = delete;
    ~client_file();

    /// Written when this returns. To be called before the client does anything that must not outlive this process.
    core::result<> add(entry client);
    /// The client has gone in order.
    void remove(const entry& client);

    /// Those of a predecessor's clients that have not been fenced.
    std::vector<std::string> predecessors(const std::string& fsid) const;
    core::result<> fenced(const entry& predecessor);
    /// For which fenced() has been called.
    std::vector<std::string> fenced_predecessors(const std::string& fsid) const;
    /// True: a predecessor had clients of this cluster.
    bool had_predecessors(const std::string& fsid) const;
    /// Held while predecessors of a cluster are being fenced; clients that connect at the same time wait for it.
    std::mutex& fencing(const std::string& fsid);

  private:
    explicit client_file(std::string path) : path_(std::move(path)) {}
    core::result<> take_over();
    void read(int fd);
    core::result<> write();

    const std::string path_;
    mutable std::mutex mutex_;
    core::unique_fd locked_;  ///< the file as it is now; empty: there is none
    std::vector<entry> own_;
    std::vector<entry> predecessors_;
    std::vector<entry> fenced_;
    std::map<std::string, std::mutex> fencing_;  ///< by fsid; those that had predecessors, and others
    std::vector<std::string> had_predecessors_;
};

}  // namespace causeway::ceph
