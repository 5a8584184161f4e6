// SPDX-License-Identifier: Apache-2.0
// What gateways that share a reservation write and send, and whatever else may be found there.

#include "nvmf/reservation/shared_text.h"

#include <gtest/gtest.h>

namespace causeway::nvmf::reservation {
namespace {

constexpr host_id a{0xaa}, b{0xbb};

const state of_one_holder{.generation = 7,
                          .type = reservation_type::write_exclusive_registrants_only,
                          .holder = b,
                          .persists = true,
                          .registrants = {{a, 1}, {b, 0xffffffffffffffff}}};
const std::string text_of_one_holder =
    R"({"v":1,"generation":7,"ptpl":true,"rtype":3,"holder_uuid":"bb000000-0000-0000-0000-000000000000",)"
    R"("registrants":[{"rkey":1,"host_uuid":"aa000000-0000-0000-0000-000000000000"},)"
    R"({"rkey":18446744073709551615,"host_uuid":"bb000000-0000-0000-0000-000000000000"}]})";

TEST(shared_reservation_text, of_a_state) {
    EXPECT_EQ(to_shared_text(of_one_holder), text_of_one_holder);
    const auto read = from_entries({{"number", "12"},
                                    {"state", text_of_one_holder},
                                    {"fenced_at", "9"},
                                    {"gateway/10.0.0.1:0/17", "1"},
                                    {"another entry", "?"}});
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->kept.state, of_one_holder);
    EXPECT_EQ(read->kept.number, 12u);
    EXPECT_EQ(read->fenced_at, 9u);
    EXPECT_EQ(read->gateways, std::set<std::string>{"10.0.0.1:0/17"});
}

TEST(shared_reservation_text, of_an_object_without_entries) {
    const auto read = from_entries({});
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kept.state, state());
    EXPECT_EQ(read->kept.number, 0u);
    EXPECT_TRUE(read->gateways.empty());
}

struct bad_entries {
    const char* what;
    entries all;
    int code;
};

TEST(shared_reservation_text, that_no_gateway_has_written_is_an_error) {
    const bad_entries rows[] = {
        {"a number that is none", {{"number", "12x"}}, EINVAL},
        {"a number below 0", {{"number", "-1"}}, EINVAL},
        {"a number without digits", {{"number", ""}}, EINVAL},
        {"a number that is too large", {{"number", "99999999999999999999"}}, EINVAL},
        {"a fence that is none", {{"fenced_at", "yes"}}, EINVAL},
        {"no JSON", {{"state", "{"}}, EINVAL},
        {"no object", {{"state", "[1]"}}, EINVAL},
        {"no format", {{"state", "{}"}}, EINVAL},
        {"a later format", {{"state", R"({"v":2})"}}, ENOTSUP},
        {"no generation", {{"state", R"({"v":1,"ptpl":true,"rtype":0,"registrants":[]})"}}, EINVAL},
        {"a generation of more than 32 bits",
         {{"state", R"({"v":1,"generation":4294967296,"ptpl":true,"rtype":0,"registrants":[]})"}},
         EINVAL},
        {"a holder that is no registrant",
         {{"state", R"({"v":1,"generation":1,"ptpl":true,"rtype":1,)"
                    R"("holder_uuid":"aa000000-0000-0000-0000-000000000000","registrants":[]})"}},
         EINVAL},
    };
    for (const bad_entries& row : rows) {
        const auto read = from_entries(row.all);
        ASSERT_FALSE(read) << row.what;
        EXPECT_EQ(read.error().code, row.code) << row.what;
    }
}

TEST(shared_reservation_text, of_a_notice) {
    const notice n{.from = "10.0.0.1:0/17",
                   .number = 12,
                   .change = 11,
                   .end_commands = true,
                   .notifications = {{b, nvme::reservation_notice::registration_preempted}}};
    const std::string text = R"({"v":1,"from":"10.0.0.1:0/17","number":12,"change":11,"end_commands":true,)"
                             R"("notifications":[{"host_uuid":"bb000000-0000-0000-0000-000000000000","type":1}]})";
    EXPECT_EQ(to_text(n), text);
    const auto read = notice_from(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->from, n.from);
    EXPECT_EQ(read->number, 12u);
    EXPECT_EQ(read->change, 11u);
    EXPECT_TRUE(read->end_commands);
    EXPECT_EQ(read->notifications, n.notifications);
}

TEST(shared_reservation_text, of_a_reply) {
    const std::string text = R"({"v":1,"from":"10.0.0.1:0/17","number":12,"ended":true})";
    EXPECT_EQ(to_text(reply{"10.0.0.1:0/17", 12, true}), text);
    const auto read = reply_from(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->from, "10.0.0.1:0/17");
    EXPECT_EQ(read->number, 12u);
    EXPECT_TRUE(read->commands_ended);
}

TEST(shared_reservation_text, that_is_no_message_is_not_read) {
    for (const char* text : {"", "12", "{}", "null", R"({"v":2,"number":1})", R"({"v":1})", R"({"v":1,"number":-1})",
                             R"({"v":1,"number":1,"notifications":1})", R"({"v":1,"number":1,"notifications":[{}]})",
                             R"({"v":1,"number":1,"notifications":[)"
                             R"({"host_uuid":"bb000000-0000-0000-0000-000000000000","type":4}]})"})
        EXPECT_FALSE(notice_from(text)) << text;
    for (const char* text : {"", "12", "{}", R"({"v":2,"number":1})", R"({"v":1,"number":"1"})"})
        EXPECT_FALSE(reply_from(text)) << text;
    EXPECT_EQ(reply_from(R"({"v":1,"number":1,"from":7})")->from, "") << "nobody's";
}

}  // namespace
}  // namespace causeway::nvmf::reservation
