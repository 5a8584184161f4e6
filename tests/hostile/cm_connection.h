// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <rdma/rdma_cma.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace causeway::hostile {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// A behaviour that a well-behaved target does not show.
struct unexpected : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The address of the target, and the identity of the host.
struct endpoint {
    std::string address = "10.77.1.1";
    std::uint16_t port = 4420;
    std::string nqn;
    std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0bad";
    std::array<std::uint8_t, 16> host_id = {0xba, 0xba, 0xba, 0xba, 0xba, 0xba, 0xba, 0xba,
                                            0xba, 0xba, 0xba, 0xba, 0xba, 0xba, 0xba, 0xba};
    std::uint32_t nsid = 1;
    std::uint32_t kato_ms = 120000;  ///< that Connect asks for; Keep Alive is sent only by a case
    milliseconds patience = 20s;     ///< for one answer
};

/// The content of a connection request, valid or not.
struct ask {
    std::uint16_t recfmt = 0;
    std::uint16_t qid = 0;
    std::uint16_t hrqsize = 32;
    std::uint16_t hsqsize = 31;
    std::uint16_t cntlid = 0;
    std::uint8_t reads = 16;                    ///< RDMA READs that we serve at a time
    unsigned receives = 64;                     ///< posted for responses
    std::optional<std::vector<std::byte>> raw;  ///< private data instead of the above
};

/// A host's side of the connection manager: an id with an event channel of its own. The queue pair is its user's: made
/// on `id()` between `resolve` and `connect`, and destroyed before this object. Not thread safe.
class cm_connection {
  public:
    /// Finds the device and the way to the target. Throws `unexpected`.
    explicit cm_connection(const endpoint& at);
    ~cm_connection();
    cm_connection(const cm_connection&) = delete;

    /// Asks for the connection. The target's rejection where it rejects, as the status in its private data (0: none
    /// given).
    std::optional<std::uint16_t> connect(const ask& what);
    /// Takes the events that are there. True: the connection is over; said to the other side, too.
    bool is_over();
    void disconnect() { rdma_disconnect(id_); }

    rdma_cm_id* id() const noexcept { return id_; }
    std::uint16_t crqsize() const noexcept { return crqsize_; }

  private:
    rdma_cm_event_type wait(milliseconds time, rdma_cm_event** out);
    void resolve(const endpoint& at);
    void release();

    rdma_event_channel* channel_ = nullptr;
    rdma_cm_id* id_ = nullptr;
    milliseconds patience_;
    std::uint16_t crqsize_ = 0;
};

/// Throws `unexpected` with what errno says.
[[noreturn]] void fail(const std::string& what);

}  // namespace causeway::hostile
