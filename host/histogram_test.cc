// SPDX-License-Identifier: Apache-2.0
#include "host/histogram.h"

#include <gtest/gtest.h>

namespace causeway::host {
namespace {

TEST(histogram, has_no_percentile_without_values) {
    EXPECT_EQ(histogram().percentile(50), 0u);
    EXPECT_EQ(histogram().mean(), 0);
}

TEST(histogram, percentiles_are_right_to_a_step) {
    histogram h;
    for (std::uint64_t i = 1; i <= 100000; ++i)
        h.add(i);
    EXPECT_EQ(h.count(), 100000u);
    EXPECT_DOUBLE_EQ(h.mean(), 50000.5);
    for (const double p : {50., 99., 99.9, 99.99, 100.}) {
        const double exact = p * 1000;
        EXPECT_GE(static_cast<double>(h.percentile(p)), exact) << p;
        EXPECT_LE(static_cast<double>(h.percentile(p)), exact * 1.016) << p;
    }
}

TEST(histogram, takes_any_value) {
    for (const std::uint64_t v : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{127},
                                  std::uint64_t{128}, ~std::uint64_t{0}}) {
        histogram h;
        h.add(v);
        EXPECT_GE(h.percentile(50), v);
        EXPECT_LE(h.percentile(50) - v, v / 64);
    }
}

TEST(histogram, a_rare_value_shows_in_its_percentile) {
    histogram h;
    for (int i = 0; i < 9999; ++i)
        h.add(10);
    h.add(5000);
    EXPECT_EQ(h.percentile(99.99), 10u);
    EXPECT_GE(h.percentile(100), 5000u);
}

}  // namespace
}  // namespace causeway::host
