// SPDX-License-Identifier: Apache-2.0
#include "core/fd_wait.h"

#include "core/task.h"
#include "core/testing/core_fixture.h"
#include "core/unique_fd.h"

#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

unique_fd new_eventfd() {
    return unique_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

TEST(unique_fd, closes_what_it_owns_once) {
    int number;
    {
        auto a = new_eventfd();
        number = a.get();
        unique_fd b = std::move(a);
        EXPECT_FALSE(a);
        EXPECT_EQ(b.get(), number);
        a = std::move(b);
        EXPECT_FALSE(b);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(unique_fd, closes_the_former_one_when_it_gets_another) {
    auto a = new_eventfd();
    const int former = a.get();
    auto b = new_eventfd();
    const int latter = b.get();
    a = std::move(b);
    EXPECT_FALSE(is_open(former));
    EXPECT_EQ(a.get(), latter);
    a.reset();
    EXPECT_FALSE(is_open(latter));
    EXPECT_FALSE(a);
}

TEST(unique_fd, releases_its_descriptor_and_owns_nothing_after_a_failed_call) {
    auto a = new_eventfd();
    const unique_fd owner(a.release());
    EXPECT_FALSE(a);
    EXPECT_TRUE(is_open(owner.get()));
    const unique_fd failed(::open("/no/such/file", O_RDONLY));
    EXPECT_FALSE(failed);
}

TEST(unique_fd, does_not_change_errno) {
    auto a = unique_fd(-1);
    {
        const unique_fd not_open(1 << 20);  // closing it fails
        errno = ECONNREFUSED;
    }
    EXPECT_EQ(errno, ECONNREFUSED);
}

struct fd_waiting : ::testing::Test {
    test::manual_reactors reactors;
    unique_fd fd = new_eventfd();
    std::string log;

    void wait(std::optional<nanoseconds> limit = std::nullopt) {
        reactors[0].execute([this, limit] { detach(wait_and_tell(limit)); });
        reactors.turn_after(0ms);
    }
    task<> wait_and_tell(std::optional<nanoseconds> limit) {
        const bool ready = co_await readable(fd.get(), limit);
        log += ready ? "ready " : "late ";
    }
    void write() { ASSERT_EQ(::eventfd_write(fd.get(), 1), 0); }
};

TEST_F(fd_waiting, continues_when_the_descriptor_is_ready) {
    wait();
    reactors.turn_after(1s);
    EXPECT_EQ(log, "");
    write();
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "ready ");
}

TEST_F(fd_waiting, continues_after_its_limit_and_may_wait_again) {
    wait(5ms);
    reactors.turn_after(4ms);
    EXPECT_EQ(log, "");
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "late ");
    write();
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "late ") << "it is not watched any more";
    wait(5ms);
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "late ready ");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(fd_waiting, continues_once_if_both_come_in_one_turn) {
    wait(5ms);
    write();
    reactors.turn_after(9ms);
    reactors.turn_after(9ms);
    EXPECT_EQ(log, "late ");
}

TEST_F(fd_waiting, a_descriptor_that_was_hung_up_is_ready) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fd.reset(ends[0]);
    wait(1s);
    unique_fd(ends[1]).reset();
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "ready ");
}

TEST_F(fd_waiting, can_wait_for_room_and_close_the_descriptor_right_after) {
    const auto use = [this]() -> task<> {
        const bool ready = co_await writable(fd.get(), 1s);
        log += ready ? "ready " : "late ";
        fd.reset();
    };
    reactors[0].execute([&] { detach(use()); });
    reactors.turn_after(0ms);
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "ready ");
}

TEST_F(fd_waiting, a_task_destroyed_while_it_waits_leaves_no_watch) {
    struct running {
        struct promise_type {
            running get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_always final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept { std::terminate(); }
        };
        std::coroutine_handle<promise_type> handle;
    };
    std::optional<running> task;
    const auto wait_here = [](int fd, std::string& log) -> running {
        co_await readable(fd, 1s);
        log += "went on";
    };
    reactors[0].execute([&] { task = wait_here(fd.get(), log); });
    reactors.turn_after(0ms);
    reactors[0].execute([&] { task->handle.destroy(); });
    reactors.turn_after(0ms);
    write();
    reactors.turn_after(2s);
    EXPECT_EQ(log, "");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
    wait();
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "ready ") << "another may watch it";
}

}  // namespace
}  // namespace causeway::core
