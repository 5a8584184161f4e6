// SPDX-License-Identifier: Apache-2.0
#include "rpc/secrets.h"

#include "core/log.h"
#include "rpc/json_text.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(secrets, are_settings_that_hold_a_key_and_not_those_that_name_its_file) {
    for (const char* name : {"key", " key", "key\t", "rgw_keystone_admin_password", "rgw keystone admin password"})
        EXPECT_TRUE(is_secret_setting(name)) << name;
    for (const char* name : {"keyring", "keyfile", "mon_host", "", " ", "auth_client_required"})
        EXPECT_FALSE(is_secret_setting(name)) << name;
}

TEST(secrets, are_withheld_from_the_parameters_of_any_call) {
    const json params = {{"name", "c"},
                         {"key", "not a setting"},
                         {"config_param", {{"key", "AQsecret"}, {"mon_host", "m"}}},
                         {"config", {{" key ", "AQsecret"}}}};
    const json shown = without_secrets(params);
    EXPECT_THAT(shown.dump(), Not(HasSubstr("AQsecret")));
    EXPECT_EQ(shown["config_param"]["mon_host"], "m");
    EXPECT_EQ(shown["key"], "not a setting");
    EXPECT_EQ(without_secrets(json()), json());
}

TEST(secrets, that_were_withheld_are_refused_with_what_to_do) {
    const auto refused = check_secrets({{"key", std::string(withheld)}}, "c");
    ASSERT_TRUE(refused);
    EXPECT_THAT(refused->message, HasSubstr("c: the secret setting 'key' is not saved: write the key into a keyring"));
    EXPECT_FALSE(check_secrets({{"keyring", "/k"}, {"mon_host", std::string(withheld)}}, "c"));
}

TEST(secrets, are_warned_of_without_being_shown) {
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(check_secrets({{"key", "AQsecret"}}, "c"));
    EXPECT_TRUE(core::log::flush());
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("c: the setting 'key' is a secret and will not be saved"));
    EXPECT_THAT(log, Not(HasSubstr("AQsecret")));
}

TEST(secrets, are_not_quoted_by_errors_of_the_parser) {
    for (const char* text : {R"({"key": "AQsecret)", R"({"key" "AQsecret"})", "{\"key\": AQsecret}",
                             "{\"key\": \"AQsecret\x01\"}", R"({"key": "AQsec'; expected 'ret\q"})"}) {
        const auto parsed = parse_json(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error(), Not(HasSubstr("AQ"))) << text;
        EXPECT_THAT(parsed.error(), HasSubstr("line 1, column ")) << text;
    }
}

}  // namespace
}  // namespace causeway::rpc
