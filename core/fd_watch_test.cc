// SPDX-License-Identifier: Apache-2.0
#include "core/reactor.h"

#include "core/testing/core_fixture.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <sys/eventfd.h>
#include <unistd.h>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

// Descriptors, by hand: a reactor that takes turns looks at them every half a millisecond.

struct reactor_descriptors : ::testing::Test {
    test::manual_reactors reactors;
    reactor& r = reactors[0];
    int fds[2] = {::eventfd(1, EFD_NONBLOCK), ::eventfd(1, EFD_NONBLOCK)};
    int calls = 0;

    ~reactor_descriptors() override {
        ::close(fds[0]);
        ::close(fds[1]);
    }
};

TEST_F(reactor_descriptors, are_polled_periodically) {
    fd_watch w(r, fds[0], EPOLLIN, [this](std::uint32_t) { ++calls; });
    EXPECT_EQ(reactors.turn_after(1ms), 1u);
    EXPECT_EQ(reactors.turn_after(499us), 0u);
    EXPECT_EQ(reactors.turn_after(1us), 1u);
    w.set_events(0);
    EXPECT_EQ(reactors.turn_after(1ms), 0u);
    w.set_events(EPOLLIN);
    EXPECT_EQ(reactors.turn_after(1ms), 1u);
    EXPECT_EQ(calls, 3);
}

TEST_F(reactor_descriptors, a_function_may_destroy_its_watch_and_others) {
    std::optional<fd_watch> w[2];
    for (int i = 0; i < 2; ++i) {
        const auto witness = std::make_shared<int>(1);
        w[i].emplace(r, fds[i], EPOLLIN, [&, witness](std::uint32_t) {
            w[0].reset();
            w[1].reset();
            calls += *witness;
        });
    }
    EXPECT_EQ(reactors.turn_after(1ms), 1u) << "whichever came first has destroyed the other";
    EXPECT_EQ(calls, 1);
}

TEST_F(reactor_descriptors, are_served_although_one_of_them_is_gone) {
    const int third = ::eventfd(1, EFD_NONBLOCK);
    std::optional<fd_watch> w[3];
    const int all[] = {fds[0], fds[1], third};
    for (int i = 0; i < 3; ++i) {
        w[i].emplace(r, all[i], EPOLLIN, [&, i](std::uint32_t) {
            if (++calls == 1)
                w[(i + 1) % 3].reset();  // the one whose turn is next, in whichever direction
        });
    }
    EXPECT_EQ(reactors.turn_after(1ms), 2u);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(reactors.turn_after(1ms), 2u);
    ::close(third);
}

TEST_F(reactor_descriptors, an_event_of_a_destroyed_watch_does_not_reach_its_successor) {
    std::optional<fd_watch> w[2];
    int inherited = 0;
    const auto heir = [&](std::uint32_t) { ++inherited; };
    for (int i = 0; i < 2; ++i) {
        w[i].emplace(r, fds[i], EPOLLIN, [&, i](std::uint32_t) {
            ++calls;
            const int other = 1 - i;
            w[other].reset();
            std::uint64_t n;
            ASSERT_GT(::read(fds[other], &n, sizeof n), 0);
            w[other].emplace(r, fds[other], EPOLLIN, heir);  // at the same address
        });
    }
    EXPECT_EQ(reactors.turn_after(1ms), 1u);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(inherited, 0);
}

TEST_F(reactor_descriptors, a_descriptor_that_cannot_be_watched_throws) {
    const int regular = ::open("/proc/self/exe", O_RDONLY);
    EXPECT_THROW(fd_watch(r, -1, EPOLLIN, [](std::uint32_t) {}), std::system_error);
    EXPECT_THROW(fd_watch(r, regular, EPOLLIN, [](std::uint32_t) {}), std::system_error);
    ::close(regular);
    EXPECT_EQ(reactors.turn_after(1ms), 0u);
}

}  // namespace
}  // namespace causeway::core
