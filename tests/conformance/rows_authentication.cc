// SPDX-License-Identifier: Apache-2.0
// In-band authentication by DH-HMAC-CHAP, message by message. NVMe over Fabrics 1.1, "Authentication Send Command" and
// "Authentication Receive Command"; NVM Express Base Specification 2.0, "NVMe over Fabrics In-band Authentication".

#include "tests/conformance/row_makers.h"

#include "nvme/properties.h"

#include <fmt/format.h>

namespace causeway::conformance {

namespace {

using auth::bytes;
using nvme::auth_explanation;
using stage = auth_stage;
using message_maker = std::function<bytes(auth_host& h, const bytes& challenge)>;
using data = conformance::bytes;

// Byte offsets of the commands' fields.
constexpr unsigned at_fctype = 4, at_spsp0 = 41, at_spsp1 = 42, at_secp = 43, at_length = 44;

// Byte offsets of what messages begin with, and of fields of Negotiate and Reply.
constexpr std::size_t at_type = 0, at_id = 1, at_t_id = 4;
constexpr std::size_t at_sc_c = 6, at_napd = 7, at_authid = 8, at_halen = 10, at_dhlen = 11, at_hash = 12,
                      at_group = 42;
constexpr std::size_t at_hl = 6, at_cvalid = 8, at_dhvlen = 10, at_seqnum = 12, at_response = 16;

const nvme::status required = sc::auth_required;

nvme::command auth_command(nvme::fctype type, std::uint32_t length,
                           const std::function<void(nvme::authentication_command&)>& change = {}) {
    nvme::authentication_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(type);
    c.spsp0 = c.spsp1 = 1;
    c.secp = nvme::secp_nvme;
    c.length = length;
    if (change)
        change(c);
    return std::bit_cast<nvme::command>(c);
}
nvme::command auth_send(std::uint32_t length = 0,
                        const std::function<void(nvme::authentication_command&)>& change = {}) {
    return auth_command(nvme::fctype::authentication_send, length, change);
}
nvme::command auth_receive(std::uint32_t length,
                           const std::function<void(nvme::authentication_command&)>& change = {}) {
    return auth_command(nvme::fctype::authentication_receive, length, change);
}

bytes negotiate(auth_host& h, const bytes&) {
    return h.negotiate();
}
bytes reply(auth_host& h, const bytes& challenge) {
    return h.reply(challenge);
}
bytes success2(auth_host& h, const bytes&) {
    return h.success2();
}
bytes failure2(auth_host& h, const bytes&) {
    return h.failure2();
}
/// With one byte of it another one.
message_maker with_byte(message_maker make, std::size_t at, unsigned value) {
    return [=](auth_host& h, const bytes& challenge) {
        bytes m = make(h, challenge);
        m.at(at) = static_cast<unsigned char>(value);
        return m;
    };
}
message_maker cut(message_maker make, std::size_t less) {
    return [=](auth_host& h, const bytes& challenge) {
        bytes m = make(h, challenge);
        m.resize(m.size() - less);
        return m;
    };
}
/// A message that has nothing but a header, and zeroes.
message_maker bare(unsigned type, unsigned id) {
    return [=](auth_host& h, const bytes&) {
        bytes m(16);
        m[at_type] = static_cast<unsigned char>(type);
        m[at_id] = static_cast<unsigned char>(id);
        m[at_t_id] = static_cast<unsigned char>(h.t_id);
        m[at_t_id + 1] = static_cast<unsigned char>(h.t_id >> 8);
        return m;
    };
}
/// Reply with that as its public value, as long as one of the group of 2048 bits unless `size` says otherwise.
message_maker public_value(unsigned last_byte, std::size_t size = 256) {
    return [=](auth_host& h, const bytes& challenge) {
        auth::reply r = h.reply_to(challenge);
        r.public_value.assign(size, 0);
        r.public_value.back() = static_cast<unsigned char>(last_byte);
        return auth::write(r);
    };
}

/// Adds rows of Authentication Send at one stage: the command succeeds, and what is said of the message comes later.
class send_adder {
  public:
    send_adder(std::vector<row>& to, stage s, std::uint8_t dhgroup = 0)
        : add_(to, "Authentication Send", queue::authentication), stage_(s), dhgroup_(dhgroup) {}

    row& good(std::string sent, message_maker m) {
        row& r = add_.works(std::move(sent), auth_send());
        r.stage = stage_;
        r.dhgroup = dhgroup_;
        r.message = std::move(m);
        return r;
    }
    row& bad(std::string sent, message_maker m, auth_explanation why) {
        row& r = good(std::move(sent), std::move(m));
        r.failure1 = why;
        r.ends = true;
        r.note = fmt::format("then Failure1, explanation {:02X}h: {}", nvme::to_underlying(why), auth::to_string(why));
        return r;
    }

  private:
    row_adder add_;
    const stage stage_;
    const std::uint8_t dhgroup_;
};

// ---- The commands' fields.

void add_field_rows(std::vector<row>& to) {
    using command = nvme::authentication_command;
    struct {
        const char* sent;
        unsigned at;
        void (*change)(command&);
    } const wrong[] = {
        {"SECP 00h: no security protocol of NVMe", at_secp, [](command& c) { c.secp = 0; }},
        {"SECP EAh: NVMe's, of RPMB", at_secp, [](command& c) { c.secp = 0xea; }},
        {"SPSP0 00h", at_spsp0, [](command& c) { c.spsp0 = 0; }},
        {"SPSP0 02h", at_spsp0, [](command& c) { c.spsp0 = 2; }},
        {"SPSP1 00h", at_spsp1, [](command& c) { c.spsp1 = 0; }},
        {"SPSP1 02h", at_spsp1, [](command& c) { c.spsp1 = 2; }},
    };
    row_adder send(to, "Authentication Send", queue::authentication);
    row_adder receive(to, "Authentication Receive", queue::authentication);
    for (const auto& w : wrong) {
        send.fails(w.sent, auth_send(16, w.change), invalid_field, w.at, 0, data(16));
        row& r = receive.fails(w.sent, auth_receive(1024, w.change), invalid_field, w.at, 0, data(1024));
        r.stage = stage::negotiated;
    }
    send.fails("TL 0", auth_send(0), invalid_field, at_length);
    send.fails("TL 4100: longer than any message", auth_send(4100), invalid_field, at_length, 0, data(4100));
    receive.fails("AL 0", auth_receive(0), invalid_field, at_length).stage = stage::negotiated;
    receive.fails("AL FFFFFFFFh: more than MDTS", auth_receive(~0u), invalid_field, at_length).stage =
        stage::negotiated;
    receive.fails("AL 16: less than Challenge has", auth_receive(16), invalid_field, at_length, 0, data(16)).stage =
        stage::negotiated;

    for (const queue on : {queue::admin, queue::io}) {
        const nvme::status out_of_sequence = sc::command_sequence_error.with_dnr();
        row_adder(to, "Authentication Send", on)
            .fails("of a host that has no key", auth_send(16), out_of_sequence, at_fctype, 0, data(16));
        row_adder(to, "Authentication Receive", on)
            .fails("of a host that has no key", auth_receive(1024), out_of_sequence, at_fctype, 0, data(1024));
    }
    send.fails("before Connect", auth_send(16), sc::command_sequence_error, at_fctype, 0, data(16)).stage =
        stage::nothing_sent;
    receive.fails("before Connect", auth_receive(1024), sc::command_sequence_error, at_fctype, 0, data(1024)).stage =
        stage::nothing_sent;
}

// ---- Messages of the host.

void add_negotiate_rows(std::vector<row>& to) {
    send_adder add(to, stage::connected);
    const auto said = [](std::size_t at, unsigned value) { return with_byte(negotiate, at, value); };
    add.good("Negotiate", negotiate);
    add.good("Negotiate, with bytes behind it",
             [](auth_host& h, const bytes&) {
                 bytes m = h.negotiate();
                 m.resize(m.size() + 100, 0x55);
                 return m;
             })
        .note = "what is received may be padded";
    add.bad(
        "5 bytes: less than a header", [](auth_host&, const bytes&) { return bytes(5); },
        auth_explanation::incorrect_payload);
    for (const unsigned sc_c : {1, 2, 3})
        add.bad(fmt::format("Negotiate, SC_C {:02X}h: secure channel concatenation", sc_c), said(at_sc_c, sc_c),
                auth_explanation::secure_channel_mismatch);
    add.bad("Negotiate, NAPD 0: no protocol", said(at_napd, 0), auth_explanation::protocol_not_usable);
    add.bad("Negotiate, NAPD 2, and one descriptor", said(at_napd, 2), auth_explanation::incorrect_payload);
    add.bad("Negotiate, NAPD 255, and one descriptor", said(at_napd, 255), auth_explanation::incorrect_payload);
    add.bad("Negotiate, AUTHID 02h: not DH-HMAC-CHAP", said(at_authid, 2), auth_explanation::protocol_not_usable);
    add.bad("Negotiate, HALEN 0", said(at_halen, 0), auth_explanation::hash_not_usable);
    add.bad("Negotiate, HALEN 31: more than has room", said(at_halen, 31), auth_explanation::incorrect_payload);
    add.bad("Negotiate, hash function 04h: not defined", said(at_hash, 4), auth_explanation::hash_not_usable);
    add.bad("Negotiate, DHLEN 0", said(at_dhlen, 0), auth_explanation::dh_group_not_usable);
    add.bad("Negotiate, DHLEN 31: more than has room", said(at_dhlen, 31), auth_explanation::incorrect_payload);
    add.bad("Negotiate, group 06h: not defined", said(at_group, 6), auth_explanation::dh_group_not_usable);
    add.bad("Negotiate, a byte short", cut(negotiate, 1), auth_explanation::incorrect_payload);
    add.bad("AUTH_TYPE 01h, AUTH_ID 00h: no message", said(at_type, 1), auth_explanation::incorrect_message);
    add.bad("AUTH_TYPE 02h: not defined", said(at_type, 2), auth_explanation::incorrect_message);
    add.bad("AUTH_ID 05h: not defined", bare(1, 5), auth_explanation::incorrect_message);
    struct {
        const char* name;
        unsigned type, id;
    } const out_of_order[] = {
        {"Challenge: a message of controllers", 1, 1}, {"Reply, first of all", 1, 2},
        {"Success1: a message of controllers", 1, 3},  {"Success2, first of all", 1, 4},
        {"Failure2, first of all", 0, 0xf0},           {"Failure1: a message of controllers", 0, 0xf1}};
    for (const auto& o : out_of_order)
        add.bad(o.name, bare(o.type, o.id), auth_explanation::incorrect_message);

    send_adder negotiated(to, stage::negotiated);
    negotiated.bad("Negotiate, while Challenge is due", negotiate, auth_explanation::incorrect_message);
    negotiated.bad("Reply, while Challenge is due", bare(1, 2), auth_explanation::incorrect_message);
    negotiated.bad("T_ID of another transaction, while Challenge is due", with_byte(negotiate, at_t_id, 0),
                   auth_explanation::incorrect_payload);
}

void add_reply_rows(std::vector<row>& to) {
    send_adder add(to, stage::challenged);
    const auto said = [](std::size_t at, unsigned value) { return with_byte(reply, at, value); };
    const auto malformed = auth_explanation::incorrect_payload;
    add.good("Reply", reply);
    add.bad("Reply, T_ID of another transaction", said(at_t_id, 0), malformed);
    add.bad("Reply, HL 0", said(at_hl, 0), malformed);
    add.bad(
        "Reply, HL 48: of SHA-384, and SHA-256 was chosen",
        [](auth_host& h, const bytes& challenge) {
            auth::reply r = h.reply_to(challenge);
            r.response.resize(48);
            r.value.resize(48);
            return auth::write(r);
        },
        malformed);
    add.bad("Reply, HL FFh: more than was sent", said(at_hl, 0xff), malformed);
    add.bad(
        "Reply, DHVLEN 4 of the NULL group",
        [](auth_host& h, const bytes& challenge) {
            auth::reply r = h.reply_to(challenge);
            r.public_value.assign(4, 1);
            return auth::write(r);
        },
        malformed);
    add.bad("Reply, DHVLEN 0100h: more than was sent", said(at_dhvlen + 1, 1), malformed);
    add.bad("Reply, CVALID 02h", said(at_cvalid, 2), malformed);
    add.bad("Reply, CVALID 01h and SEQNUM 0", said(at_seqnum, 0), malformed);
    add.bad("Reply, a byte short", cut(reply, 1), malformed);
    add.bad(
        "Reply, another response",
        [](auth_host& h, const bytes& challenge) {
            bytes m = h.reply(challenge);
            m[at_response] ^= 1;
            return m;
        },
        auth_explanation::failed);
    add.bad(
        "Reply to another challenge",
        [](auth_host& h, bytes challenge) {
            challenge[16] ^= 1;  // the first byte of its value
            return h.reply(challenge);
        },
        auth_explanation::failed);
    add.bad("Negotiate, while Reply is due", negotiate, auth_explanation::incorrect_message);
    add.bad("Success2, while Reply is due", success2, auth_explanation::incorrect_message);
    row& refused = add.good("Failure2, while Reply is due", failure2);
    refused.ends = true;
    refused.note = "then the connection ends";

    send_adder group(to, stage::challenged, 1);
    group.good("Reply, in the group of 2048 bits", reply);
    group.bad("Reply, a public value of 0", public_value(0), malformed);
    group.bad("Reply, a public value of 1", public_value(1), malformed);
    group.bad("Reply, a public value of 255 bytes in the group of 2048 bits", public_value(2, 255), malformed);
    group.bad("Reply, DHVLEN 0 in the group of 2048 bits", public_value(0, 0), malformed).message =
        [](auth_host& h, const bytes& challenge) {
            auth::reply r = h.reply_to(challenge);
            r.public_value.clear();
            return auth::write(r);
        };

    send_adder replied(to, stage::replied);
    replied.bad("Reply again, while Success1 is due", bare(1, 2), auth_explanation::incorrect_message);
}

void add_end_rows(std::vector<row>& to) {
    send_adder add(to, stage::proved);
    add.good("Success2", success2);
    add.bad("Success2, T_ID of another transaction", with_byte(success2, at_t_id, 0),
            auth_explanation::incorrect_payload);
    add.bad("Reply, while Success2 is due", bare(1, 2), auth_explanation::incorrect_message);
    row& refused = add.good("Failure2, while Success2 is due", failure2);
    refused.ends = true;
    refused.note = "then the connection ends";

    send_adder again(to, stage::authenticated);
    again.good("Negotiate, of a host that has authenticated", negotiate).note = "it may authenticate again at any time";
    again.bad("Success2 again", success2, auth_explanation::incorrect_message);
    again.bad("Negotiate, SC_C 01h, of a host that has authenticated", with_byte(negotiate, at_sc_c, 1),
              auth_explanation::secure_channel_mismatch);
    send_adder challenged_again(to, stage::challenged_again);
    challenged_again.good("Reply, of a host that has authenticated before", reply);
    challenged_again.bad(
        "Reply, another response, of a host that has authenticated before",
        [](auth_host& h, const bytes& challenge) {
            bytes m = h.reply(challenge);
            m[at_response] ^= 1;
            return m;
        },
        auth_explanation::failed);
}

// ---- Messages of the controller.

bytes message_in(std::span<const std::byte> received) {
    const auto* const first = reinterpret_cast<const unsigned char*>(received.data());
    return {first, first + received.size()};
}

void add_receive_rows(std::vector<row>& to) {
    row_adder add(to, "Authentication Receive", queue::authentication);
    const nvme::command receive = auth_receive(1024);
    const data room(1024);
    const auto at = [&](stage s, std::string sent, std::uint8_t dhgroup = 0) -> row& {
        row& r = add.works(std::move(sent), receive, room);
        r.stage = s;
        r.dhgroup = dhgroup;
        return r;
    };
    const auto is_failure = [](auth_explanation why) {
        return [why](const nvme::completion&, std::span<const std::byte> received) {
            const auto m = auth::read_failure(message_in(received));
            return m && m->id == nvme::auth_id::failure1 && m->explanation == why
                       ? std::string()
                       : fmt::format("not Failure1 with explanation {:02X}h", nvme::to_underlying(why));
        };
    };
    for (const std::uint8_t group : {0, 1}) {
        row& r = at(stage::negotiated,
                    group ? "Challenge, in the group of 2048 bits" : "Challenge: SHA-256, the NULL group", group);
        r.look = [group](const nvme::completion&, std::span<const std::byte> received) {
            const auto c = auth::read_challenge(message_in(received));
            return c && c->t_id == auth_host{}.t_id && c->hashid == 1 && c->dhgid == group && c->value.size() == 32 &&
                           c->public_value.size() == (group ? 256u : 0u) && c->seqnum != 0
                       ? ""
                       : "not the Challenge that belongs to Negotiate";
        };
    }
    at(stage::replied, "Success1: RVALID, HL of SHA-256").look = [](const nvme::completion&,
                                                                    std::span<const std::byte> received) {
        const auto m = auth::read_success1(message_in(received));
        return m && m->t_id == auth_host{}.t_id && m->hash_length == 32 && m->response.size() == 32 ? ""
                                                                                                    : "not Success1";
    };
    struct {
        stage s;
        const char* sent;
    } const nothing_due[] = {{stage::connected, "before Negotiate"},
                             {stage::challenged, "while Reply is due"},
                             {stage::proved, "while Success2 is due"},
                             {stage::authenticated, "after Success2"}};
    for (const auto& n : nothing_due) {
        row& r = at(n.s, n.sent);
        r.look = is_failure(auth_explanation::incorrect_message);
        r.ends = true;
        r.note = "Failure1, explanation 07h; then the connection ends";
    }
    row& failed = at(stage::failed, "after a message that is refused");
    failed.look = is_failure(auth_explanation::incorrect_message);
    failed.ends = true;
    failed.note = "Failure1, explanation 07h; then the connection ends";
}

// ---- Other commands.

nvme::command property_get(nvme::property p) {
    return nvme::make_property_get(p);
}

nvme::command fabrics(std::uint8_t type) {
    nvme::fabrics_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = type;
    return std::bit_cast<nvme::command>(c);
}

void add_other_rows(std::vector<row>& to) {
    row_adder add(to, "Before authentication", queue::authentication);
    const data page(nvme::identify_bytes);
    const auto refuses = [&](std::string sent, nvme::command c, data with = {}) {
        add.fails_without_location(std::move(sent), c, required, std::move(with));
    };
    refuses("Property Get", property_get(nvme::property::vs));
    refuses("Property Set", nvme::make_property_set(nvme::property::cc, 0x460001));
    refuses("Disconnect", fabrics(8));
    refuses("FCTYPE C0h", fabrics(0xc0));
    refuses("Identify", nvme::make_identify(nvme::cns::controller), page);
    refuses("Get Log Page", nvme::make_get_log_page(nvme::lid::error_information, 64), data(64));
    refuses("Set Features", nvme::make_set_features(nvme::fid::keep_alive_timer, 10000));
    refuses("Get Features", nvme::make_get_features(nvme::fid::keep_alive_timer));
    refuses("Abort", nvme::make_abort(0, 0));
    refuses("Asynchronous Event Request", nvme::make_async_event_request());
    refuses("Keep Alive", nvme::make_keep_alive());
    refuses("opcode C0h: vendor specific", nvme::make_command(0xc0));
    for (const auto& [s, name] : {std::pair{stage::challenged, "Property Get, while Reply is due"},
                                  std::pair{stage::replied, "Property Get, while Success1 is due"},
                                  std::pair{stage::proved, "Property Get, while Success2 is due"},
                                  std::pair{stage::failed, "Property Get, after a message that is refused"}})
        add.fails_without_location(name, property_get(nvme::property::vs), required).stage = s;
    row_adder after(to, "After authentication", queue::authentication);
    after.works("Property Get", property_get(nvme::property::vs)).stage = stage::authenticated;
    after.works("Property Get, while the host authenticates again", property_get(nvme::property::vs)).stage =
        stage::negotiated_again;

    row_adder io(to, "Before authentication", queue::authentication_io);
    io.fails_without_location("Read", nvme::make_block_command(nvme::io_opcode::read, 1, 0, 1, block_size), required,
                              data(block_size));
    io.fails_without_location("Flush", nvme::make_flush(1), required);
    io.fails_without_location("Disconnect, of an I/O queue", fabrics(8), required);
    row_adder io_after(to, "After authentication", queue::authentication_io);
    const nvme::command read = nvme::make_block_command(nvme::io_opcode::read, 1, 0, 1, block_size);
    io_after.works("Read", read, data(block_size)).stage = stage::authenticated;
    io_after.works("Read, while the host authenticates again", read, data(block_size)).stage = stage::challenged_again;
    io_after.works("Disconnect, of an I/O queue", fabrics(8)).stage = stage::authenticated;
}

void add_authreq_rows(std::vector<row>& to, const target_info& t) {
    const auto authreq = [](unsigned wanted) {
        return [wanted](const nvme::completion& c, std::span<const std::byte>) {
            return c.dw0 >> 16 == wanted ? std::string() : fmt::format("AUTHREQ is {:04X}h", c.dw0 >> 16);
        };
    };
    nvme::connect_parameters p{.subnqn = t.subnqn, .hostnqn = t.hostnqn, .hostid = t.hostid};
    const auto connect = [&](queue on, std::string sent) -> row& {
        row& r = row_adder(to, "Connect, AUTHREQ", on)
                     .works(std::move(sent), nvme::make_connect_command(p, 32), bytes_of(nvme::make_connect_data(p)));
        r.qid = p.qid;
        return r;
    };
    connect(queue::connection, "a host without a key: 0000h").look = authreq(0);
    p.subnqn = t.authentication_subnqn;
    connect(queue::connection, "a host with a key: ATR").look = authreq(nvme::authreq_in_band);
    p.qid = 2;
    p.cntlid = t.authenticated_cntlid;
    connect(queue::connection, "an I/O queue of a host with a key: ATR").look = authreq(nvme::authreq_in_band);
    row& twice =
        row_adder(to, "Before authentication", queue::authentication)
            .fails_without_location("Connect again", nvme::make_connect_command(p, 32),
                                    sc::command_sequence_error.with_dnr(), bytes_of(nvme::make_connect_data(p)));
    twice.note = "as after it";
}

}  // namespace

void add_authentication_rows(std::vector<row>& to, const target_info& t) {
    if (!t.has_authentication)
        return;
    add_authreq_rows(to, t);
    add_field_rows(to);
    add_negotiate_rows(to);
    add_reply_rows(to);
    add_end_rows(to);
    add_receive_rows(to);
    add_other_rows(to);
}

}  // namespace causeway::conformance
