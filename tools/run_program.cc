// SPDX-License-Identifier: Apache-2.0
#include "tools/run_program.h"

#include "core/unique_fd.h"

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace causeway::tools {

namespace {

using clock = std::chrono::steady_clock;

/// Starts a program whose output goes to `to`; 0: there is none.
pid_t start(const std::vector<std::string>& words, int to) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    std::vector<char*> argv;
    for (const auto& word : words)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int r = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? pid : 0;
}

/// False: nothing has come until then.
bool wait_for(int fd, clock::time_point until) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
        pollfd p{fd, POLLIN, 0};
        if (left <= 0)
            return false;
        if (const int r = ::poll(&p, 1, static_cast<int>(left)); r > 0 || (r < 0 && errno != EINTR))
            return r > 0;
    }
}

/// Up to the end of what is printed; false: that has not come in time.
bool read_all(int fd, clock::time_point until, std::string& text) {
    char bytes[4096];
    while (wait_for(fd, until)) {
        const ssize_t n = ::read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return n == 0;
        text.append(bytes, static_cast<std::size_t>(n));
    }
    return false;
}

}  // namespace

std::optional<std::string> run_program(const std::vector<std::string>& words, std::chrono::milliseconds limit) {
    const auto until = clock::now() + limit;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return std::nullopt;
    core::unique_fd read_end(ends[0]), write_end(ends[1]);
    const pid_t pid = start(words, write_end.get());
    write_end.reset();
    if (pid == 0)
        return std::nullopt;
    const core::unique_fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // Linux 5.3
    std::string text;
    // A program may go on without an output, or leave its output to others.
    const bool has_ended = read_all(read_end.get(), until, text) && process && wait_for(process.get(), until);
    if (!has_ended)
        ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(text) : std::nullopt;
}

}  // namespace causeway::tools
