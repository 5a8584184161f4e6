// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/neighbours/neighbourhood.h"

#include <deque>
#include <memory>
#include <vector>

namespace causeway::neighbours {

/// A party that repeats one action. On the gateway's core.
class party {
  public:
    explicit party(neighbourhood& at) : at_(at) {}
    virtual ~party() = default;

    virtual core::task<> arrive() { co_return; }  ///< is there, and idle
    virtual void begin() = 0;
    virtual core::task<> leave() = 0;  ///< ends when nothing of it is left, whether it has begun or not

    virtual std::uint64_t done() const noexcept { return done_; }  ///< how often
    virtual std::uint64_t failed() const noexcept { return failed_; }
    /// The most turns that one time has taken, or takes by now, of those that were not over at forget_longest().
    virtual std::uint64_t longest() const noexcept { return std::max(longest_, now() - begin_of_oldest()); }
    virtual void forget_longest() noexcept { longest_ = 0; }

  protected:
    std::uint64_t now() const noexcept { return at_.turn(); }
    /// Of what goes on: the turn at which the oldest of it began.
    virtual std::uint64_t begin_of_oldest() const noexcept = 0;
    void count(bool ok, std::uint64_t begun) noexcept {
        ++(ok ? done_ : failed_);
        longest_ = std::max(longest_, now() - begun);
    }
    neighbourhood& at_;

  private:
    std::uint64_t done_ = 0, failed_ = 0, longest_ = 0;
};

using maker = std::function<std::unique_ptr<party>(neighbourhood&)>;

/// Several that do the same.
class crowd : public party {
  public:
    crowd(neighbourhood& at, unsigned n, const std::function<std::unique_ptr<party>(unsigned i)>& make);
    core::task<> arrive() override;
    void begin() override;
    core::task<> leave() override;
    std::uint64_t done() const noexcept override;
    std::uint64_t failed() const noexcept override;
    std::uint64_t longest() const noexcept override;
    void forget_longest() noexcept override;

  private:
    std::uint64_t begin_of_oldest() const noexcept override { return now(); }
    std::vector<std::unique_ptr<party>> members_;
};

/// What a host sends at once, and again when it has been answered: a command, or the two of a fused pair.
struct piece_of_work {
    nvme::command command;
    std::uint32_t bytes = 0;
    bool fused_with_a_write = false;
};
piece_of_work block_work(nvme::io_opcode opcode, std::uint32_t nsid, std::uint32_t bytes = 4096);

/// A host that keeps commands outstanding.
class busy_host : public party {
  public:
    /// On each I/O queue, or on the admin queue where there are none, `depth` pieces of the work in turn.
    busy_host(neighbourhood& at, host::controller_options o, unsigned depth, std::vector<piece_of_work> work)
        : busy_host(at, std::move(o), depth, std::move(work), at.by->connector()) {}
    busy_host(neighbourhood& at, host::controller_options o, unsigned depth, std::vector<piece_of_work> work,
              host::connector& by);
    core::task<> arrive() override;
    void begin() override;
    core::task<> leave() override;
    /// Disconnects at once, without waiting for outstanding commands.
    core::task<> vanish();

  protected:
    host::controller& controller() noexcept { return controller_; }

  private:
    /// One piece of the work: sent, answered, and sent again.
    struct round {
        struct half : host::request {
            std::vector<std::byte> memory;
            iovec piece{};
            half(round& r, const piece_of_work& w);
        };
        round(busy_host& h, host::queue_pair& q, const piece_of_work& w);
        void submit();
        void answered(bool ok);
        busy_host& host;
        host::queue_pair& queue;
        half first, second;
        const bool pair;
        unsigned missing = 0;
        bool all_ok = true;
        std::uint64_t begun = 0;
    };
    std::uint64_t begin_of_oldest() const noexcept override;

    const unsigned depth_;
    const std::size_t io_queues_;
    const std::vector<piece_of_work> work_;
    host::controller controller_;
    std::deque<round> rounds_;
    std::size_t outstanding_ = 0;
    bool stopping_ = false;
};

/// One that does one thing after the other, each a task.
class busy_task : public party {
  public:
    using party::party;
    void begin() final;
    core::task<> leave() override;

  protected:
    virtual core::task<bool> once() = 0;  ///< whether it went well

  private:
    core::task<> work();
    std::uint64_t begin_of_oldest() const noexcept override { return working_ ? begun_ : now(); }
    std::uint64_t begun_ = 0;
    bool working_ = false, stopping_ = false;
};

/// A host goes without a word.
core::task<> vanish(host::controller& c);

}  // namespace causeway::neighbours
