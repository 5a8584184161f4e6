// SPDX-License-Identifier: Apache-2.0
#include "nvme/nqn.h"

#include <gtest/gtest.h>

#include <string>

namespace causeway::nvme {
namespace {

struct row {
    const char* what;
    std::string name;
    bool valid;
};

const std::string domain_form = "nqn.2016-06.io.spdk:";

const row rows[] = {
    {"a subsystem as operators name it", "nqn.2016-06.io.spdk:cnode1", true},
    {"colons and dots in the string are free", "nqn.2014-08.com.example:nvme:nvm-subsystem-sn-d78432", true},
    {"the well-known discovery name has no colon", "nqn.2014-08.org.nvmexpress.discovery", true},
    {"a UUID", "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true},
    {"a UUID in capitals", "nqn.2014-08.org.nvmexpress:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", true},
    {"an older initiator's form", "nqn.2014-08.org.nvmexpress:NVMf:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true},
    {"UTF-8 in the string", "nqn.2016-06.io.spdk:gr\xc3\xbcn\xe2\x82\xac\xf0\x9f\x90\x99", true},
    {"a domain label that starts with a digit", "nqn.2016-06.io.3com:a", true},
    {"223 bytes", domain_form + std::string(223 - domain_form.size(), 'a'), true},

    {"224 bytes", domain_form + std::string(224 - domain_form.size(), 'a'), false},
    {"nothing", "", false},
    {"the prefix alone", "nqn.", false},
    {"another prefix", "iqn.2016-06.io.spdk:cnode1", false},
    {"the prefix in capitals", "NQN.2016-06.io.spdk:cnode1", false},
    {"no string", "nqn.2016-06.io.spdk", false},
    {"an empty string", "nqn.2016-06.io.spdk:", false},
    {"no domain", "nqn.2016-06.:cnode1", false},
    {"an empty label", "nqn.2016-06.io..spdk:cnode1", false},
    {"a label ending in a hyphen", "nqn.2016-06.io.spdk-:cnode1", false},
    {"a label starting with a hyphen", "nqn.2016-06.io.-spdk:cnode1", false},
    {"a label of 64 bytes", "nqn.2016-06.io." + std::string(64, 'a') + ":cnode1", false},
    {"an underscore in the domain", "nqn.2016-06.io.sp_dk:cnode1", false},
    {"month 13", "nqn.2016-13.io.spdk:cnode1", false},
    {"month 0", "nqn.2016-00.io.spdk:cnode1", false},
    {"letters in the date", "nqn.20x6-06.io.spdk:cnode1", false},
    {"no dash in the date", "nqn.2016.06.io.spdk:cnode1", false},
    {"cut off in the date", "nqn.2016-06", false},
    {"a UUID that lacks a digit", "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf", false},
    {"a UUID with a digit too many", "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6f", false},
    {"a UUID with a dash astray", "nqn.2014-08.org.nvmexpress:uuid:f81d4fae7-dec-11d0-a765-00a0c91e6bf6", false},
    {"a UUID with a letter beyond f", "nqn.2014-08.org.nvmexpress:uuid:g81d4fae-7dec-11d0-a765-00a0c91e6bf6", false},
    {"a control character", "nqn.2016-06.io.spdk:a\nb", false},
    {"a NUL inside", std::string("nqn.2016-06.io.spdk:a\0b", 23), false},
    {"a stray continuation byte", "nqn.2016-06.io.spdk:\x80", false},
    {"a cut UTF-8 sequence", "nqn.2016-06.io.spdk:\xe2\x82", false},
    {"an over-long UTF-8 sequence", "nqn.2016-06.io.spdk:\xc0\xaf", false},
    {"an over-long sequence of three", "nqn.2016-06.io.spdk:\xe0\x80\xaf", false},
    {"a surrogate", "nqn.2016-06.io.spdk:\xed\xa0\x80", false},
    {"a code point beyond Unicode", "nqn.2016-06.io.spdk:\xf4\x90\x80\x80", false},
    {"a C1 control character", "nqn.2016-06.io.spdk:\xc2\x85", false},
};

TEST(nqn, validity) {
    for (const row& r : rows) {
        EXPECT_EQ(valid_nqn(r.name), r.valid) << r.what << ": " << r.name;
    }
}

TEST(nqn, hosts_are_known_by_whatever_can_be_printed) {
    for (const row& r : rows)
        if (r.valid) {
            EXPECT_TRUE(usable_host_nqn(r.name)) << r.what;
        }
    for (const char* name : {"nqn.2016-06.io.spdk", "iqn.2016-06.io.spdk:cnode1", "me", "\xc3\xbc"})
        EXPECT_TRUE(usable_host_nqn(name)) << name;
    for (const std::string& name : {std::string(), std::string(224, 'n'), std::string("a\nb"), std::string("\xff")})
        EXPECT_FALSE(usable_host_nqn(name)) << name;
}

TEST(nqn, works_at_compile_time) {
    static_assert(valid_nqn(discovery_nqn));
}

}  // namespace
}  // namespace causeway::nvme
