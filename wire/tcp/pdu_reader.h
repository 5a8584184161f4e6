// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tcp/crc32c.h"
#include "wire/tcp/pdu_check.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

namespace causeway::tcp {

/// A PDU whose header is complete and has passed its checks.
class pdu {
  public:
    explicit pdu(std::span<const std::byte> header, std::uint32_t data_length) noexcept
        : header_(header), data_length_(data_length) {}

    const nvme::tcp_common_header& common() const noexcept { return as<nvme::tcp_common_header>(); }
    /// REQUIRES: the type is T's.
    template <class T>
    const T& as() const noexcept {
        return *reinterpret_cast<const T*>(header_.data());
    }
    std::span<const std::byte> header() const noexcept { return header_; }
    std::uint32_t data_length() const noexcept { return data_length_; }  ///< bytes

  private:
    std::span<const std::byte> header_;
    std::uint32_t data_length_;
};

/// The consumer of a pdu_reader's PDUs.
class pdu_sink {
  public:
    /// The header is there. Where its data goes, all of it (nullptr: nowhere, it is dropped); or why it goes nowhere.
    virtual std::variant<std::byte*, violation> begin(const pdu& p) noexcept = 0;
    /// So is its data. `intact`: its digest is right, or there is none. False: the connection is over.
    virtual bool end(const pdu& p, bool intact) noexcept = 0;
    /// The stream cannot be used any more. `header`: of the PDU at fault, as far as it was received.
    virtual void violated(const violation& v, std::span<const std::byte> header) noexcept = 0;

  protected:
    ~pdu_sink() = default;
};

/// Parses PDUs from a byte stream in arbitrary pieces. Independent of sockets; reads each byte once. Lives on one core.
class pdu_reader {
  public:
    explicit pdu_reader(pdu_sink& to) noexcept : sink_(to) {}

    /// What counts from the next PDU on. The sink calls it from begin() or end().
    negotiated_params negotiated;

    /// How many of `bytes` it has taken: all of them, unless it is over(): a violation, or the sink's wish.
    std::size_t feed(std::span<const std::byte> bytes) noexcept;

    /// Where the data that is still missing of the current PDU goes: it may be received there at once, without going
    /// through feed(). Empty: there is none, or it has to be dropped.
    std::span<std::byte> destination() const noexcept;
    /// So many bytes were put there.
    void received_in_place(std::size_t bytes) noexcept;

    bool over() const noexcept { return step_ == step::over; }
    /// Between two PDUs: the end of the stream cuts nothing in two.
    bool at_rest() const noexcept { return step_ == step::common && filled_ == 0; }

  private:
    enum class step : std::uint8_t { common, header, pad, data, digest, over };

    const nvme::tcp_common_header& common() const noexcept {
        return *reinterpret_cast<const nvme::tcp_common_header*>(header_.data());
    }
    pdu current() const noexcept { return pdu({header_.data(), common().hlen}, extent_.length); }
    std::span<const std::byte> gather(std::span<const std::byte> bytes, std::size_t until) noexcept;
    void header_complete() noexcept;
    void begin() noexcept;
    void data_complete() noexcept;
    void finish(bool intact) noexcept;
    void fail(const violation& v) noexcept;

    static constexpr std::size_t largest_header = sizeof(nvme::tcp_ic_req);

    pdu_sink& sink_;
    step step_ = step::common;
    std::uint32_t filled_ = 0;       ///< bytes of what the step wants
    std::uint32_t header_size_ = 0;  ///< bytes, its digest included
    data_extent extent_{};
    std::byte* data_ = nullptr;
    crc32c sum_;  ///< of the data so far
    alignas(8) std::array<std::byte, largest_header + nvme::tcp_digest_size> header_;
    std::array<std::byte, nvme::tcp_digest_size> digest_;
};

}  // namespace causeway::tcp
