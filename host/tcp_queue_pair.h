// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/poller.h"
#include "core/reactor.h"
#include "core/timer.h"
#include "host/queue_pair.h"
#include "host/ring.h"
#include "host/tcp_output.h"
#include "wire/tcp/pdu_reader.h"

#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace causeway::host {

/// What a host proposes in ICReq.
struct tcp_options {
    bool header_digest = false;
    bool data_digest = false;
    std::uint8_t alignment = 0;  ///< HPDA: of data that comes, in dwords, 0's based, at most 31
    std::uint32_t max_r2t = 4;   ///< R2Ts outstanding for one command, from 1
    core::nanoseconds timeout = std::chrono::seconds(10);
};

/// NVMe over TCP, a host's end of one connection. NVM Express TCP Transport Specification 1.0.
///
/// Whatever the controller sends ends in an answer, or in the end of this connection: H2CTermReq where it violated the
/// protocol.
/// Submission queue flow control is the caller's to disable at Connect. An I/O queue is polled while commands are
/// outstanding; an admin queue, or an idle one, is watched.
class tcp_queue_pair final : public queue_pair, private core::poller, private tcp::pdu_sink {
  public:
    /// `stream` is connected.
    tcp_queue_pair(std::unique_ptr<tcp::stream> stream, const queue_pair_options& o, const tcp_options& t);
    ~tcp_queue_pair() override;

    /// ICReq, and waits for ICResp. Once, before anything else. This lives until it has ended.
    core::task<core::result<>> initialize();

    bool submit(request& r) noexcept override;
    void close() noexcept override;

  private:
    /// One command identifier: its low bits are the slot's number, the high ones change from use to use.
    struct slot {
        request* r = nullptr;
        std::uint16_t cid = 0;
        std::uint16_t unsent = 0;    ///< pieces of its data that are in the output
        std::uint32_t length = 0;    ///< bytes of its data
        std::uint32_t moved = 0;     ///< bytes of them that have come, or have been asked for
        std::uint32_t open_r2t = 0;  ///< R2Ts that are not yet answered in full
        nvme::data_transfer direction{};
        bool in_capsule = false;
        bool has_digest_error = false;  ///< a digest of its data was wrong
        bool is_answered = false;       ///< and waits until its data has left the output
        nvme::completion answer{};
    };
    /// What is left of an R2T.
    struct transfer {
        std::uint16_t cid, ttag;
        std::uint32_t offset, left;
    };
    enum class phase : std::uint8_t { greeting, open, lost };

    // Of core::poller.
    unsigned poll(unsigned budget) noexcept override;
    void flush() noexcept override;  // in tcp_send.cc
    bool arm() noexcept override;
    void disarm() noexcept override;

    // Of tcp::pdu_sink, in tcp_receive.cc.
    std::variant<std::byte*, tcp::violation> begin(const tcp::pdu& p) noexcept override;
    bool end(const tcp::pdu& p, bool intact) noexcept override;
    void violated(const tcp::violation& v, std::span<const std::byte> header) noexcept override;

    unsigned receive() noexcept;
    std::optional<tcp::violation> take_ic_resp(const nvme::tcp_ic_resp& p) noexcept;
    std::variant<std::byte*, tcp::violation> begin_data(const nvme::tcp_data& p, std::uint32_t length) noexcept;
    void end_data(const nvme::tcp_data& p, bool intact) noexcept;
    std::optional<tcp::violation> take_r2t(const nvme::tcp_r2t& p) noexcept;
    std::uint32_t in_capsule_limit(const nvme::command& c) const noexcept;  ///< bytes
    slot* outstanding_slot(std::uint16_t cid) noexcept;
    void answered(slot& s, const nvme::completion& c) noexcept;
    void finish(slot& s) noexcept;
    /// Not while the output, or data that is still to be sent, refers to its data.
    void complete_if_done(slot& s) noexcept {
        if (s.is_answered && s.unsent == 0 && s.open_r2t == 0)
            finish(s);
    }
    void lose(std::string why) noexcept;

    void put_ic_req() noexcept;
    void put_command(slot& s) noexcept;
    void put_data(slot& s, transfer& t) noexcept;
    void put_pieces(slot& s, std::uint32_t offset, std::uint32_t length) noexcept;
    template <class T>
    T& put_header(nvme::tcp_pdu_type type, std::uint32_t data) noexcept;
    void seal_header(nvme::tcp_common_header& h) noexcept;
    void put_term_req(const tcp::violation& v, std::span<const std::byte> header) noexcept;
    bool send_output() noexcept;

    static constexpr std::size_t scratch_bytes = 128 * 1024;

    const queue_pair_options options_;
    const tcp_options tcp_;
    std::unique_ptr<tcp::stream> stream_;
    phase phase_ = phase::greeting;
    bool is_blocked_ = false;  ///< the socket took less than there was
    bool waits_for_writable_ = false;

    // What the controller said at the beginning.
    bool header_digest_ = false, data_digest_ = false;
    std::uint32_t alignment_ = 4;  ///< bytes, of data that is sent
    std::uint32_t max_h2c_data_ = 4096;

    unsigned slot_mask_;
    unsigned slot_bits_;
    std::vector<slot> slots_;
    std::vector<std::uint16_t> free_;
    ring<std::uint16_t> unsent_;  ///< slots whose command is to be sent
    ring<transfer> transfers_;

    tcp_output output_;
    std::vector<std::uint16_t> in_output_;  ///< cids whose data is in it, once for each piece

    tcp::pdu_reader reader_{*this};
    std::unique_ptr<std::byte[]> scratch_ = std::make_unique<std::byte[]>(scratch_bytes);
    std::vector<std::byte> bounce_;                             ///< data that goes to several pieces
    std::array<std::byte, nvme::tcp_max_term_data> term_data_;  ///< of C2HTermReq
    unsigned finished_ = 0;                                     ///< requests, in this receive()

    core::one_shot<bool>* greeting_ = nullptr;
    core::timer timeout_;
    std::optional<core::fd_watch> watch_;  ///< until it is lost
    core::poller_registration registration_;
};

}  // namespace causeway::host
