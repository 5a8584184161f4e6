// SPDX-License-Identifier: Apache-2.0
// A host's byte stream over TCP: whatever it is, it ends in PDUs or in one violation; in the same ones, however the
// network cuts it; and nothing is written beyond the room that was made for it.

#include "tests/fuzz/must.h"
#include "wire/tcp/pdu_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace causeway;
using fuzz::must;

namespace {

/// Accepts every PDU, and records it.
class witness final : public tcp::pdu_sink {
  public:
    explicit witness(std::uint8_t how) : how_(how) {}

    std::variant<std::byte*, tcp::violation> begin(const tcp::pdu& p) noexcept override {
        must(!ended_ && !in_pdu_);
        in_pdu_ = true;
        note(p.header());
        if (p.common().type == nvme::to_underlying(nvme::tcp_pdu_type::ic_req))
            reader->negotiated = {.initialized = true,
                                  .header_digest = (how_ & 1) != 0,
                                  .data_digest = (how_ & 2) != 0,
                                  .alignment = static_cast<std::uint8_t>(how_ >> 3 & 3),
                                  .in_capsule_data = 512,
                                  .max_data = 4096};
        must(p.data_length() <= 4096);
        // Exactly as long as it is, so that the sanitizer sees a byte beyond.
        data_.assign(p.data_length(), std::byte{0});
        return how_ & 4 || data_.empty() ? nullptr : data_.data();
    }
    bool end(const tcp::pdu& p, bool intact) noexcept override {
        must(in_pdu_ && !ended_);
        in_pdu_ = false;
        note(data_);
        note({reinterpret_cast<const std::byte*>(&intact), sizeof intact});
        must(p.header().size() == p.common().hlen);
        return true;
    }
    void violated(const tcp::violation& v, std::span<const std::byte> header) noexcept override {
        must(!ended_);
        ended_ = true;
        must(header.size() <= nvme::tcp_max_term_data);
        note({reinterpret_cast<const std::byte*>(&v.status), sizeof v.status});
        note({reinterpret_cast<const std::byte*>(&v.information), sizeof v.information});
        note(header);
    }

    tcp::pdu_reader* reader = nullptr;
    std::vector<std::byte> log;

  private:
    void note(std::span<const std::byte> bytes) { log.insert(log.end(), bytes.begin(), bytes.end()); }

    const std::uint8_t how_;
    std::vector<std::byte> data_;
    bool in_pdu_ = false, ended_ = false;
};

/// What a reader makes of the stream, in pieces of `size`, received in place where that is possible if `direct`.
std::vector<std::byte> read(std::span<const std::byte> stream, std::size_t size, std::uint8_t how, bool direct) {
    witness w(how);
    tcp::pdu_reader r(w);
    w.reader = &r;
    while (!stream.empty()) {
        const auto destination = direct ? r.destination() : std::span<std::byte>{};
        const std::size_t n = std::min({size, stream.size(), destination.empty() ? stream.size() : destination.size()});
        if (destination.empty()) {
            must(r.feed(stream.first(n)) == n || r.over());
        } else {
            std::memcpy(destination.data(), stream.data(), n);
            r.received_in_place(n);
        }
        if (r.over())
            break;
        stream = stream.subspan(n);
    }
    return std::move(w.log);
}

}  // namespace

/// A byte of what is agreed on, a byte of how the stream is cut; then the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2)
        return 0;
    const std::vector<std::byte> stream(reinterpret_cast<const std::byte*>(bytes) + 2,
                                        reinterpret_cast<const std::byte*>(bytes) + size);
    const auto whole = read(stream, stream.size() + 1, bytes[0], false);
    must(read(stream, bytes[1] + 1u, bytes[0], false) == whole);
    must(read(stream, bytes[1] + 1u, bytes[0], true) == whole);
    return 0;
}
