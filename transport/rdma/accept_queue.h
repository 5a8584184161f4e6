// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <unordered_map>

namespace causeway::rdma {

/// Connection requests that were rejected because of others. The control reactor counts.
struct request_counters {
    core::counter refused;  ///< too many waited already
    core::counter dropped;  ///< waited, and made room for another address
};

/// Connection requests that wait until they are accepted. The addresses that they come from take turns; an address is a
/// number by which hosts differ, ip::host_key(). Where there is no room for another request, the address with most of
/// them loses its latest. So nobody waits for more than one request of each other address, however many these send, and
/// one address never keeps the others out. Control reactor.
template <class Request>
class accept_queue {
  public:
    explicit accept_queue(std::size_t max_size) : max_size_(max_size) {}

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    /// False: it is full, and no other address has more requests than `address` would have then.
    bool has_room_for(std::uint64_t address) const {
        const auto own = by_address_.find(address);
        const std::size_t with_this = 1 + (own == by_address_.end() ? 0 : own->second.size());
        return size_ < max_size_ || most() > with_this;
    }

    /// nullptr, or a request that does not wait any more, to make room. REQUIRES: has_room_for().
    Request* push(std::uint64_t address, Request& r) {
        Request* const dropped = size_ < max_size_ ? nullptr : drop();
        std::deque<Request*>& own = by_address_[address];
        if (own.empty())
            turns_.push_back(address);
        own.push_back(&r);
        ++size_;
        return dropped;
    }

    /// The next one. REQUIRES: not empty.
    Request& pop() {
        const std::uint64_t address = turns_.front();
        turns_.pop_front();
        const auto of = by_address_.find(address);
        Request& next = *of->second.front();
        of->second.pop_front();
        --size_;
        if (of->second.empty())
            by_address_.erase(of);
        else
            turns_.push_back(address);
        return next;
    }

  private:
    using map = std::unordered_map<std::uint64_t, std::deque<Request*>>;

    static bool has_fewer(const typename map::value_type& a, const typename map::value_type& b) noexcept {
        return a.second.size() < b.second.size();
    }
    std::size_t most() const {
        const auto longest = std::max_element(by_address_.begin(), by_address_.end(), has_fewer);
        return longest == by_address_.end() ? 0 : longest->second.size();
    }
    /// Of an address that keeps others.
    Request* drop() {
        std::deque<Request*>& longest = std::max_element(by_address_.begin(), by_address_.end(), has_fewer)->second;
        Request* const latest = longest.back();
        longest.pop_back();
        --size_;
        return latest;
    }

    const std::size_t max_size_;
    std::size_t size_ = 0;
    map by_address_;                  ///< the oldest first
    std::list<std::uint64_t> turns_;  ///< each address that has requests, the next one first
};

}  // namespace causeway::rdma
