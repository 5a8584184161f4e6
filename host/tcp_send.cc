// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_queue_pair.h"

#include <algorithm>
#include <cstring>

// What a host sends. NVM Express TCP Transport Specification 1.0, "NVMe/TCP PDU Definition".

namespace causeway::host {

using nvme::tcp_pdu_type;

void tcp_queue_pair::flush() noexcept {
    if (phase_ == phase::lost)
        return;
    do {
        // Commands before data: they are small, and what they ask for can begin.
        for (; !unsent_.empty() && output_.has_room(); unsent_.pop())
            put_command(slots_[unsent_.front()]);
        while (!transfers_.empty() && output_.has_room()) {
            transfer& t = transfers_.front();
            slot& s = slots_[t.cid & slot_mask_];
            if (!s.is_answered)
                put_data(s, t);
            else
                t.left = 0;  // answered before all its data was sent: the rest is not sent
            if (t.left > 0)
                continue;
            transfers_.pop();
            --s.open_r2t;
            complete_if_done(s);
        }
    } while (!output_.empty() && send_output() && !(unsent_.empty() && transfers_.empty()));
}

/// True: everything went, there is room for more.
bool tcp_queue_pair::send_output() noexcept {
    if (output_.send(*stream_) != tcp::stream::state::open) {
        lose("the connection was lost");
        return false;
    }
    is_blocked_ = !output_.empty();
    if (is_blocked_)
        return false;
    for (std::size_t i = 0; i < in_output_.size(); ++i) {  // a request that is done may close this
        slot& s = slots_[in_output_[i] & slot_mask_];
        --s.unsent;
        complete_if_done(s);
    }
    in_output_.clear();
    return phase_ != phase::lost;
}

/// Room for a header and what stands between it and its data, the lengths filled in for `data` bytes of it.
template <class T>
T& tcp_queue_pair::put_header(tcp_pdu_type type, std::uint32_t data) noexcept {
    const std::uint32_t header = sizeof(T) + (header_digest_ ? nvme::tcp_digest_size : 0);
    const std::uint32_t begin = data ? (header + alignment_ - 1) / alignment_ * alignment_ : header;
    const std::uint32_t behind = data && data_digest_ ? nvme::tcp_digest_size : 0;
    T& p = *reinterpret_cast<T*>(output_.header(begin));
    p.common.type = nvme::to_underlying(type);
    p.common.flags = (header_digest_ ? nvme::tcp_header_digest : 0) | (behind ? nvme::tcp_data_digest : 0);
    p.common.hlen = sizeof(T);
    p.common.pdo = static_cast<std::uint8_t>(data ? begin : 0);
    p.common.plen = begin + data + behind;
    return p;
}

/// The header is complete.
void tcp_queue_pair::seal_header(nvme::tcp_common_header& h) noexcept {
    if (!header_digest_)
        return;
    auto* const begin = reinterpret_cast<std::byte*>(&h);
    tcp::crc32c sum;
    sum.add({begin, h.hlen});
    const nvme::le32 digest = sum.value();
    std::memcpy(begin + h.hlen, &digest, sizeof digest);
}

void tcp_queue_pair::put_ic_req() noexcept {
    auto& p = put_header<nvme::tcp_ic_req>(tcp_pdu_type::ic_req, 0);
    p.hpda = tcp_.alignment;
    p.dgst = (tcp_.header_digest ? nvme::tcp_enable_header_digest : 0) |
             (tcp_.data_digest ? nvme::tcp_enable_data_digest : 0);
    p.maxr2t = tcp_.max_r2t - 1;
}

void tcp_queue_pair::put_command(slot& s) noexcept {
    const std::uint32_t in_capsule = s.in_capsule ? s.length : 0;
    auto& p = put_header<nvme::tcp_capsule_cmd>(tcp_pdu_type::capsule_cmd, in_capsule);
    p.sqe = s.r->command;
    p.sqe.cid = s.cid;
    p.sqe.flags = static_cast<std::uint8_t>(nvme::to_underlying(nvme::psdt::sgl) << 6 | (p.sqe.flags & 3));
    if (in_capsule)
        p.sqe.sgl = nvme::sgl_descriptor::data_block(0, in_capsule, nvme::sgl_subtype::offset);
    else if (s.length || p.sqe.opcode != nvme::fabrics_opcode)  // reserved in fabrics commands without data
        p.sqe.sgl = nvme::sgl_descriptor::transport_data_block(s.length);
    s.r->command.cid = s.cid;
    seal_header(p.common);
    if (in_capsule)
        put_pieces(s, 0, in_capsule);
}

/// The next H2CData of an R2T.
void tcp_queue_pair::put_data(slot& s, transfer& t) noexcept {
    const std::uint32_t n = std::min(t.left, max_h2c_data_);
    auto& p = put_header<nvme::tcp_data>(tcp_pdu_type::h2c_data, n);
    p.cccid = t.cid;
    p.ttag = t.ttag;
    p.datao = t.offset;
    p.datal = n;
    if (n == t.left)
        p.common.flags |= nvme::tcp_last_pdu;
    seal_header(p.common);
    put_pieces(s, t.offset, n);
    t.offset += n;
    t.left -= n;
}

/// Data of a request, and its digest.
void tcp_queue_pair::put_pieces(slot& s, std::uint32_t offset, std::uint32_t length) noexcept {
    tcp::crc32c sum;
    for (const iovec& piece : s.r->data) {
        if (offset >= piece.iov_len) {
            offset -= static_cast<std::uint32_t>(piece.iov_len);
            continue;
        }
        auto* const from = static_cast<std::byte*>(piece.iov_base) + offset;
        const auto n = std::min<std::size_t>(piece.iov_len - offset, length);
        output_.data(from, n);
        if (data_digest_)
            sum.add({from, n});
        offset = 0;
        length -= static_cast<std::uint32_t>(n);
        if (length == 0)
            break;
    }
    if (data_digest_) {
        const nvme::le32 digest = sum.value();
        std::memcpy(output_.header(sizeof digest), &digest, sizeof digest);
    }
    ++s.unsent;
    in_output_.push_back(s.cid);
}

void tcp_queue_pair::put_term_req(const tcp::violation& v, std::span<const std::byte> header) noexcept {
    if (!output_.has_room())
        return;
    const auto quoted = static_cast<std::uint32_t>(std::min<std::size_t>(header.size(), nvme::tcp_max_term_data));
    auto* const at = output_.header(sizeof(nvme::tcp_term_req) + quoted);
    auto& p = *reinterpret_cast<nvme::tcp_term_req*>(at);
    p.common.type = nvme::to_underlying(tcp_pdu_type::h2c_term_req);
    p.common.hlen = sizeof p;
    p.common.plen = static_cast<std::uint32_t>(sizeof p) + quoted;
    p.fes = nvme::to_underlying(v.status);
    p.fei = v.information;
    std::memcpy(at + sizeof p, header.data(), quoted);
}

}  // namespace causeway::host
