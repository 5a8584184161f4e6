// SPDX-License-Identifier: Apache-2.0
// Over all methods of a gateway: a parameter that a method does not know is refused by its name or said in the log.

#include "core/log.h"
#include "rpc/testing/all_methods_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using ::testing::HasSubstr;

class unknown_parameters : public ::testing::Test {
  protected:
    test::all_methods_fixture all;
    test::method_fixture& w = all.w;
};

TEST_F(unknown_parameters, are_refused_by_name_or_logged_by_every_method) {
    const auto call_all = [&] {
        for (const auto& m : w.methods.all()) {
            if (!allows(m.when, w.cycle.now()))
                continue;
            ::testing::internal::CaptureStderr();
            const answer a = w.call(std::string(m.name), json{{"colour_of_the_sky", true}});
            EXPECT_TRUE(core::log::flush());
            const std::string log = ::testing::internal::GetCapturedStderr();
            EXPECT_TRUE(!a || m.describe().ignores_unknown_keys) << m.name << " took it";
            EXPECT_THAT((a ? "" : a.error().message) + log, HasSubstr("colour_of_the_sky")) << m.name;
        }
    };
    call_all();
    w.start();
    call_all();
}

struct row {
    const char* method;
    const char* params;
    const char* refusal;
};
/// Options that keep somebody out, misspelt, and one at the wrong level.
const row restrictions[] = {
    {"nvmf_subsystem_add_listener",
     R"({"nqn": "n", "listen_address": {"trtype": "LOOP", "traddr": "a"}, "secure_chanel": true})",
     "parameter 'secure_chanel' is unknown; did you mean 'secure_channel'?"},
    {"nvmf_subsystem_add_host", R"({"nqn": "n", "host": "h", "psq": "k"})",
     "parameter 'psq' is unknown; did you mean 'psk'?"},
    {"nvmf_subsystem_add_ns", R"({"nqn": "n", "namespace": {"bdev_name": "b"}, "no_auto_visible": true})",
     "parameter 'no_auto_visible' is unknown"},
    {"nvmf_create_subsystem", R"({"nqn": "n", "allow_any_hosts": false})",
     "parameter 'allow_any_hosts' is unknown; did you mean 'allow_any_host'?"},
    {"keyring_file_add_key", R"({"name": "k", "path": "/p", "mode": "0600"})", "parameter 'mode' is unknown"},
    {"bdev_rbd_create", R"({"pool_name": "p", "rbd_name": "i", "block_size": 512, "readonly": true})",
     "parameter 'readonly' is unknown; did you mean 'read_only'?"},
};

TEST_F(unknown_parameters, of_a_restriction_are_never_ignored) {
    w.start();
    for (const auto& r : restrictions) {
        const answer a = w.call(r.method, r.params);
        ASSERT_FALSE(a) << r.method;
        EXPECT_EQ(a.error().message, r.refusal);
    }
}

TEST_F(unknown_parameters, of_a_transport_pass_and_are_logged) {
    w.start();
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(w.result("nvmf_create_transport", R"({"trtype": "LOOP", "max_qpairs": 3, "turbo": true})"), json(true));
    EXPECT_TRUE(core::log::flush());
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("nvmf_create_transport: ignoring unknown parameters: max_qpairs, turbo"));
}

}  // namespace
}  // namespace causeway::rpc
