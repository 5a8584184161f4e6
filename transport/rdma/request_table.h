// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/rdma/request.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace causeway::rdma {

/// The requests of one queue pair, by index. They are made as they are needed, a chunk at a time, and stay: a queue has
/// as many as it has ever had at work at once. A dead one keeps the chunks of those that still are.
class request_table {
  public:
    static constexpr std::size_t chunk_size = 16;

    explicit request_table(std::size_t most) : chunks_((most + chunk_size - 1) / chunk_size) {}

    std::size_t size() const noexcept { return count_ * chunk_size; }
    /// The request of this index; nullptr: it has not been made, or is gone.
    request* find(std::size_t index) const noexcept {
        const std::size_t chunk = index / chunk_size;
        return chunk < count_ && chunks_[chunk] ? &chunks_[chunk][index % chunk_size] : nullptr;
    }
    /// Makes a chunk more. Its requests have their indexes, and nothing else. nullptr: there are as many as there may
    /// be, or there is no memory.
    request* grow() noexcept {
        if (count_ == chunks_.size())
            return nullptr;
        chunks_[count_].reset(new (std::nothrow) request[chunk_size]);
        if (!chunks_[count_])
            return nullptr;
        const std::size_t first = count_++ * chunk_size;
        for (std::size_t i = 0; i < chunk_size; ++i)
            find(first + i)->index = static_cast<std::uint16_t>(first + i);
        return find(first);
    }
    /// Gives back each chunk whose requests are all free. REQUIRES: none of these is used any more.
    void release_free() noexcept {
        for (auto& chunk : chunks_)
            if (chunk && std::all_of(chunk.get(), chunk.get() + chunk_size,
                                     [](const request& r) { return r.at == request::step::free; }))
                chunk.reset();
    }

    template <class F>
    request* find_if(F wanted) const {
        for (std::size_t i = 0; i < size(); ++i)
            if (request* r = find(i); r && wanted(*r))
                return r;
        return nullptr;
    }
    template <class F>
    void for_each(F f) {
        for (std::size_t i = 0; i < size(); ++i)
            if (request* r = find(i))
                f(*r);
    }

  private:
    std::vector<std::unique_ptr<request[]>> chunks_;  ///< as many as there may be
    std::size_t count_ = 0;                           ///< of them, those that have been made
};

}  // namespace causeway::rdma
