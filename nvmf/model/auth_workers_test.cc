// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/auth_workers.h"

#include "core/testing/core_fixture.h"

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <vector>

namespace causeway::nvmf {
namespace {

using namespace std::chrono_literals;

class auth_workers_test : public testing::Test {
  protected:
    ~auth_workers_test() override {
        while (workers.running() != 0)  // each makes room for others
            for (auto& [address, all] : held)
                while (!all.empty())
                    release(address);
        EXPECT_EQ(workers.addresses(), 0u);
    }

    void ask(const std::string& address, unsigned pieces = 1) {
        for (unsigned i = 0; i < pieces; ++i)
            on_reactor([&] {
                core::detach(workers.acquire(address), [this, address](auth_workers::worker w) {
                    order += address;
                    held[address].push_back(std::move(w));
                });
            });
    }
    void release(const std::string& address) {
        on_reactor([&] { held[address].pop_back(); });
    }
    std::size_t running(const std::string& address) { return held[address].size(); }

    core::test::manual_reactors reactors;
    auth_workers workers;
    std::map<std::string, std::vector<auth_workers::worker>> held;
    std::string order;  ///< of those that have got a worker

  private:
    template <class F>
    void on_reactor(F f) {
        reactors[0].execute(f);
        for (int turns = 0; turns < 3; ++turns)
            reactors.turn_after(0ms);
    }
};

TEST_F(auth_workers_test, one_address_leaves_a_worker_to_the_others) {
    ask("a", 10);
    EXPECT_EQ(running("a"), auth_workers::max_running_of_address);
    ask("b");
    EXPECT_EQ(running("b"), 1u) << "at once";
    ask("b");
    EXPECT_EQ(running("b"), 1u) << "all are at work";
}

TEST_F(auth_workers_test, addresses_take_turns_however_much_each_asks) {
    ask("a", 3);
    ask("b", 1);
    order.clear();
    ask("a", 20);
    ask("b", 3);
    ask("c", 2);
    for (int i = 0; i < 6; ++i)
        release(running("a") ? "a" : running("b") ? "b" : "c");
    EXPECT_EQ(order, "abcabc");
}

/// Three of `a` run: a free worker is nobody else's turn.
TEST_F(auth_workers_test, an_address_that_has_all_it_may_have_is_passed_over) {
    ask("a", 8);
    ask("b", 2);
    order.clear();
    release("b");
    EXPECT_EQ(order, "b");
    release("b");
    EXPECT_EQ(order, "b") << "it is not given to a";
    release("a");
    EXPECT_EQ(order, "ba");
    EXPECT_EQ(workers.running(), auth_workers::max_running_of_address);
}

TEST_F(auth_workers_test, the_waiting_of_one_address_are_bounded) {
    ask("a", auth_workers::max_running_of_address + auth_workers::max_waiting_of_address - 1);
    EXPECT_TRUE(workers.has_room("a"));
    ask("a");
    EXPECT_FALSE(workers.has_room("a"));
    EXPECT_TRUE(workers.has_room("b"));
    release("a");
    EXPECT_TRUE(workers.has_room("a"));
}

}  // namespace
}  // namespace causeway::nvmf
