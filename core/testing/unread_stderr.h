// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.h"
#include "core/unique_fd.h"

#include <array>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace causeway::core::test {

/// Stderr is a pipe that is full before long, and that nobody reads until read().
class unread_stderr {
  public:
    unread_stderr() {
        log::flush();  // what was logged before does not belong in there
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe(ends.data()), 0);
        reader_.reset(ends[0]);
        const unique_fd writer(ends[1]);
        before_.reset(::dup(STDERR_FILENO));
        EXPECT_EQ(::dup2(writer.get(), STDERR_FILENO), STDERR_FILENO);
    }
    /// All that has been logged. Once; stderr is as before then.
    std::string read() {
        auto said = std::async(std::launch::async, [this] { return read_all(); });
        while (!log::flush()) {
        }  // to the end: nothing may be written to a pipe that is closed
        EXPECT_EQ(::dup2(before_.get(), STDERR_FILENO), STDERR_FILENO);
        return said.get();
    }

  private:
    /// Until the pipe's other end is closed.
    std::string read_all() const {
        std::string all;
        std::vector<char> buffer(1 << 16);
        while (const auto n = ::read(reader_.get(), buffer.data(), buffer.size())) {
            if (n < 0)
                break;
            all.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return all;
    }

    unique_fd reader_, before_;
};

}  // namespace causeway::core::test
