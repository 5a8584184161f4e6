// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"
#include "rpc/testing/all_methods_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using ::testing::HasSubstr;

class housekeeping_methods : public ::testing::Test {
  protected:
    test::all_methods_fixture all;
    test::method_fixture& w = all.w;
};

struct row {
    const char* method;
    const char* params;
};
/// As control planes and saved configurations of SPDK's target have them.
const row harmless[] = {
    {"dsa_scan_accel_module", R"({"config_kernel_mode": true})"},
    {"iobuf_set_options", R"({"small_pool_count": 8192, "large_bufsize": 135168, "enable_numa": false})"},
    {"sock_set_default_impl", R"({"impl_name": "posix"})"},
    {"sock_impl_set_options", R"({"impl_name": "ssl", "num_ssl_tickets": 0})"},
    {"sock_impl_set_options", R"({"impl_name": "posix", "recv_buf_size": 2097152, "tls_version": 0})"},
    {"framework_set_scheduler", R"({"name": "static"})"},
    {"bdev_rbd_set_with_crc32c", R"({"enable": true})"},
    {"iscsi_set_options", R"({"node_base": "iqn.2016-06.io.spdk", "max_sessions": 128, "of_another_version": 1})"},
};

TEST_F(housekeeping_methods, that_change_nothing_succeed_in_every_state_and_are_logged) {
    const auto call_all = [&] {
        for (const auto& r : harmless) {
            ::testing::internal::CaptureStderr();
            EXPECT_EQ(w.result(r.method, r.params), json(true));
            EXPECT_TRUE(core::log::flush());
            EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                        HasSubstr(std::string(r.method) + ": accepted, and without effect here"));
        }
        EXPECT_EQ(w.result("bdev_rbd_get_with_crc32c"), json(false));
    };
    call_all();
    w.start();
    call_all();
}

struct refusal {
    const char* method;
    const char* params;
    const char* says;
};
const refusal wanted[] = {
    {"framework_set_scheduler", R"({"name": "dynamic"})", "'name' must be \"static\": nothing is moved between cores"},
    {"sock_set_default_impl", R"({"impl_name": "uring"})", "'impl_name' must be \"posix\": sockets are the kernel's"},
    {"sock_impl_set_options", R"({"impl_name": "ssl", "enable_ktls": true})", "'enable_ktls' must be false"},
    {"sock_impl_set_options", R"({"impl_name": "ssl", "tls_version": 12})", "'tls_version' must be 0: TLS is 1.3"},
    {"scheduler_set_options", R"({"isolated_core_mask": "0x2"})", "'isolated_core_mask' must be \"0\""},
};

TEST_F(housekeeping_methods, refuse_what_would_change_something_that_is_not_here) {
    for (const auto& r : wanted) {
        const answer a = w.call(r.method, r.params);
        ASSERT_FALSE(a) << r.method;
        EXPECT_EQ(a.error().code, error_code::parameters);
        EXPECT_THAT(a.error().message, HasSubstr(r.says));
    }
}

}  // namespace
}  // namespace causeway::rpc
