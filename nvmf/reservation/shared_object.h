// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "core/task.h"
#include "nvmf/reservation/shared_text.h"

#include <cstdint>
#include <string>
#include <vector>

namespace causeway::nvmf::reservation {

/// An object in the cluster that keeps a disk, as a shared_store needs it: entries that are changed by compare-and-set,
/// messages between those who watch it, and the cluster's blocklist. Control reactor. Each call ends within a time
/// limit of the cluster's own.
///
/// A gateway is known by the address of the client that its I/O to the disk goes by: what the cluster can fence.
class shared_object {
  public:
    class observer {
      public:
        virtual ~observer() = default;
        /// To be answered by acknowledge().
        virtual void notified(std::uint64_t id, std::string text) = 0;
        /// Nothing comes any more until watch() is called again; something may have been missed.
        virtual void watch_lost() = 0;
    };

    virtual ~shared_object() = default;

    virtual std::string text() const = 0;     ///< "rbd/causeway_reservation.1234", for people
    virtual std::string address() const = 0;  ///< of this gateway's client
    /// Of clients that are on the blocklist: those of dead predecessors of this gateway, and its own former ones.
    virtual std::vector<std::string> dead_clients() const = 0;

    /// Makes the object if there is none. What is sent after the end of this reaches `o`, which outlives close().
    virtual core::task<core::result<>> watch(observer& o) = 0;
    virtual core::task<core::result<entries>> read() = 0;
    /// Sets and removes entries if the entry "number" is `expected` (0: there is none). ESTALE: it is not, and nothing
    /// has changed. After another error they may have been changed, or may be later.
    virtual core::task<core::result<>> write(std::uint64_t expected, entries set, std::vector<std::string> remove) = 0;
    virtual core::task<core::result<>> remove_entry(std::string name) = 0;

    /// Ends when all who watch have acknowledged it, or `limit` is over: what they have answered. An error says that
    /// the cluster has not tried for so long; then nothing is known about anybody.
    virtual core::task<core::result<std::vector<std::string>>> notify(std::string text, core::nanoseconds limit) = 0;
    virtual void acknowledge(std::uint64_t id, std::string reply) = 0;

    /// Puts these clients on the blocklist, and ends when the own client knows the map that says so. EPERM.
    virtual core::task<core::result<>> fence(std::vector<std::string> addresses) = 0;
    /// Ends when the own client knows whom the cluster has fenced until now.
    virtual core::task<core::result<>> wait_for_latest_map() = 0;

    /// Nothing is notified any more once this has been called.
    virtual core::task<> close() = 0;
};

}  // namespace causeway::nvmf::reservation
