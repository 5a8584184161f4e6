// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.h"

#include <functional>
#include <gtest/gtest.h>
#include <string>

namespace causeway::core::test {

/// What the log prints while `f` runs.
inline std::string printed(const std::function<void()>& f) {
    log::flush();
    ::testing::internal::CaptureStderr();
    f();
    EXPECT_TRUE(log::flush());
    return ::testing::internal::GetCapturedStderr();
}

}  // namespace causeway::core::test
