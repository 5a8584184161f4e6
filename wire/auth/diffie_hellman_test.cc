// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/diffie_hellman.h"

#include <gtest/gtest.h>
#include <memory>
#include <openssl/bn.h>
#include <openssl/err.h>

namespace causeway::auth {
namespace {

struct deleter {
    void operator()(BIGNUM* n) const noexcept { BN_free(n); }
    void operator()(BN_CTX* c) const noexcept { BN_CTX_free(c); }
};
using number = std::unique_ptr<BIGNUM, deleter>;

/// ffdhe2048, computed from the formula of RFC 7919, "ffdhe2048", with Python's decimal module.
number prime_of_ffdhe2048() {
    constexpr const char* digits =
        "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FBCC939DCE249B3EF97D2FE363630C75"
        "D8F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935984F0C70E0E68B77E2A689DAF3EF"
        "E8721DF158A136ADE73530ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4AE56EDE763"
        "72BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F619172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC"
        "2EC22005C58EF1837D1683B2C6F34A26C1B2EFFA886B423861285C97FFFFFFFFFFFFFFFF";
    BIGNUM* p = nullptr;
    EXPECT_EQ(BN_hex2bn(&p, digits), 512);
    return number(p);
}

/// base^exponent mod p, as long as p.
bytes power(const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* p) {
    const std::unique_ptr<BN_CTX, deleter> context(BN_CTX_new());
    const number result(BN_new());
    EXPECT_EQ(BN_mod_exp(result.get(), base, exponent, p, context.get()), 1);
    bytes b(static_cast<std::size_t>(BN_num_bytes(p)));
    EXPECT_EQ(BN_bn2binpad(result.get(), b.data(), static_cast<int>(b.size())), static_cast<int>(b.size()));
    return b;
}

TEST(ephemeral_key, shares_what_plain_arithmetic_finds) {
    const number p = prime_of_ffdhe2048(), y(BN_new()), g(BN_new());
    BN_set_word(g.get(), 2);
    BN_set_word(y.get(), 0x123456789abcdef1);
    const ephemeral_key ours = ephemeral_key::generate(auth_dhgroup::ffdhe2048);
    const auto shared = ours.shared_secret(power(g.get(), y.get(), p.get()));
    ASSERT_TRUE(shared);
    const bytes& value = ours.public_value();
    const number ours_as_number(BN_bin2bn(value.data(), static_cast<int>(value.size()), nullptr));
    EXPECT_TRUE(equal(*shared, power(ours_as_number.get(), y.get(), p.get())));
}

TEST(ephemeral_key, shares_a_secret_with_its_peer_in_every_group) {
    for (const auth_dhgroup g : all_dhgroups) {
        if (g == auth_dhgroup::null)
            continue;
        const ephemeral_key a = ephemeral_key::generate(g), b = ephemeral_key::generate(g);
        EXPECT_EQ(a.public_value().size(), size_of(g)) << to_string(g);
        EXPECT_NE(a.public_value(), b.public_value()) << to_string(g);
        const auto of_a = a.shared_secret(b.public_value()), of_b = b.shared_secret(a.public_value());
        ASSERT_TRUE(of_a && of_b) << to_string(g);
        EXPECT_EQ(of_a->size(), size_of(g)) << to_string(g);
        EXPECT_EQ(*of_a, *of_b) << to_string(g);
    }
}

TEST(ephemeral_key, takes_no_value_that_gives_the_secret_away) {
    const ephemeral_key ours = ephemeral_key::generate(auth_dhgroup::ffdhe2048);
    const number p = prime_of_ffdhe2048();
    const auto value = [&](const BIGNUM* n) {
        bytes b(256);
        BN_bn2binpad(n, b.data(), 256);
        return b;
    };
    bytes one(256), two(256);
    one.back() = 1;
    two.back() = 2;
    EXPECT_TRUE(ours.shared_secret(two));
    EXPECT_FALSE(ours.shared_secret(bytes(256))) << "0";
    EXPECT_FALSE(ours.shared_secret(one));
    EXPECT_FALSE(ours.shared_secret(value(p.get()))) << "p";
    BN_sub_word(p.get(), 1);
    EXPECT_FALSE(ours.shared_secret(value(p.get()))) << "p - 1";
    EXPECT_FALSE(ours.shared_secret(bytes(256, 0xff))) << "more than p";
    EXPECT_FALSE(ours.shared_secret({})) << "nothing";
    EXPECT_FALSE(ours.shared_secret(bytes(two.begin() + 1, two.end()))) << "a byte less";
    EXPECT_FALSE(ours.shared_secret(bytes(384, 2))) << "of a larger group";
    EXPECT_EQ(ERR_peek_error(), 0u) << "the list of errors is the thread's";
}

}  // namespace
}  // namespace causeway::auth
