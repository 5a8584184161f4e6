// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/fabrics.h"
#include "nvme/tcp.h"
#include "tests/fuzz/gateway.h"
#include "wire/tcp/pdu_reader.h"

#include <array>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace causeway::fuzz {

/// A host's end of a TCP connection: whatever bytes it is given go out, and what comes back must be PDUs that a
/// controller may send: one answer for a command at most, data only for reads, R2Ts only for writes.
class tcp_host final : private tcp::pdu_sink {
  public:
    /// Connected, with nothing sent.
    tcp_host(gateway& g, std::uint16_t port);
    ~tcp_host();
    tcp_host(const tcp_host&) = delete;

    struct beginning {
        bool header_digest = false, data_digest = false;
        std::uint8_t hpda = 0;
        std::uint32_t maxr2t = 0;
    };
    void initialize(const beginning& b);
    void send_raw(std::span<const std::byte> bytes);
    /// Framed as agreed; `header` follows the common one.
    void send(nvme::tcp_pdu_type type, std::span<const std::byte> header, std::span<const std::byte> data,
              std::uint8_t flags = 0);
    void send(nvme::command c, std::span<const std::byte> data = {});
    /// `host`: a number of hosts, which have names and identifiers of their own.
    void connect(std::uint16_t qid, std::uint16_t cntlid, std::uint8_t host);
    static std::array<std::uint8_t, 16> hostid_of(std::uint8_t host) noexcept;
    /// Answers the oldest R2T that has not been, or makes one up; what is said is off by `datao` and `tag`.
    void send_data(std::uint32_t length, std::uint32_t datao, std::uint16_t tag, std::uint8_t flags);

    /// Receives what has arrived. False: nothing has.
    bool receive();
    bool closed() const noexcept { return closed_; }
    /// What a polite call gets: turns the gateway until the answer to the command is there.
    std::optional<nvme::completion> call(nvme::command c, std::span<const std::byte> data = {});
    /// Data of the last read.
    const std::vector<std::byte>& data() const noexcept { return data_; }

    const std::optional<nvme::completion>& last() const noexcept { return last_; }

    std::uint64_t commands = 0, answers = 0;

  private:
    std::variant<std::byte*, tcp::violation> begin(const tcp::pdu& p) noexcept override;
    bool end(const tcp::pdu& p, bool intact) noexcept override;
    void violated(const tcp::violation& v, std::span<const std::byte> header) noexcept override;

    gateway& gateway_;
    int socket_;
    bool closed_ = false;
    beginning said_;
    tcp::pdu_reader reader_;
    std::vector<std::byte> data_;
    std::deque<nvme::tcp_r2t> r2ts_;
    std::optional<nvme::completion> last_;
};

}  // namespace causeway::fuzz
