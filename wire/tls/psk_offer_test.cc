// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/psk_offer.h"

#include <gtest/gtest.h>

namespace causeway::tcp {
namespace {

using octets = std::vector<unsigned char>;

/// Two identities, "ab" and "c", with binders of 32 and 33 bytes. Laid out by hand from RFC 8446, "Pre-Shared Key
/// Extension".
octets good() {
    octets e = {0, 15,                        // identities
                0, 2,  'a', 'b', 1, 2, 3, 4,  // the first, and its obfuscated ticket age
                0, 1,  'c', 0,   0, 0, 0,     //
                0, 67,                        // binders
                32};
    e.insert(e.end(), 32, 0x11);
    e.push_back(33);
    e.insert(e.end(), 33, 0x22);
    return e;
}

TEST(psk_offers, are_read_in_order) {
    const octets extension = good();
    const psk_offers offers = read_psk_offers(extension);
    ASSERT_EQ(offers.all.size(), 2u);
    EXPECT_EQ(offers.all[0].identity, "ab");
    EXPECT_EQ(octets(offers.all[0].binder.begin(), offers.all[0].binder.end()), octets(32, 0x11));
    EXPECT_EQ(offers.all[1].identity, "c");
    EXPECT_EQ(octets(offers.all[1].binder.begin(), offers.all[1].binder.end()), octets(33, 0x22));
    EXPECT_EQ(offers.binders_size, 69u);
}

TEST(psk_offers, that_are_cut_or_too_long_are_none) {
    const octets whole = good();
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_TRUE(read_psk_offers(cut).all.empty()) << n;
    }
    octets longer = whole;
    longer.push_back(0);
    EXPECT_TRUE(read_psk_offers(longer).all.empty());
}

TEST(psk_offers, whose_lengths_contradict_each_other_are_none) {
    for (const std::size_t at : {1u, 3u, 11u, 18u, 19u, 52u})
        for (const int by : {-1, 1}) {
            octets bent = good();
            bent[at] = static_cast<unsigned char>(bent[at] + by);
            EXPECT_TRUE(read_psk_offers(bent).all.empty()) << at << " " << by;
        }
}

TEST(psk_offers, a_binder_for_each_identity) {
    octets one_binder = good();
    one_binder.resize(one_binder.size() - 34);
    one_binder[18] = 33;
    EXPECT_TRUE(read_psk_offers(one_binder).all.empty());
}

TEST(binder, of_another_length_never_fits) {
    const tls_psk psk{"id", psk_hash::sha256, secret(32, 7)};
    const octets hello(100, 1);
    for (const std::size_t n : {0u, 31u, 32u, 33u, 48u})
        EXPECT_FALSE(binder_fits(psk, hello, octets(n, 0)));
}

}  // namespace
}  // namespace causeway::tcp
