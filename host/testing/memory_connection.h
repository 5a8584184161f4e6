// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/testing/memory_target.h"
#include "nvme/fabrics.h"
#include "nvme/tcp.h"
#include "wire/tcp/pdu_reader.h"

#include <optional>
#include <vector>

namespace causeway::host::testing {

/// One connection of a memory_target, on its thread.
class memory_connection final : private tcp::pdu_sink {
  public:
    memory_connection(memory_target& t, int socket);
    ~memory_connection();
    void serve();
    // Any thread.
    void wake() noexcept;   ///< the target has something to tell
    void sever() noexcept;  ///< ends the connection

  private:
    struct write {
        nvme::command command;
        std::uint32_t length, asked, came;
        std::vector<std::byte> data;
    };

    std::variant<std::byte*, tcp::violation> begin(const tcp::pdu& p) noexcept override;
    bool end(const tcp::pdu& p, bool intact) noexcept override;
    void violated(const tcp::violation& v, std::span<const std::byte> header) noexcept override;

    void tell_changes();
    void send_out();
    void greet(const nvme::tcp_ic_req& p);
    void take(const nvme::command& c);
    void execute(const nvme::command& c, std::span<const std::byte> data);
    void admin(const nvme::command& c);
    void fabrics(const nvme::command& c, std::span<const std::byte> data);
    void io(const nvme::command& c, std::span<const std::byte> data);
    void ask_for_more(write& w);
    void answer(const nvme::command& c, nvme::status s, std::uint64_t result = 0);
    void send_data(const nvme::command& c, std::span<const std::byte> data);
    void put(nvme::tcp_common_header& header, std::span<const std::byte> data = {});
    std::uint32_t length_of(const nvme::command& c) const;

    memory_target& target_;
    const int socket_;
    const int wake_;
    unsigned ana_changes_told_;
    tcp::pdu_reader reader_{*this};
    bool header_digest_ = false, data_digest_ = false;
    std::uint32_t host_alignment_ = 4, max_r2t_ = 1;
    std::optional<std::uint16_t> qid_;
    std::uint32_t cc_ = 0;
    std::optional<nvme::command> event_;
    std::vector<std::byte> in_;  ///< data of the PDU that comes
    std::vector<std::optional<write>> writes_;
    std::vector<std::byte> out_;
};

}  // namespace causeway::host::testing
