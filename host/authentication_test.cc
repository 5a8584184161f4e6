// SPDX-License-Identifier: Apache-2.0
// The host library and a target in one process, in virtual time: authentication in band.

#include "host/authentication.h"

#include "host/controller.h"
#include "host/loop/loop_connector.h"
#include "nvmf/model/keyring.h"
#include "transport/loop/testing/loop_fixture.h"

#include <gtest/gtest.h>
#include <optional>

namespace causeway::host {
namespace {

constexpr std::string_view host_key = "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
constexpr std::string_view ctrlr_key =
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";
constexpr std::string_view other_key =
    "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:";

std::shared_ptr<const nvmf::key> make_key(std::string_view text) {
    if (text.empty())
        return nullptr;
    return std::make_shared<const nvmf::key>(nvmf::key{"name", "/path", core::secret(text.begin(), text.end())});
}

class host_authentication : public ::testing::Test {
  protected:
    host_authentication() { wait(gate.build()); }
    ~host_authentication() override {
        wait(gate.tear_down());
        EXPECT_TRUE(run.run_until_idle());
    }

    void wait(core::task<> t) {
        bool over = false;
        run[0].execute([&] { core::detach(std::move(t), [&] { over = true; }); });
        EXPECT_TRUE(run.run_until([&] { return over; }));
    }
    template <class T>
    T wait(core::task<T> t, std::size_t core = 0) {
        std::optional<T> value;
        run[core].execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(run.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    nvmf::access& access() { return gate.target->find_subsystem(loop::test::subnqn)->access(); }
    void give_keys(std::string_view host, std::string_view ctrlr = {}) {
        EXPECT_TRUE(
            access().add_host(loop::test::hostnqn, {.dhchap = make_key(host), .dhchap_ctrlr = make_key(ctrlr)}));
    }
    /// Empty: it is connected.
    std::string connect(std::string_view host, std::string_view ctrlr = {}) {
        controller_options o{.subnqn = loop::test::subnqn,
                             .hostnqn = loop::test::hostnqn,
                             .io_reactors = {&run[1], &run[2]},
                             .io_depth = 16,
                             .kato_ms = 0};
        if (!host.empty())
            o.dhchap = *parse_credentials(host, ctrlr);
        k.emplace(by, std::move(o));
        const auto connected = wait(k->connect());
        return connected ? "" : connected.error().text();
    }

    core::simulation run{7, 3};
    loop::test::gateway gate{run.group(), loop::data_path::copy};
    loop_connector by{*gate.transport, {"loop", "here", "4420"}};
    std::optional<controller> k;
};

TEST_F(host_authentication, goes_both_ways_on_every_queue) {
    give_keys(host_key, ctrlr_key);
    ASSERT_EQ(connect(host_key, ctrlr_key), "");
    EXPECT_TRUE(wait(k->active_namespaces()));
    wait(k->disconnect());
}

TEST_F(host_authentication, goes_one_way_if_the_host_asks_for_no_more) {
    give_keys(host_key, ctrlr_key);
    ASSERT_EQ(connect(host_key), "");
    wait(k->disconnect());
}

TEST_F(host_authentication, says_what_was_wrong) {
    give_keys(host_key);
    EXPECT_EQ(connect(""), "loop here:4420: queue 0: the controller asks for authentication (--dhchap-key)");
    EXPECT_EQ(connect(other_key),
              "loop here:4420: authentication of queue 0: the controller ends it: authentication failed");
    EXPECT_EQ(connect(host_key, ctrlr_key),
              "loop here:4420: authentication of queue 0: the controller ends it: authentication failed")
        << "the target has no key of its own";
    EXPECT_TRUE(access().set_dhchap_keys(loop::test::hostnqn, make_key(host_key), make_key(other_key)));
    EXPECT_EQ(connect(host_key, ctrlr_key), "loop here:4420: authentication of queue 0: the controller has not proved "
                                            "its key (--dhchap-ctrl-key)");
    EXPECT_TRUE(access().set_dhchap_keys(loop::test::hostnqn, nullptr, nullptr));
    EXPECT_EQ(connect(host_key, ctrlr_key), "loop here:4420: queue 0: the controller offers no proof of its key");
    ASSERT_EQ(connect(host_key), "") << "a controller that does not ask is taken, as by other hosts";
    wait(k->disconnect());
}

TEST_F(host_authentication, happens_again_on_live_queues) {
    give_keys(host_key);
    ASSERT_EQ(connect(host_key), "");
    EXPECT_TRUE(wait(k->authenticate_again(0)));
    EXPECT_TRUE(wait(k->authenticate_again(1), 1));
    EXPECT_TRUE(access().set_dhchap_keys(loop::test::hostnqn, make_key(other_key), nullptr));
    const auto refused = wait(k->authenticate_again(2), 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EACCES);
    wait(k->disconnect());
}

}  // namespace
}  // namespace causeway::host
