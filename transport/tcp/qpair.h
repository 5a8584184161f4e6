// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"
#include "transport/common/qpair.h"
#include "transport/tcp/handshake_result.h"
#include "transport/tcp/request.h"
#include "transport/tcp/term_req.h"
#include "wire/tcp/pdu_reader.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace causeway::tcp {

class poll_group;

/// The data path of one connection: PDUs in, PDUs out. Lives on its poll group's reactor, made and destroyed there by
/// its connection.
///
/// A command is outstanding from its capsule until its response is handed to the network whole: before that its host
/// cannot have seen it. So there are never more requests than the queue is deep.
///
/// Before Connect has succeeded the host is unknown, so no shared resources of the core are used: there is one request
/// and room for Connect's data, and other in-capsule data is dropped.
class qpair final : public common::qpair<qpair, request>, private pdu_sink {
  public:
    /// `permit` and `on_closed_by_us`: see common::qpair.
    qpair(poll_group& group, common::connection_permit& permit, handshake_result e,
          std::function<void(nvmf::disconnect_reason)> on_closed_by_us);
    ~qpair() override;

    std::string_view transport_name() const noexcept override { return "TCP"; }
    nvmf::host_identity identity_of(std::string_view hostnqn, std::string_view subnqn) const override;

    // The poll group's.
    /// Takes what has arrived, within a budget. How many PDUs that were.
    unsigned receive() noexcept;
    /// Hands what is ready to the network, within a budget. True: there is more that it may take.
    bool transmit() noexcept;
    /// The network takes something again.
    void unblock() noexcept { blocked_ = false; }
    /// The socket has failed, or is closed both ways.
    void on_hang_up() noexcept;
    /// What the socket's readiness matters for now: EPOLLIN, EPOLLOUT.
    std::uint32_t interest() const noexcept;
    /// True: there is more to receive that the socket's readiness does not show.
    bool holds_more() const noexcept { return !stopping_ && stream_->holds_more(); }
    /// True: receive() has something to send first.
    bool wants_to_send() const noexcept { return stream_->wants_to_send(); }
    int socket() const noexcept { return stream_->socket(); }

    // The connection's, in this order.
    /// Reads what came with the handshake. After joining the poll group.
    void begin() noexcept;
    /// No new commands begin, and commands that have not been executed are dropped. Responses are still sent.
    void begin_close() noexcept;
    /// True: all has been sent that can be.
    bool responses_out() const noexcept { return broken_ || all_sent(); }
    /// Nothing is sent any more, and only what commands still execute with is kept. The stream, to end it as it should
    /// be.
    std::unique_ptr<stream> stop_sending() noexcept;

    // Its slot in the poll group.
    bool marked_dirty = false;
    bool hot = false;
    unsigned quiet_polls = 0;               ///< in a row
    std::uint32_t registered_interest = 0;  ///< to epoll

  private:
    friend class common::qpair<qpair, request>;

    static constexpr std::string_view log_name = "tcp";

    // pdu_sink
    std::variant<std::byte*, violation> begin(const pdu& p) noexcept override;
    bool end(const pdu& p, bool intact) noexcept override;
    void violated(const violation& v, std::span<const std::byte> header) noexcept override;

    // qpair.cc: a command's way
    std::variant<std::byte*, violation> begin_capsule(const pdu& p) noexcept;
    void begin_command(request& r) noexcept;
    void on_begun(request& r, nvme::status begun) noexcept;
    void send_response(request& r, bool with_data) noexcept;
    void on_connected(std::uint32_t entries) noexcept;

    // qpair_data.cc: buffers and data that the host is asked for
    bool allocate_capsule_data(request& r) noexcept;
    bool make_room(request& r, std::uint32_t bytes) noexcept;
    void on_deferred(request& r) noexcept;
    void on_buffer(request& r) noexcept;
    void release_resources(request& r) noexcept;
    void send_r2ts(request& r) noexcept;
    void on_r2t_sent(request& r) noexcept;
    bool cancel_fetch(request& r) noexcept;
    std::variant<std::byte*, violation> begin_data(const nvme::tcp_data& h) noexcept;
    void end_data(const nvme::tcp_data& h, bool intact) noexcept;

    // qpair_stream.cc: bytes in and out
    void follow_quiet_epoch() noexcept;
    void read_after_stall(std::uint32_t epoch, std::size_t bytes, bool at_end) noexcept;
    void enqueue(request& r) noexcept;
    void on_sent(std::size_t bytes) noexcept;
    void on_connection_lost(stream::state how) noexcept;
    bool all_sent() const noexcept { return send_queue_.empty() && (term_req_.empty() || broken_); }

    poll_group& group_;
    std::unique_ptr<stream> stream_;
    const std::string proven_identity_;   ///< as the stream says
    const std::uint32_t data_alignment_;  ///< bytes
    const std::uint32_t max_parts_;       ///< of a command that are asked for at a time

    bool blocked_ = false;    ///< the network takes no more now
    bool connected_ = false;  ///< Connect has succeeded

    pdu_reader reader_;
    std::vector<std::byte> unparsed_;   ///< received with the handshake
    std::size_t read_since_stall_ = 0;  ///< bytes, until the connection has been read to its end
    unsigned pdus_ = 0;                 ///< in this receive()
    std::uint32_t receiving_ = 0;       ///< requests whose data is being received
    request* current_ = nullptr;        ///< of the capsule that is being read

    core::fifo<request> send_queue_;  ///< to be sent, in order
    std::size_t sent_ = 0;            ///< bytes of the first one
    tcp::term_req term_req_;
};

}  // namespace causeway::tcp
