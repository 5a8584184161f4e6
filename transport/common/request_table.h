// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/common/request.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <utility>

namespace causeway::common {

/// The requests of one queue pair. On its core.
///
/// A queue is as deep as its host has asked for, and hardly ever used to its depth. So there is one request at first,
/// for Connect, and the others are made in groups when a command first needs them. They stay until the connection
/// closes; then each group goes as soon as the last command in it has ended.
template <class Request>
class request_table {
  public:
    static constexpr std::uint32_t group_size = 8;

    /// `prepare` is called once for each request when it is made; its index is set.
    explicit request_table(std::function<void(Request&)> prepare) : prepare_(std::move(prepare)) { make(first_, 0); }
    request_table(const request_table&) = delete;
    request_table& operator=(const request_table&) = delete;

    /// So many may be taken at a time from now on, at most 65536; their indexes are below that. False: there is no
    /// memory for them. Called once.
    bool allow(std::uint32_t entries) noexcept {
        assert(!groups_ && entries > 0);
        const std::uint32_t count = (entries - 1 + group_size - 1) / group_size;
        groups_.reset(new (std::nothrow) std::unique_ptr<group>[count]);
        if (!groups_)
            return false;
        group_count_ = count;
        allowed_ = entries;
        return true;
    }

    bool exhausted() const noexcept { return taken_ >= allowed_; }
    std::uint32_t taken() const noexcept { return taken_; }
    /// nullptr: exhausted(), or there is no memory for more.
    Request* take() noexcept {
        if (exhausted() || (!free_ && !make_group())) [[unlikely]]
            return nullptr;
        ++taken_;
        return std::exchange(free_, free_->after);
    }
    /// REQUIRES: it is taken. After close() it may be gone when this returns.
    void release(Request& r) noexcept {
        r.at = step::free;
        r.after = std::exchange(free_, &r);
        --taken_;
        if (closing_) [[unlikely]]
            release_group_of(r);
    }

    /// nullptr: there is none of that index, or it has never been taken.
    Request* find(std::size_t index) noexcept {
        if (index == 0)
            return &first_;
        const std::size_t g = (index - 1) / group_size;
        return g < made_ && groups_[g] ? &(*groups_[g])[(index - 1) % group_size] : nullptr;
    }
    /// All that there are; until `f` returns true. It may give back the request that it is given.
    template <class F>
    bool any_of(F f) {
        const std::size_t end = 1 + std::size_t{made_} * group_size;
        for (std::size_t i = 0; i < end; ++i)
            if (Request* r = find(i); r && f(*r))
                return true;
        return false;
    }
    template <class F>
    void for_each(F f) {
        any_of([&](Request& r) {
            f(r);
            return false;
        });
    }

    /// Nothing is taken any more: what is free goes now, the rest as it is released.
    void close() noexcept {
        closing_ = true;
        allowed_ = 0;
        free_ = nullptr;
        for (std::uint32_t g = 0; g < made_; ++g)
            release(groups_[g]);
    }
    /// Bytes of the requests that there are, but for the first, which is part of this.
    std::size_t bytes() const noexcept {
        std::size_t groups = 0;
        for (std::uint32_t g = 0; g < made_; ++g)
            groups += groups_[g] != nullptr;
        return groups * sizeof(group) + group_count_ * sizeof groups_[0];
    }

  private:
    using group = std::array<Request, group_size>;

    void make(Request& r, std::size_t index) {
        r.index = static_cast<std::uint16_t>(index);
        prepare_(r);
        r.after = std::exchange(free_, &r);
    }
    bool make_group() noexcept {
        assert(made_ < group_count_);
        auto& made = groups_[made_];
        made.reset(new (std::nothrow) group);
        if (!made)
            return false;
        const std::size_t begin = 1 + std::size_t{made_++} * group_size;
        for (std::uint32_t i = group_size; i-- > 0;)
            make((*made)[i], begin + i);
        return true;
    }
    void release_group_of(const Request& r) noexcept {
        free_ = nullptr;
        if (r.index > 0)
            release(groups_[(r.index - 1) / group_size]);
    }
    static void release(std::unique_ptr<group>& g) noexcept {
        const auto is_free = [](const Request& r) { return r.at == step::free; };
        if (g && std::all_of(g->begin(), g->end(), is_free))
            g.reset();
    }

    const std::function<void(Request&)> prepare_;
    Request first_;
    std::unique_ptr<std::unique_ptr<group>[]> groups_;  ///< the others, in the order of their indexes
    std::uint32_t group_count_ = 0, made_ = 0;          ///< groups
    std::uint32_t allowed_ = 1, taken_ = 0;             ///< requests
    Request* free_ = nullptr;                           ///< linked by `after`; the last one back first
    bool closing_ = false;
};

}  // namespace causeway::common
