// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/psk.h"

#include "wire/tls/psk_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace causeway::tcp {
namespace {

// Keys of bytes 0, 1, 2, …. Derived by hand with Python's hmac and hashlib modules from RFC 5869 and the
// specification's formulas. Identities were compared with those of `nvme check-tls-key` 2.13: of version 0 all; of
// version 1 those with a hash, as psk_reading::bare has them.
constexpr std::string_view key_00 = "NVMeTLSkey-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
constexpr std::string_view key_01 = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
constexpr std::string_view key_00_48 =
    "NVMeTLSkey-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";
constexpr std::string_view key_02 =
    "NVMeTLSkey-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";

constexpr std::string_view host = "nqn.2014-08.org.nvmexpress:uuid:0b6d1f9c-7e0a-4d5b-9a53-6d1f0f4c2a11";
constexpr std::string_view disk = "nqn.2024-01.io.example:disk";

struct derivation {
    std::string_view key;
    psk_version version;
    psk_reading reading;
    std::string_view prefix, digest;  ///< of the identity
    std::string_view tls_key;
};
const derivation derivations[] = {
    {key_00, psk_version::zero, psk_reading::rfc8446, "NVMe0R01", "",
     "ac03b358c2664c0f4afd19f77953c851127e4a1985d39b70d6d4f667a617ba7f"},
    {key_00, psk_version::one, psk_reading::rfc8446, "NVMe1R01", " dluvrQv77xOetwMigJ03Ko/7xh9pV7xlqjbor/12TCM=",
     "e0658cf1f95c94f3b1b4f933ab71e93b613622e4c2f0c30c8ddafea5608ea91c"},
    {key_01, psk_version::zero, psk_reading::rfc8446, "NVMe0R01", "",
     "59c620bb24ac58e97f7e244f0ed6609d0ff1956468caad412b2e8e1919d15d70"},
    {key_01, psk_version::one, psk_reading::rfc8446, "NVMe1R01", " iF0it7nHHnwcTV6681K+3jEXaisOznRy2C5vYptKKt4=",
     "101c77392651108467873dbdc59e1cd02981d7579aab8711b68e7c9ce6b7a070"},
    {key_00_48, psk_version::zero, psk_reading::rfc8446, "NVMe0R02", "",
     "9d0320dfd6eaae44989c8abd19b216800d1e76267f4647c830bc16ba1e9b0432e34120e05a4dac8060b331f28008b7e0"},
    {key_02, psk_version::zero, psk_reading::rfc8446, "NVMe0R02", "",
     "45c676bdf2824249ba7b24b12e45dbf826e7645b1a84bb183456fdac684d8f954dd7b00e89079e7b3a4516cc746c41b1"},
    {key_02, psk_version::one, psk_reading::rfc8446, "NVMe1R02",
     " WoMw+clraNokpCYvE8a+BEQgYocnNm+JasWkm31QmODEC+XCpcZTmzswanLZ7a5Y",
     "61709ee23dbe1f7ee6f96373faaba0e51169566dbeac82883ae451db1d396a87b163fe5357770d9dca9396f94263cee9"},
    {key_01, psk_version::zero, psk_reading::bare, "NVMe0R01", "",
     "417719fe4460db3b644a3f58bcc19abc9c1d290e41daae48a8e47763d310ae45"},
    {key_01, psk_version::one, psk_reading::bare, "NVMe1R01", " /JxvxdXVmgIpjiChPe6s2OEIySVVOo19oOQRIYkBsZw=",
     "8cfda87ecbb371242948b6f7a0c9f5c15e34e77865d091796ecfb66145cc17d0"},
    {key_00_48, psk_version::zero, psk_reading::bare, "NVMe0R02", "",
     "d74a98ea672b4cbc73f0e3d0c90b06c87182a4c4c30ad286d4bbe1911a10abb49bcf358a44a765b24c67c64db44d4181"},
    {key_02, psk_version::one, psk_reading::bare, "NVMe1R02",
     " GAtxFkwd4dZFOMOGSyKRwamFqaj9boeqrptp+lUZxGuWhgEUbXd0fqkXieMYFv+Y",
     "3ada823ffad9ecdcb27f056984fbed9827f1f7d026286c5a1ece4586776f71f443a45f40598b355d209ba7f2ec3447aa"},
};

TEST(psk, is_derived_as_specified) {
    for (const auto& d : derivations) {
        const auto configured = parse_psk(d.key);
        ASSERT_TRUE(configured) << d.key;
        const auto psk = derive_tls_psk(*configured, d.version, d.reading, host, disk);
        ASSERT_TRUE(psk);
        EXPECT_EQ(psk->identity, fmt::format("{} {} {}{}", d.prefix, host, disk, d.digest));
        EXPECT_EQ(fmt::format("{:02x}", fmt::join(psk->key, "")), d.tls_key) << psk->identity;
        EXPECT_EQ(psk->hash, d.prefix.ends_with('2') ? psk_hash::sha384 : psk_hash::sha256);
    }
}

struct refusal {
    const char* sentence;
    std::string_view text;
};
const refusal refusals[] = {
    {"nothing", ""},
    {"another version", "NVMeTLSkey-2:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"a key for authentication", "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"no hash", "NVMeTLSkey-1:"},
    {"a hash that does not exist", "NVMeTLSkey-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"no key", "NVMeTLSkey-1:01:"},
    {"an empty key", "NVMeTLSkey-1:01::"},
    {"no end", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR"},
    {"something after the end", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:\n"},
    {"a letter that is none", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR-:"},
    {"a blank", "NVMeTLSkey-1:01: AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"padding within", "NVMeTLSkey-1:01:AAEC=wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"nothing but padding", "NVMeTLSkey-1:01:====:"},
    {"another sum", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaS:"},
    {"another byte", "NVMeTLSkey-1:01:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"a sum without a key", "NVMeTLSkey-1:00:AAAAAA==:"},
    {"less than a sum", "NVMeTLSkey-1:00:AAA=:"},
    {"a short key for SHA-384", "NVMeTLSkey-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"},
    {"a long key for SHA-256",
     "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:"},
};

TEST(psk, that_is_none_is_refused_and_not_quoted) {
    for (const auto& r : refusals) {
        const auto parsed = parse_psk(r.text);
        ASSERT_FALSE(parsed) << r.sentence;
        EXPECT_EQ(parsed.error().code, EINVAL) << r.sentence;
        EXPECT_EQ(parsed.error().text().find("AECAwQF"), std::string::npos) << r.sentence;
    }
}

TEST(psk, names_that_are_too_long_have_no_identity_of_version_0) {
    const auto configured = parse_psk(key_01);
    const std::string longest(223, 'x');
    EXPECT_FALSE(derive_tls_psk(*configured, psk_version::zero, psk_reading::rfc8446, longest, longest));
    EXPECT_TRUE(derive_tls_psk(*configured, psk_version::one, psk_reading::rfc8446, longest, longest));
}

TEST(psk, a_proof_is_of_one_host_and_one_subsystem) {
    const std::string proof = proof_of(host, disk);
    EXPECT_TRUE(identity_matches(proof, host, disk));
    EXPECT_FALSE(identity_matches(proof, disk, host));
    EXPECT_FALSE(identity_matches(proof, host, "nqn.2024-01.io.example:other"));
    EXPECT_FALSE(identity_matches("", host, disk));
}

std::string identity_0(std::string_view h, std::string_view s) {
    return fmt::format("NVMe0R01 {} {}", h, s);
}

TEST(psk_store, knows_a_host_by_all_its_identities_until_it_is_forgotten) {
    psk_store store;
    ASSERT_TRUE(store.admit(disk, host, key_01));
    ASSERT_TRUE(store.admit("nqn.2024-01.io.example:other", host, key_01));
    for (const auto& d : derivations)
        if (d.key == key_01) {
            const auto found = store.find(fmt::format("{} {} {}{}", d.prefix, host, disk, d.digest));
            EXPECT_EQ(found.size(), d.version == psk_version::zero ? 2u : 1u);
            for (const auto& e : found)
                EXPECT_EQ(e->proof, proof_of(host, disk));
        }
    store.remove(disk, host);
    EXPECT_TRUE(store.find(identity_0(host, disk)).empty());
    EXPECT_EQ(store.find(identity_0(host, "nqn.2024-01.io.example:other")).size(), 2u);
}

TEST(psk_store, a_new_key_is_instead_of_the_old_one) {
    psk_store store;
    ASSERT_TRUE(store.admit(disk, host, key_01));
    ASSERT_FALSE(store.admit(disk, host, "no key"));
    EXPECT_EQ(store.find(identity_0(host, disk)).size(), 2u) << "it stays until there is another one";
    ASSERT_TRUE(store.admit(disk, host, key_02));
    EXPECT_TRUE(store.find(identity_0(host, disk)).empty());
}

/// Entries by identity, and by whom they are of: neither is gone over to find one. Hosts that come and go by hundreds
/// hold up nobody.
TEST(psk_store, of_many_hosts_lets_each_come_and_go_alone) {
    psk_store store;
    const auto name = [](int i) { return fmt::format("nqn.2024-01.io.example:host{}", i); };
    constexpr int hosts = 300;
    for (int i = 0; i < hosts; ++i)
        ASSERT_TRUE(store.admit(disk, name(i), key_01));
    EXPECT_EQ(store.size(), 4u * hosts);
    for (int i = 0; i < hosts; i += 2)
        store.remove(disk, name(i));
    EXPECT_EQ(store.size(), 2u * hosts);
    for (int i = 0; i < hosts; ++i)
        EXPECT_EQ(store.find(identity_0(name(i), disk)).size(), i % 2 ? 2u : 0u);
    for (int i = 0; i < hosts; ++i)
        store.remove(disk, name(i));
    EXPECT_EQ(store.size(), 0u);
}

TEST(psk_store, refuses_names_that_no_identity_carries) {
    psk_store store;
    const auto fits = [&](std::size_t bytes_of_host) {
        return store.admit(disk, std::string(bytes_of_host, 'h'), key_01).has_value();
    };
    const std::size_t most = 256 - std::string("NVMe0R01  ").size() - 1 - std::string_view(disk).size();
    EXPECT_TRUE(fits(most));
    EXPECT_EQ(store.find(identity_0(std::string(most, 'h'), disk)).size(), 2u);
    EXPECT_FALSE(fits(most + 1));
    EXPECT_FALSE(store.admit(disk, "nqn.2024-01.io.example:a b", key_01)) << "a blank ends a name";
    EXPECT_FALSE(store.admit("nqn.2024-01.io.example:a b", host, key_01));
}

}  // namespace
}  // namespace causeway::tcp
