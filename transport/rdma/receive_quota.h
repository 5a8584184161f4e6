// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace causeway::rdma {

/// How many receives of a device are promised, by core and by peer. Lives on the control reactor.
///
/// The host's NQN is known only with its Connect command, after its receives have been posted: here a peer is its
/// address. One may have as many as are still free on all cores, those that the commands of its dead connections hold
/// included. So of `k` peers that take what they can get none has more than the rest leaves, and at least 1/(k+1) stays
/// for others.
class receive_quota {
  public:
    receive_quota(std::size_t cores, std::uint32_t per_core) : per_core_(per_core), by_core_(cores) {}

    bool has_room(std::size_t core, std::uint32_t receives) const noexcept {
        return receives <= per_core_ - by_core_[core];
    }
    bool allows(const std::string& peer, std::uint32_t receives) const {
        return held_by(peer) + receives <= std::uint64_t{per_core_} * by_core_.size() - promised_;
    }
    /// True: so many more do not take it above its share, if all that hold some, and one more, had the same.
    bool is_within_share(const std::string& peer, std::uint32_t receives) const {
        return held_by(peer) + receives <= std::uint64_t{per_core_} * by_core_.size() / (by_peer_.size() + 1);
    }

    /// REQUIRES: has_room().
    void take(std::size_t core, const std::string& peer, std::uint32_t receives) {
        by_core_[core] += receives;
        by_peer_[peer] += receives;
        promised_ += receives;
    }
    /// REQUIRES: taken for this peer.
    void release(std::size_t core, const std::string& peer, std::uint32_t receives) {
        if (receives == 0)
            return;
        by_core_[core] -= receives;
        promised_ -= receives;
        if (const auto it = by_peer_.find(peer); (it->second -= receives) == 0)
            by_peer_.erase(it);
    }

    std::uint64_t promised() const noexcept { return promised_; }

  private:
    std::uint64_t held_by(const std::string& peer) const {
        const auto it = by_peer_.find(peer);
        return it == by_peer_.end() ? 0 : it->second;
    }

    const std::uint32_t per_core_;
    std::vector<std::uint32_t> by_core_;
    std::map<std::string, std::uint64_t> by_peer_;
    std::uint64_t promised_ = 0;
};

}  // namespace causeway::rdma
