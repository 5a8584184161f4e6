// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/messages.h"

#include <gtest/gtest.h>

namespace causeway::auth {
namespace {

// Messages laid out by hand from the tables of NVM Express Base Specification 2.0, "NVMe over Fabrics In-band
// Authentication".

bytes join(std::initializer_list<bytes> parts) {
    bytes all;
    for (const bytes& p : parts)
        all.insert(all.end(), p.begin(), p.end());
    return all;
}

const bytes negotiate_head = {0x00, 0x00, 0, 0, 0x34, 0x12, 0x00, 1};
/// A descriptor whose lists are full of `rest` behind what counts.
bytes descriptor(std::uint8_t authid, bytes hashes, bytes groups, std::uint8_t halen, std::uint8_t dhlen) {
    hashes.resize(30);
    groups.resize(30);
    return join({{authid, 0, halen, dhlen}, hashes, groups});
}
const bytes usual = descriptor(1, {1, 2, 3}, {0, 1, 2, 3, 4, 5}, 3, 6);

const bytes challenge_head = {0x01, 0x01, 0, 0, 0x34, 0x12, 32, 0, 1, 1, 0x00, 0x01, 0x04, 0x03, 0x02, 0x01};
const bytes reply_head = {0x01, 0x02, 0, 0, 0x34, 0x12, 32, 0, 1, 0, 0x00, 0x01, 0x04, 0x03, 0x02, 0x01};
const bytes success1_head = {0x01, 0x03, 0, 0, 0x34, 0x12, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0};

TEST(auth_messages, negotiate_has_the_lists_of_its_descriptor) {
    const bytes sent = join({negotiate_head, usual});
    const auto m = read_negotiate(sent);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->t_id, 0x1234);
    EXPECT_EQ(m->sc_c, 0);
    EXPECT_TRUE(m->offers_dhchap);
    EXPECT_EQ(m->hashes, (bytes{1, 2, 3}));
    EXPECT_EQ(m->dhgroups, (bytes{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(write(*m), sent);
}

TEST(auth_messages, negotiate_may_offer_other_protocols_besides) {
    bytes head = negotiate_head;
    head[7] = 2;
    const auto m = read_negotiate(join({head, descriptor(7, {9}, {9}, 0xff, 0xff), usual}));
    ASSERT_TRUE(m);
    EXPECT_EQ(m->hashes, (bytes{1, 2, 3}));
    head[7] = 1;
    const auto other = read_negotiate(join({head, descriptor(7, {}, {}, 0, 0)}));
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->offers_dhchap);
    head[7] = 0;
    const auto nothing = read_negotiate(head);
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(nothing->offers_dhchap);
}

TEST(auth_messages, negotiate_has_no_list_that_is_longer_than_its_field) {
    EXPECT_TRUE(read_negotiate(join({negotiate_head, descriptor(1, {1}, {1}, 30, 30)})));
    EXPECT_FALSE(read_negotiate(join({negotiate_head, descriptor(1, {1}, {1}, 31, 1)})));
    EXPECT_FALSE(read_negotiate(join({negotiate_head, descriptor(1, {1}, {1}, 1, 31)})));
}

TEST(auth_messages, a_challenge_has_its_value_and_a_public_value) {
    const bytes c1(32, 0xc1), gx(256, 0x67);
    const auto m = read_challenge(join({challenge_head, c1, gx}));
    ASSERT_TRUE(m);
    EXPECT_EQ(m->t_id, 0x1234);
    EXPECT_EQ(m->hashid, 1);
    EXPECT_EQ(m->dhgid, 1);
    EXPECT_EQ(m->seqnum, 0x01020304u);
    EXPECT_EQ(m->value, c1);
    EXPECT_EQ(m->public_value, gx);
    EXPECT_EQ(write(*m), join({challenge_head, c1, gx}));
}

TEST(auth_messages, a_reply_has_a_response_and_a_challenge_in_any_case) {
    const bytes r1(32, 0xa1), c2(32, 0xc2), gy(256, 0x79);
    const auto m = read_reply(join({reply_head, r1, c2, gy}));
    ASSERT_TRUE(m);
    EXPECT_EQ(m->t_id, 0x1234);
    EXPECT_TRUE(m->challenges_controller);
    EXPECT_EQ(m->seqnum, 0x01020304u);
    EXPECT_EQ(m->response, r1);
    EXPECT_EQ(m->value, c2);
    EXPECT_EQ(m->public_value, gy);
    EXPECT_EQ(write(*m), join({reply_head, r1, c2, gy}));
    bytes head = reply_head;
    head[8] = 2;
    EXPECT_FALSE(read_reply(join({head, r1, c2, gy}))) << "CVALID is 0 or 1";
}

TEST(auth_messages, success1_has_a_response_if_it_says_so) {
    const bytes r2(32, 0xa2);
    const auto both_ways = read_success1(join({success1_head, r2}));
    ASSERT_TRUE(both_ways);
    EXPECT_EQ(both_ways->response, r2);
    EXPECT_EQ(both_ways->hash_length, 32);
    EXPECT_EQ(write(*both_ways), join({success1_head, r2}));
    bytes head = success1_head;
    head[8] = 0;
    const auto one_way = read_success1(head);
    ASSERT_TRUE(one_way);
    EXPECT_TRUE(one_way->response.empty());
    EXPECT_EQ(write(*one_way), head);
    head[8] = 2;
    EXPECT_FALSE(read_success1(join({head, r2}))) << "RVALID is 0 or 1";
}

TEST(auth_messages, the_short_ones_are_as_specified) {
    EXPECT_EQ(write_success2(0x1234), (bytes{0x01, 0x04, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    const bytes failure1 = {0x00, 0xf1, 0, 0, 0x34, 0x12, 0x01, 0x06};
    EXPECT_EQ(write(failure{nvme::auth_id::failure1, 0x1234, nvme::auth_explanation::incorrect_payload}), failure1);
    const bytes failure2 = {0x00, 0xf0, 0, 0, 0x34, 0x12, 0x01, 0x01};
    EXPECT_EQ(write(failure{nvme::auth_id::failure2, 0x1234, nvme::auth_explanation::failed}), failure2);
    const auto read = read_failure(failure1);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->id, nvme::auth_id::failure1);
    EXPECT_EQ(read->explanation, nvme::auth_explanation::incorrect_payload);
    EXPECT_FALSE(read_failure(bytes{0x00, 0x00, 0, 0, 0x34, 0x12, 0x01, 0x06}));
}

TEST(auth_messages, are_read_to_their_end_and_no_further) {
    const bytes part(32, 0x5a), value(256, 0x5a);
    const auto whole_only = [](const bytes& m, auto read) {
        for (std::size_t n = 0; n < m.size(); ++n)
            EXPECT_FALSE(read(byte_view(m).first(n))) << n;
        EXPECT_TRUE(read(byte_view(m)));
        EXPECT_TRUE(read(byte_view(join({m, bytes(100)})))) << "what follows is ignored";
    };
    whole_only(join({negotiate_head, usual}), [](byte_view m) { return read_negotiate(m).has_value(); });
    whole_only(join({challenge_head, part, value}), [](byte_view m) { return read_challenge(m).has_value(); });
    whole_only(join({reply_head, part, part, value}), [](byte_view m) { return read_reply(m).has_value(); });
    whole_only(join({success1_head, part}), [](byte_view m) { return read_success1(m).has_value(); });
    whole_only({0x00, 0xf1, 0, 0, 0x34, 0x12, 0x01, 0x06}, [](byte_view m) { return read_failure(m).has_value(); });
    whole_only({0, 0, 0, 0, 0, 0}, [](byte_view m) { return read_header(m).has_value(); });
}

TEST(auth_messages, have_a_type_that_goes_with_their_identifier) {
    bytes head = challenge_head;
    head[0] = 0;
    EXPECT_FALSE(read_challenge(join({head, bytes(288)})));
    EXPECT_FALSE(read_header(head)->is(nvme::auth_id::challenge));
    EXPECT_TRUE(read_header(challenge_head)->is(nvme::auth_id::challenge));
    head = negotiate_head;
    head[0] = 1;
    EXPECT_FALSE(read_negotiate(join({head, usual})));
    EXPECT_FALSE(read_reply(join({challenge_head, bytes(320)})));
}

}  // namespace
}  // namespace causeway::auth
