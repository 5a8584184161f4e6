// SPDX-License-Identifier: Apache-2.0
#include "ceph/deadline_call.h"

#include "core/blocking_pool.h"
#include "core/simulation.h"
#include "core/testing/core_fixture.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <latch>
#include <optional>

namespace causeway::ceph {
namespace {

using core::test::eventually;
using namespace std::chrono_literals;
using outcome = std::optional<core::result<int>>;

const core::error too_late{ETIMEDOUT, "not within 30 s", "x"};

/// Reactors in virtual time beside threads that really block.
class attempts : public testing::Test {
  protected:
    ~attempts() override { pool_.stop(); }

    std::shared_ptr<cluster_threads> a_cluster() { return std::make_shared<cluster_threads>(pool_); }
    /// One attempt, begun; its outcome comes to `to`.
    void start(deadline_call<int>& a, const std::shared_ptr<cluster_threads>& on, std::string what, outcome& to,
               deadline_call<int>::function work) {
        s_[0].execute([&a, on, what = std::move(what), &to, work = std::move(work)] {
            core::detach(a.run(on, what, 30s, too_late, work), [&to](core::result<int> r) { to = std::move(r); });
        });
        s_.run_for(1ms);
    }
    /// The outcome of work that ends by itself.
    int code(const std::shared_ptr<cluster_threads>& on, const std::string& what) {
        deadline_call<int> a;
        outcome o;
        std::atomic<bool> ran{false};
        start(a, on, what, o, [&ran] { return ran = true, core::result<int>(1); });
        if (!o) {
            EXPECT_TRUE(eventually([&] { return ran.load(); }));
        }
        EXPECT_TRUE(eventually([&] { return s_.run_for(1us), o.has_value(); }));
        return *o ? 0 : o->error().code;
    }
    deadline_call<int>::function hang() {
        return [this] {
            ++hanging_;
            release_.wait();
            --hanging_;
            return core::result<int>(2);
        };
    }

    std::latch release_{1};
    std::atomic<int> hanging_{0};
    core::simulation s_{1};
    core::blocking_pool pool_{{}, 64};
};

TEST_F(attempts, one_that_hangs_is_given_up_listed_and_not_repeated) {
    const auto threads = a_cluster();
    deadline_call<int> a;
    outcome o;
    start(a, threads, "rbd/x", o, hang());
    ASSERT_TRUE(eventually([&] { return hanging_ == 1; }));
    EXPECT_TRUE(threads->hung().empty()) << "not yet: its time has not passed";
    s_.run_for(31s);
    ASSERT_TRUE(o);
    EXPECT_EQ(o->error().code, ETIMEDOUT);
    EXPECT_THAT(threads->hung(), testing::ElementsAre("rbd/x"));

    EXPECT_EQ(code(threads, "rbd/x"), EBUSY);
    EXPECT_EQ(code(threads, "rbd/y"), 0) << "another image of the cluster";

    release_.count_down();
    ASSERT_TRUE(eventually([&] { return threads->hung().empty(); }));
    EXPECT_EQ(code(threads, "rbd/x"), 0);
}

TEST_F(attempts, one_that_is_cancelled_is_answered_at_once) {
    const auto threads = a_cluster();
    deadline_call<int> a;
    outcome o;
    start(a, threads, "rbd/x", o, hang());
    ASSERT_TRUE(eventually([&] { return hanging_ == 1; }));
    a.cancel({ECANCELED, "deleted", "x"});
    s_.run_for(1ms);
    ASSERT_TRUE(o);
    EXPECT_EQ(o->error().code, ECANCELED);
    EXPECT_EQ(code(threads, "rbd/x"), EBUSY);
    release_.count_down();
}

TEST_F(attempts, a_cluster_that_hangs_in_128_calls_holds_its_own_threads_and_no_more) {
    const auto bad = a_cluster(), good = a_cluster();
    std::vector<deadline_call<int>> tries(128);
    std::vector<outcome> outcomes(tries.size());
    for (std::size_t n = 0; n < tries.size(); ++n)
        start(tries[n], bad, "rbd/" + std::to_string(n), outcomes[n], hang());
    constexpr int all_of_its_threads = cluster_threads::max_running;
    ASSERT_TRUE(eventually([&] { return hanging_ == all_of_its_threads; }));
    EXPECT_EQ(code(good, "rbd/0"), 0);

    s_.run_for(31s);
    for (const outcome& o : outcomes)
        EXPECT_TRUE(o && o->error().code == ETIMEDOUT);
    EXPECT_EQ(bad->hung().size(), cluster_threads::max_running);
    EXPECT_EQ(code(bad, "rbd/new"), EBUSY);
    EXPECT_EQ(code(good, "rbd/0"), 0);

    release_.count_down();
    ASSERT_TRUE(eventually([&] { return bad->hung().empty(); }));
    EXPECT_EQ(code(bad, "rbd/new"), 0);
    EXPECT_EQ(hanging_, 0) << "what was given up before its turn has not run";
}

TEST_F(attempts, what_comes_too_late_goes_on_its_own_thread_before_the_next_attempt) {
    const auto threads = a_cluster();
    deadline_call<std::shared_ptr<int>> a;
    const auto made = std::make_shared<int>(1);
    bool answered = false;
    std::atomic<bool> begun{false};
    s_[0].execute([&] {
        core::detach(a.run(threads, "rbd/x", 30s, too_late,
                           [this, &begun, made] {
                               begun = true;
                               release_.wait();
                               return core::result<std::shared_ptr<int>>(made);
                           }),
                     [&](const core::result<std::shared_ptr<int>>& r) { answered = !r; });
    });
    s_.run_for(1ms);
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    s_.run_for(31s);
    EXPECT_TRUE(answered);
    release_.count_down();
    ASSERT_TRUE(eventually([&] { return threads->hung().empty(); }));
    EXPECT_TRUE(eventually([&] { return made.use_count() == 1; }));
}

}  // namespace
}  // namespace causeway::ceph
