// SPDX-License-Identifier: Apache-2.0
#include "gateway/config_file.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>

namespace causeway::gateway {
namespace {

TEST(config_file, gives_its_calls_in_order) {
    const auto calls = parse_config(R"(
        // comments are fine
        {"subsystems": [
            {"subsystem": "bdev", "config": [
                {"method": "a", "params": {"x": 1}},
                [{"method": "b"}, {"method": "c", "params": null}] /* a batch */
            ]},
            {"subsystem": "accel", "config": null},
            {"subsystem": "sock"},
            {"subsystem": "nvmf", "config": [{"method": "d", "params": {}}]}
        ]})");
    ASSERT_TRUE(calls) << calls.error().text();
    std::string names;
    for (const auto& c : *calls)
        names += c.method;
    EXPECT_EQ(names, "abcd");
    EXPECT_EQ((*calls)[0].params, (rpc::json{{"x", 1}}));
    EXPECT_TRUE((*calls)[1].params.is_null());
    EXPECT_EQ((*calls)[2].subsystem, "bdev");
    EXPECT_EQ((*calls)[2].where, "bdev, entry 2");
}

struct row {
    const char* text;
    const char* error;
};
const row refusals[] = {
    {"{\"subsystems\":\n [,]}", "line 2, column 3: "},
    {"", "line 1, column 1: "},
    {"[]", "a configuration is an object with an array \"subsystems\""},
    {"{}", "a configuration is an object with an array \"subsystems\""},
    {R"({"subsystems": [], "subsystems": []})", "/subsystems comes twice"},
    {R"({"subsystems": [1]})", "subsystem 1: must be an object with \"subsystem\" and \"config\""},
    {R"({"subsystems": [{"subsystem": "bdev", "config": {}}]})", "bdev: \"config\" must be an array"},
    {R"({"subsystems": [{"subsystem": "bdev", "config": [{"method": "a"}, 5]}]})",
     "bdev, entry 2: an entry must be an object with a method"},
    {R"({"subsystems": [{"subsystem": "bdev", "config": [{"params": {}}]}]})",
     "bdev, entry 1: an entry must have a method"},
    {R"({"subsystems": [{"subsystem": "bdev", "config": [{"method": 1}]}]})",
     "bdev, entry 1: 'method' must be a string"},
    {R"({"subsystems": [{"subsystem": "bdev", "config": [{"method": "a", "params": 1}]}]})",
     "bdev, entry 1: 'params' must be an object"},
    {R"({"subsystems": [{"subsystem": "bdev", "config": [{"method": "a", "when": 1}]}]})",
     "bdev, entry 1: 'when' must be left out: an entry has method and params"},
};

TEST(config_file, says_where_it_is_wrong) {
    for (const auto& r : refusals) {
        const auto calls = parse_config(r.text);
        ASSERT_FALSE(calls) << r.text;
        EXPECT_EQ(calls.error().text().substr(0, std::string_view(r.error).size()), r.error) << r.text;
    }
}

TEST(config_file, names_the_file_that_cannot_be_read) {
    EXPECT_EQ(read_config("/nowhere/at/all.json").error().text(), "/nowhere/at/all.json: No such file or directory");
    EXPECT_EQ(read_config("/").error().text().substr(0, 3), "/: ");
    const std::string name = testing::TempDir() + "causeway-config.json";
    std::ofstream(name) << "{";
    EXPECT_EQ(read_config(name).error().text().substr(0, name.size() + 8), name + ": line 1");
    std::remove(name.c_str());
}

}  // namespace
}  // namespace causeway::gateway
