// SPDX-License-Identifier: Apache-2.0
#include "host/testing/memory_connection.h"

#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/properties.h"
#include "nvme/text.h"

#include <algorithm>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace causeway::host::testing {

using nvme::tcp_pdu_type;

memory_connection::memory_connection(memory_target& t, int socket)
    : target_(t), socket_(socket), wake_(::eventfd(0, EFD_CLOEXEC)), ana_changes_told_(t.ana_changes_), writes_(65536) {
    reader_.negotiated.sender = tcp::side::host;
}

memory_connection::~memory_connection() {
    ::close(wake_);
    ::close(socket_);
}

void memory_connection::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
}

void memory_connection::sever() noexcept {
    ::shutdown(socket_, SHUT_RDWR);
}

void memory_connection::serve() {
    std::vector<std::byte> buffer(256 * 1024);
    while (!reader_.over()) {
        if (!target_.options_.polls || !qid_.value_or(0)) {
            pollfd watched[] = {{socket_, POLLIN, 0}, {wake_, POLLIN, 0}};
            ::poll(watched, 2, -1);
            std::uint64_t n;
            if (watched[1].revents & POLLIN && ::read(wake_, &n, sizeof n) > 0)
                tell_changes();
        }
        const auto n = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0)
            reader_.feed({buffer.data(), static_cast<std::size_t>(n)});
        send_out();
    }
    sever();
}

void memory_connection::send_out() {
    for (std::size_t sent = 0; sent < out_.size();) {
        const auto n = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
        if (n < 0)
            break;
        sent += static_cast<std::size_t>(n);
    }
    out_.clear();
}

void memory_connection::tell_changes() {
    const unsigned changes = target_.ana_changes_;
    if (!event_ || changes == ana_changes_told_)
        return;
    ana_changes_told_ = changes;
    const nvme::command c = *std::exchange(event_, std::nullopt);
    answer(c, nvme::sc::success,
           nvme::async_event_dw0(nvme::notice_event::ana_change, nvme::to_underlying(nvme::lid::ana)));
}

std::variant<std::byte*, tcp::violation> memory_connection::begin(const tcp::pdu& p) noexcept {
    if (p.common().type == nvme::to_underlying(tcp_pdu_type::ic_req))
        greet(p.as<nvme::tcp_ic_req>());
    if (p.common().type == nvme::to_underlying(tcp_pdu_type::h2c_data)) {
        const auto& d = p.as<nvme::tcp_data>();
        auto& w = writes_[d.cccid];
        if (!w || d.ttag != static_cast<std::uint16_t>(d.cccid ^ 0x5555) || d.datao != w->came ||
            d.datal != p.data_length() || d.datao + d.datal > w->asked) {
            target_.complain("H2CData without an R2T");
            return tcp::violation{nvme::tcp_fatal_error::data_transfer_out_of_range};
        }
        return w->data.data() + d.datao;
    }
    in_.resize(p.data_length());
    return in_.data();
}

bool memory_connection::end(const tcp::pdu& p, bool intact) noexcept {
    if (!intact)
        target_.complain("a wrong data digest");
    switch (static_cast<tcp_pdu_type>(p.common().type)) {
    case tcp_pdu_type::capsule_cmd: take(p.as<nvme::tcp_capsule_cmd>().sqe); break;
    case tcp_pdu_type::h2c_data: {
        const auto& d = p.as<nvme::tcp_data>();
        auto& w = *writes_[d.cccid];
        w.came += d.datal;
        if (((p.common().flags & nvme::tcp_last_pdu) != 0) !=
            (w.came == w.asked || w.came % target_.options_.r2t_bytes == 0))
            target_.complain("LAST_PDU where it does not belong");
        if (w.came == w.length) {
            const write whole = std::move(w);
            writes_[d.cccid].reset();
            execute(whole.command, whole.data);
        } else {
            ask_for_more(w);
        }
        break;
    }
    case tcp_pdu_type::h2c_term_req: target_.complain("H2CTermReq"); return false;
    default: break;
    }
    return true;
}

void memory_connection::violated(const tcp::violation& v, std::span<const std::byte>) noexcept {
    target_.complain("a violation, FES " + std::to_string(nvme::to_underlying(v.status)));
}

void memory_connection::greet(const nvme::tcp_ic_req& p) {
    host_alignment_ = (p.hpda + 1u) * 4;
    max_r2t_ = p.maxr2t + 1;
    nvme::tcp_ic_resp r{};
    r.common.type = nvme::to_underlying(tcp_pdu_type::ic_resp);
    r.common.hlen = sizeof r;
    r.cpda = target_.options_.alignment;
    r.dgst = target_.options_.digests ? p.dgst : 0;
    r.maxh2cdata = target_.options_.max_h2c_data;
    put(r.common);
    header_digest_ = r.dgst & nvme::tcp_enable_header_digest;
    data_digest_ = r.dgst & nvme::tcp_enable_data_digest;
    reader_.negotiated = {.sender = tcp::side::host,
                          .initialized = true,
                          .header_digest = header_digest_,
                          .data_digest = data_digest_,
                          .alignment = target_.options_.alignment,
                          .in_capsule_data = std::max(8192u, target_.options_.in_capsule_data),
                          .max_data = target_.options_.max_h2c_data};
}

/// Appends a PDU; its lengths and digests are made here.
void memory_connection::put(nvme::tcp_common_header& h, std::span<const std::byte> data) {
    const std::uint32_t digest = header_digest_ ? 4 : 0;
    std::uint32_t begin = h.hlen + digest;
    if (!data.empty()) {
        begin = (begin + host_alignment_ - 1) / host_alignment_ * host_alignment_;
        h.pdo = static_cast<std::uint8_t>(begin);
    }
    const std::uint32_t behind = !data.empty() && data_digest_ ? 4 : 0;
    h.plen = begin + static_cast<std::uint32_t>(data.size()) + behind;
    h.flags |= (digest ? nvme::tcp_header_digest : 0) | (behind ? nvme::tcp_data_digest : 0);
    const std::size_t at = out_.size();
    out_.resize(at + h.plen);
    std::memcpy(out_.data() + at, &h, h.hlen);
    const auto add_digest = [&](std::size_t where, std::span<const std::byte> of) {
        tcp::crc32c sum;
        sum.add(of);
        const nvme::le32 value = sum.value();
        std::memcpy(out_.data() + where, &value, sizeof value);
    };
    if (digest)
        add_digest(at + h.hlen, {out_.data() + at, h.hlen});
    if (!data.empty())
        std::memcpy(out_.data() + at + begin, data.data(), data.size());
    if (behind)
        add_digest(at + begin + data.size(), data);
}

void memory_connection::answer(const nvme::command& c, nvme::status s, std::uint64_t result) {
    nvme::tcp_capsule_resp r{};
    r.common.type = nvme::to_underlying(tcp_pdu_type::capsule_resp);
    r.common.hlen = sizeof r;
    r.cqe.set_result64(result);
    r.cqe.sqhd = nvme::sqhd_without_flow_control;
    r.cqe.cid = c.cid;
    r.cqe.set_status(s);
    put(r.common);
}

void memory_connection::send_data(const nvme::command& c, std::span<const std::byte> data) {
    for (std::size_t at = 0; at < data.size();) {
        const auto n = std::min<std::size_t>(target_.options_.max_c2h_data, data.size() - at);
        const bool last = at + n == data.size();
        nvme::tcp_data d{};
        d.common.type = nvme::to_underlying(tcp_pdu_type::c2h_data);
        d.common.flags =
            (last ? nvme::tcp_last_pdu : 0) | (last && target_.options_.success_flag ? nvme::tcp_success : 0);
        d.common.hlen = sizeof d;
        d.cccid = c.cid;
        d.datao = static_cast<std::uint32_t>(at);
        d.datal = static_cast<std::uint32_t>(n);
        put(d.common, data.subspan(at, n));
        at += n;
    }
    if (!target_.options_.success_flag)
        answer(c, nvme::sc::success);
}

std::uint32_t memory_connection::length_of(const nvme::command& c) const {
    return c.sgl.as_data_block().length;
}

void memory_connection::take(const nvme::command& c) {
    const bool fabrics = c.opcode == nvme::fabrics_opcode;
    const auto way = nvme::transfer_of(fabrics ? reinterpret_cast<const nvme::fabrics_command&>(c).type : c.opcode);
    if (c.psdt() != nvme::psdt::sgl)
        target_.complain("a command without SGL");
    if (!in_.empty()) {
        if (way != nvme::data_transfer::host_to_controller || length_of(c) != in_.size() ||
            !c.sgl.is(nvme::sgl_type::data_block, nvme::sgl_subtype::offset) ||
            (!fabrics && qid_ != 0 && in_.size() > target_.options_.in_capsule_data))
            target_.complain("in-capsule data that does not belong there");
        return execute(c, in_);
    }
    if (way != nvme::data_transfer::host_to_controller || length_of(c) == 0)
        return execute(c, {});
    if (!c.sgl.is(nvme::sgl_type::transport_data_block, nvme::sgl_subtype::transport))
        target_.complain("a write whose data is nowhere");
    if (writes_[c.cid])
        target_.complain("a command identifier that is in use");
    writes_[c.cid] = write{c, length_of(c), 0, 0, std::vector<std::byte>(length_of(c))};
    ask_for_more(*writes_[c.cid]);
}

/// As many R2Ts as the host takes.
void memory_connection::ask_for_more(write& w) {
    const std::uint32_t each = target_.options_.r2t_bytes;
    while (w.asked < w.length && (w.asked - w.came + each - 1) / each < max_r2t_) {
        const auto n = std::min(w.length - w.asked, each);
        nvme::tcp_r2t r{};
        r.common.type = nvme::to_underlying(tcp_pdu_type::r2t);
        r.common.hlen = sizeof r;
        r.cccid = w.command.cid;
        r.ttag = static_cast<std::uint16_t>(w.command.cid ^ 0x5555);
        r.r2to = w.asked;
        r.r2tl = n;
        put(r.common);
        w.asked += n;
    }
}

void memory_connection::execute(const nvme::command& c, std::span<const std::byte> data) {
    if (c.opcode == nvme::fabrics_opcode)
        return fabrics(c, data);
    if (!qid_) {
        target_.complain("a command before Connect");
        return answer(c, nvme::sc::command_sequence_error);
    }
    return *qid_ ? io(c, data) : admin(c);
}

void memory_connection::fabrics(const nvme::command& c, std::span<const std::byte> data) {
    switch (reinterpret_cast<const nvme::fabrics_command&>(c).fctype()) {
    case nvme::fctype::connect: {
        const auto& k = reinterpret_cast<const nvme::connect_command&>(c);
        nvme::connect_data d{};
        std::memcpy(&d, data.data(), std::min(data.size(), sizeof d));
        if (data.size() != sizeof d || nvme::terminated_text(d.subnqn) != memory_target::subnqn)
            return answer(c, nvme::sc::connect_invalid_parameters.with_dnr(),
                          nvme::connect_invalid_dw0(nvme::iattr::data, 256));
        if (!(k.cattr & nvme::cattr_disable_sq_flow_control))
            target_.complain("Connect with flow control");
        qid_ = k.qid;
        return answer(c, nvme::sc::success, nvme::connect_success_dw0(1));
    }
    case nvme::fctype::property_get: {
        const auto& g = reinterpret_cast<const nvme::property_get_command&>(c);
        switch (static_cast<nvme::property>(g.ofst.value())) {
        case nvme::property::cap:
            return answer(c, nvme::sc::success, nvme::cap{}.set_mqes(1023).set_cqr(true).set_to(20).value);
        case nvme::property::vs: return answer(c, nvme::sc::success, nvme::version(2, 0));
        case nvme::property::cc: return answer(c, nvme::sc::success, cc_);
        case nvme::property::csts: {
            nvme::csts s;
            s.set_rdy(nvme::cc{cc_}.en());
            if (nvme::cc{cc_}.shn() != nvme::cc::shutdown::none)
                s.set_shst(nvme::csts::shutdown::complete);
            return answer(c, nvme::sc::success, s.value);
        }
        default: return answer(c, nvme::sc::invalid_field.with_dnr());
        }
    }
    case nvme::fctype::property_set:
        cc_ = static_cast<std::uint32_t>(reinterpret_cast<const nvme::property_set_command&>(c).value.value());
        return answer(c, nvme::sc::success);
    default: return answer(c, nvme::sc::invalid_opcode.with_dnr());
    }
}

void memory_connection::admin(const nvme::command& c) {
    const auto& o = target_.options_;
    std::vector<std::byte> data(nvme::identify_bytes);
    switch (c.as_admin()) {
    case nvme::admin_opcode::identify:
        switch (nvme::identify_view{c}.cns()) {
        case nvme::cns::controller: {
            nvme::identify_controller k{};
            nvme::copy_padded(k.sn, "1");
            nvme::copy_padded(k.mn, "memory");
            k.mdts = o.mdts;
            k.cntlid = 1;
            k.oaes = nvme::oaes_ana_change | nvme::oaes_namespace_attribute;
            k.nn = o.namespaces;
            k.cmic = nvme::cmic_ana;
            k.ioccsz = (sizeof(nvme::command) + o.in_capsule_data) / 16;
            k.iorcsz = 1;
            nvme::copy_terminated(k.subnqn, memory_target::subnqn);
            std::memcpy(data.data(), &k, sizeof k);
            break;
        }
        case nvme::cns::active_ns_list: {
            nvme::namespace_list list{};
            for (std::uint32_t n = c.nsid + 1, i = 0; n <= o.namespaces && i < 1024; ++n)
                list.nsid[i++] = n;
            std::memcpy(data.data(), &list, sizeof list);
            break;
        }
        case nvme::cns::ns: {
            nvme::identify_namespace n{};
            if (c.nsid >= 1 && c.nsid <= o.namespaces)
                n.nsze = n.ncap = n.nuse = o.blocks;
            n.lbaf[0].lbads = 9;
            std::memcpy(data.data(), &n, sizeof n);
            break;
        }
        default: return answer(c, nvme::sc::invalid_field.with_dnr());
        }
        return send_data(c, data);
    case nvme::admin_opcode::set_features:
        if (nvme::features_view{c}.fid() == nvme::fid::number_of_queues)
            return answer(c, nvme::sc::success, nvme::number_of_queues(64, 64));
        return answer(c, nvme::sc::success);
    case nvme::admin_opcode::keep_alive: return answer(c, nvme::sc::success);
    case nvme::admin_opcode::async_event_request: event_ = c; return tell_changes();
    case nvme::admin_opcode::get_log_page: {
        const nvme::get_log_page_view page{c};
        data.clear();
        const auto add = [&](const auto& t) {
            const auto bytes = std::as_bytes(std::span(&t, 1));
            data.insert(data.end(), bytes.begin(), bytes.end());
        };
        if (page.lid() == nvme::lid::ana) {
            nvme::ana_log_header h{};
            h.ngrps = 1;
            add(h);
            nvme::ana_group_descriptor d{};
            d.grpid = 1;
            d.nnsids = o.namespaces;
            d.state = nvme::to_underlying(target_.ana_.load());
            add(d);
            for (std::uint32_t n = 1; n <= o.namespaces; ++n)
                add(nvme::le32(n));
        }
        data.resize(page.length_bytes());
        return send_data(c, data);
    }
    default: return answer(c, nvme::sc::invalid_opcode.with_dnr());
    }
}

void memory_connection::io(const nvme::command& c, std::span<const std::byte> data) {
    if (target_.refuse)
        if (const auto s = target_.refuse(c); !s.ok())
            return answer(c, s);
    if (const auto ana = target_.ana_.load();
        ana != nvme::ana_state::optimized && ana != nvme::ana_state::non_optimized)
        return answer(c, nvme::sc::asymmetric_access_inaccessible);
    if (c.nsid < 1 || c.nsid > target_.disks_->size())
        return answer(c, nvme::sc::invalid_namespace_or_format.with_dnr());
    auto& disk = (*target_.disks_)[c.nsid - 1];
    const nvme::block_command_view b{c};
    const std::uint64_t at = b.slba() * 512, n = std::uint64_t{b.blocks()} * 512;
    if (c.as_io() == nvme::io_opcode::flush)
        return answer(c, nvme::sc::success);
    if (at + n > disk.size())
        return answer(c, nvme::sc::lba_out_of_range.with_dnr());
    if (length_of(c) != n)
        return answer(c, nvme::sc::data_sgl_length_invalid.with_dnr());
    if (c.as_io() == nvme::io_opcode::read)
        return send_data(c, std::span(disk).subspan(at, n));
    if (c.as_io() != nvme::io_opcode::write)
        return answer(c, nvme::sc::invalid_opcode.with_dnr());
    std::memcpy(disk.data() + at, data.data(), n);
    answer(c, nvme::sc::success);
}

}  // namespace causeway::host::testing
