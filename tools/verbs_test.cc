// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"
#include "tools/method_help.h"
#include "tools/verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

command_line parsed(const std::vector<std::string>& words) {
    command_line line;
    CLI::App app("", "causeway");
    declare_command_line(app, line);
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(reversed);
    return line;
}

TEST(verbs, each_names_a_method_that_is_there) {
    for (const auto noun : nouns())
        for (const char* name : {"add", "remove", "show", "set"})
            if (const verb* v = find_verb(noun, name)) {
                EXPECT_TRUE(find_method(all_method_help(), v->method)) << v->method;
            }
    EXPECT_FALSE(find_verb("transport", "remove"));
}

TEST(verbs, are_the_calls_of_their_methods) {
    const auto line = parsed({"subsystem", "add", "-s", "/s", "nqn=nqn.a", "max_namespaces=4"});
    EXPECT_EQ(line.rpc.method, "nvmf_create_subsystem");
    EXPECT_THAT(line.rpc.arguments, ElementsAre("nqn=nqn.a", "max_namespaces=4"));
    EXPECT_EQ(line.socket, "/s");
    EXPECT_TRUE(parsed({"key", "remove", "--help"}).rpc.help);
}

TEST(verbs, what_is_none_is_refused_with_a_list) {
    try {
        parsed({"transport", "remove"});
        ADD_FAILURE();
    } catch (const CLI::ValidationError& e) {
        EXPECT_THAT(std::string(e.what()), HasSubstr("add, show"));
    }
    EXPECT_THAT(verb_list("listener", all_method_help()), HasSubstr("causeway listener set     Sets"));
    EXPECT_EQ(parsed({"listener"}).noun, "listener");
}

}  // namespace
}  // namespace causeway::tools
