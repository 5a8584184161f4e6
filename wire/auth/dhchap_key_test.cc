// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/dhchap_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <string>

namespace causeway::auth {
namespace {

// Keys of bytes 0, 1, 2, …. Written and transformed by hand with Python's base64, zlib and hmac modules.
constexpr std::string_view owner = "nqn.2014-08.org.nvmexpress:uuid:0b6d1f9c-7e0a-4d5b-9a53-6d1f0f4c2a11";

struct row {
    const char* sentence;
    std::string_view text;
    std::optional<auth_hash> transform;
    std::string_view transformed;  ///< in hexadecimal
};
const row rows[] = {
    {"a key that is not transformed", "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", std::nullopt,
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
    {"by SHA-256", "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", auth_hash::sha256,
     "6c8d6d1bf17ebebb60d9d003f8a75581caff2a5fddade5afc5a216e8e088efcf"},
    {"by SHA-384",
     "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:", auth_hash::sha384,
     "496cbdefe36de7873c7abd7b09f258285d27b6ef35239c860127843dd6344f898b0b88347f517b7201f09daf3155b990"},
    {"by SHA-512",
     "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
     auth_hash::sha512,
     "5e8a5f54f41169adceefb32e851443d5d1c29bd7dce60cc81993aeeaff56c2378f750221444dc3433b996d5f50060b5d7f3bc84ca24156a3"
     "375032cc953c9490"},
    {"a short key by a long hash", "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", auth_hash::sha512,
     "df80735970e36130b38e139a2dbc5684589cf57eae8f75f0920e0209faa68fd874a5e68fb07e914a96de47e417cc83a8dfed7264b8302f4f"
     "055c72697c7930cf"},
};

TEST(dhchap_key, is_read_and_transformed_as_specified) {
    for (const row& r : rows) {
        const auto key = parse_dhchap_key(r.text);
        ASSERT_TRUE(key) << r.sentence << ": " << key.error().text();
        EXPECT_EQ(key->transform, r.transform) << r.sentence;
        EXPECT_EQ(fmt::format("{:02x}", fmt::join(transformed(*key, owner), "")), r.transformed) << r.sentence;
    }
}

struct refusal {
    const char* sentence;
    std::string_view text;
};
const refusal refusals[] = {
    {"nothing", ""},
    {"a key for TLS", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"another version", "DHHC-2:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"a hash that does not exist", "DHHC-1:04:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"16 bytes", "DHHC-1:01:AAECAwQFBgcICQoLDA0OD4jizs4=:"},
    {"another sum", "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaS:"},
    {"no base64", "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR-:"},
    {"no end", "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR"},
};

TEST(dhchap_key, that_is_none_is_refused_and_not_quoted) {
    for (const refusal& r : refusals) {
        const auto key = parse_dhchap_key(r.text);
        ASSERT_FALSE(key) << r.sentence;
        EXPECT_EQ(key.error().code, EINVAL) << r.sentence;
        EXPECT_EQ(key.error().text().find("AECAwQF"), std::string::npos) << r.sentence;
    }
}

}  // namespace
}  // namespace causeway::auth
