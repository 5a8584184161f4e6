// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/responses.h"

#include "wire/auth/dhchap_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <numeric>

namespace causeway::auth {
namespace {

// Expected values by hand, with Python's hmac and hashlib modules from the specification's formulas.

constexpr std::string_view host = "nqn.2014-08.org.nvmexpress:uuid:0b6d1f9c-7e0a-4d5b-9a53-6d1f0f4c2a11";
constexpr std::string_view disk = "nqn.2024-01.io.example:disk";

/// first, first + 1, …
secret counting(std::size_t n, unsigned char first) {
    secret s(n);
    std::iota(s.begin(), s.end(), first);
    return s;
}
std::string hex(const secret& s) {
    return fmt::format("{:02x}", fmt::join(s, ""));
}

struct row {
    auth_hash hash;
    std::string_view r1, r2, augmented;
};
const row rows[] = {
    {auth_hash::sha256, "94dfd4eaf9faaba1405facc8c3da204db6039f6a8950932fc68fdc2de22d5c50",
     "0901fc6d31b784966d8bf9be8990c443caadadce688f253c52e6c19fa94380d7",
     "37d8af35f8fc5383ebe306852c9a76ceb6fa89551c3cc7dd1c480c3327f53d71"},
    {auth_hash::sha384,
     "045ff0e4c52d70dd496364178e4adcc86d20bfc1d806e079c1ac0d7b9b36bde5c4c75e97815292a93e47771c186cc1fe",
     "2e4bc9fa8494663b836cea6984cf8a1da38e45c62081277fce22ae486cd2c38b43dbadbb63fcb2524bf27d63f34e640a",
     "1826f0a04be399cac1b5c4f6fc7139c836bb845eb1febeba6902154a9f9cd781921bdc0d1a72cb8d339bc7120e696c37"},
    {auth_hash::sha512,
     "e4be7c1979499b39013e82283da91abdb24bc1f1b2645553d2e1c9471ff69aad1e76fd258eeaece31705ebf2d94b173eb80271623d0611da"
     "11f223881f71d8a7",
     "eaa4bf1218559ff57f5a51c55ab99de8215b2313fa62a9332b39af29cb1f216677595d49f339d5d55905b960e7d6fe6ad7c9b9ea2bb398fb"
     "d1fba72f11be6581",
     "240e36c0ee09248205b7ca7b84cefc5f25f841c5a82e6f7cff876ecf3779dec5517a55434ccd82cbe9d4a61c820b4e024703fd8da970500c"
     "e266461cb51aeb22"},
};

TEST(responses, are_computed_as_specified) {
    for (const row& r : rows) {
        const std::size_t n = size_of(r.hash);
        const transaction t{r.hash, 0x1234, host, disk};
        const dhchap_key key{r.hash, counting(n, 0)};
        EXPECT_EQ(hex(host_response(t, transformed(key, host), counting(n, 0x40), 0x01020304)), r.r1);
        EXPECT_EQ(hex(controller_response(t, transformed(key, disk), counting(n, 0x80), 0xa0b0c0d0)), r.r2);
        EXPECT_EQ(hex(augmented_challenge(r.hash, counting(256, 7), counting(n, 0x40))), r.augmented);
    }
}

TEST(responses, are_equal_only_if_every_byte_is) {
    const secret a = counting(32, 0);
    EXPECT_TRUE(equal(a, counting(32, 0)));
    EXPECT_FALSE(equal(a, counting(31, 0)));
    for (std::size_t i = 0; i < a.size(); ++i) {
        secret b = a;
        b[i] ^= 0x80;
        EXPECT_FALSE(equal(a, b)) << i;
    }
}

TEST(random_numbers, differ_and_a_sequence_number_is_not_zero) {
    EXPECT_NE(random_bytes(32), random_bytes(32));
    EXPECT_NE(random_sequence_number(), 0u);
}

}  // namespace
}  // namespace causeway::auth
