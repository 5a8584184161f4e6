// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "core/wait_queue.h"

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace causeway::nvmf {

/// Who may have the arithmetic of authentication done now. Control reactor.
///
/// So few pieces run at a time, because hosts may bring any amount of it and each takes a CPU for tens of milliseconds.
/// The addresses that hosts come from take turns, and none has all workers: a host waits for what comes from its own
/// address, and for one piece of each other address at the most. An address rather than a host NQN, because anybody may
/// use any number of those, and others'.
class auth_workers {
  public:
    static constexpr unsigned max_running = 4;
    static constexpr unsigned max_running_of_address = max_running - 1;
    /// As many as an address may have connections without a successful Connect: see transport/tcp.
    static constexpr std::size_t max_waiting_of_address = 1024;

  private:
    struct party;

  public:
    /// One of the workers, for as long as this lives.
    class [[nodiscard]] worker {
      public:
        worker(worker&& other) noexcept : workers_(std::exchange(other.workers_, nullptr)), party_(other.party_) {}
        worker& operator=(worker&&) = delete;
        ~worker() { release(); }

        /// Before the end of its scope. Does nothing the second time.
        void release() {
            if (auth_workers* const w = std::exchange(workers_, nullptr))
                w->release(*party_);
        }

      private:
        friend class auth_workers;
        worker(auth_workers& of, party& p) noexcept : workers_(&of), party_(&p) {}
        auth_workers* workers_;
        party* party_;
    };

    auth_workers() = default;
    auth_workers(const auth_workers&) = delete;
    auth_workers& operator=(const auth_workers&) = delete;

    /// False: so many pieces of this address wait that another one is to be refused.
    bool has_room(const std::string& address) const;
    /// Ends when the caller has a worker. REQUIRES: has_room(); not destroyed while it waits.
    core::task<worker> acquire(std::string address);

    unsigned running() const noexcept { return running_; }
    std::size_t addresses() const noexcept { return parties_.size(); }  ///< that have or want a worker

  private:
    struct party {
        explicit party(std::string of) : address(std::move(of)) {}
        const std::string address;
        unsigned running = 0;
        std::size_t waiting = 0;
        core::wait_queue tasks;
    };

    static bool may_run(const party& p) noexcept { return p.running < max_running_of_address; }
    void begin(party& p) noexcept;
    void wake_next();
    void release(party& p);

    unsigned running_ = 0;
    std::unordered_map<std::string, party> parties_;
    std::list<party*> turns_;  ///< those of which a piece waits, the next one first
};

}  // namespace causeway::nvmf
