// SPDX-License-Identifier: Apache-2.0
#include "rpc/json_scanner.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace causeway::rpc {
namespace {

using outcome = json_scanner::outcome;

/// The values that a stream is cut into, and how it ended.
struct cut {
    std::vector<std::string> values;
    outcome last = outcome::need_more;
    bool idle = false;
};

cut cut_up(const std::vector<std::string>& pieces) {
    json_scanner scanner;
    cut result;
    std::string current;
    for (std::string_view piece : pieces) {
        while (!piece.empty()) {
            const auto step = scanner.scan(piece);
            current.append(piece.substr(0, step.consumed));
            piece.remove_prefix(step.consumed);
            result.last = step.what;
            if (step.what == outcome::value) {
                const auto first = current.find_first_not_of(" \t\r\n");
                result.values.push_back(current.substr(first));
                current.clear();
            } else if (step.what != outcome::need_more) {
                return result;
            }
        }
    }
    result.idle = scanner.idle();
    return result;
}

const std::string streams[] = {
    R"({"jsonrpc": "2.0", "id": 1, "method": "m"})",
    "{\n  \"id\": 1,\n  \"params\": {\n    \"a\": [1, -2, 3.5e+10, true, false, null]\n  }\n}\n",
    R"({}[]{"a":{}}[[],[{}]] "text" )",
    R"({"}":"{","[\"]":"]\\"}{"\\":"\"}"})",
    R"(["\u00e9\uD83D\ude00\n\/\b\f\r\t"] {"k" : "v"})",
    "[0,-0,0.1,10,1E5,1e-05] 12 ",
    "true false null {}",
    R"([" é and  "])",
};

TEST(json_scanner, cuts_a_stream_the_same_way_wherever_it_is_split) {
    for (const auto& text : streams) {
        const cut whole = cut_up({text});
        EXPECT_FALSE(whole.values.empty()) << text;
        EXPECT_TRUE(whole.idle) << text;
        for (std::size_t i = 0; i <= text.size(); ++i)
            EXPECT_EQ(cut_up({text.substr(0, i), text.substr(i)}).values, whole.values) << text << " split at " << i;
        std::vector<std::string> bytes;
        for (char c : text)
            bytes.emplace_back(1, c);
        EXPECT_EQ(cut_up(bytes).values, whole.values) << text << " byte by byte";
    }
}

TEST(json_scanner, cuts_where_values_end) {
    EXPECT_EQ(cut_up({R"({"a":1}{"b":2})"}).values, (std::vector<std::string>{R"({"a":1})", R"({"b":2})"}));
    EXPECT_EQ(cut_up({R"( [1] "x"{})"}).values, (std::vector<std::string>{"[1]", "\"x\"", "{}"}));
    EXPECT_EQ(cut_up({R"({"a":"}{"}[])"}).values, (std::vector<std::string>{R"({"a":"}{"})", "[]"}));
}

TEST(json_scanner, a_number_outside_of_all_ends_with_the_byte_after_it) {
    EXPECT_TRUE(cut_up({"12"}).values.empty());
    EXPECT_EQ(cut_up({"12", " "}).values, (std::vector<std::string>{"12"}));
    EXPECT_EQ(cut_up({"12{}"}).values, (std::vector<std::string>{"12", "{}"}));
}

TEST(json_scanner, knows_whether_a_value_is_open) {
    EXPECT_TRUE(cut_up({" \n "}).idle);
    EXPECT_FALSE(cut_up({R"({"a")"}).idle);
    EXPECT_FALSE(cut_up({"{} ["}).idle);
}

struct bad {
    const char* text;
    std::size_t at;  // the first byte that cannot be
};
const bad bad_streams[] = {
    {"hello", 0},      {"}", 0},      {"{]", 1},      {"[}", 1},        {"{\"a\" 1}", 5},     {"{\"a\":}", 5},
    {"{\"a\":1,}", 7}, {"{a:1}", 1},  {"{'a':1}", 1}, {"[1,]", 3},      {"[,1]", 1},          {"[1 2]", 3},
    {"[01]", 2},       {"[-]", 2},    {"[1.]", 3},    {"[.5]", 1},      {"[1e]", 3},          {"[1e+]", 4},
    {"[+1]", 1},       {"[tru ]", 4}, {"[nul]", 4},   {"[\"\\x\"]", 3}, {"[\"\\u12g4\"]", 6}, {"[\"a\nb\"]", 3},
    {"{\"a\":1]", 6},  {"[1}", 2},    {"{}x", 2},     {"/* */ {}", 0},  {"[--1]", 2},         {"{\"a\":1 \"b\":2}", 7},
    {"{1:2}", 1},      {"[0x10]", 2}, {"NaN", 0},     {"{:1}", 1},
};

TEST(json_scanner, stops_at_the_first_byte_that_cannot_be) {
    for (const auto& b : bad_streams) {
        const std::string text = b.text;
        for (std::size_t split = 0; split <= text.size(); ++split) {
            json_scanner scanner;
            std::size_t consumed = 0;
            outcome last = outcome::need_more;
            for (std::string_view piece :
                 {std::string_view(text).substr(0, split), std::string_view(text).substr(split)}) {
                while (!piece.empty() && last != outcome::malformed) {
                    const auto step = scanner.scan(piece);
                    consumed += step.consumed;
                    piece.remove_prefix(step.consumed);
                    last = step.what;
                }
            }
            EXPECT_EQ(last, outcome::malformed) << text << " split at " << split;
            EXPECT_EQ(consumed, b.at) << text << " split at " << split;
        }
    }
}

TEST(json_scanner, a_NUL_is_no_white_space) {
    EXPECT_EQ(cut_up({std::string("\0{}", 3)}).last, outcome::malformed);
    EXPECT_EQ(cut_up({std::string("[\"\\\0\"]", 6)}).last, outcome::malformed);
}

TEST(json_scanner, nests_as_deep_as_it_says_and_no_deeper) {
    const std::string deepest = std::string(json_scanner::max_depth, '[') + std::string(json_scanner::max_depth, ']');
    EXPECT_EQ(cut_up({deepest}).values.size(), 1u);
    EXPECT_EQ(cut_up({'[' + deepest + ']'}).last, outcome::too_deep);
    std::string objects, ends;
    for (unsigned i = 0; i < json_scanner::max_depth; ++i) {
        objects += i % 2 ? "[" : "{\"a\":";
        ends.insert(0, i % 2 ? "]" : "}");
    }
    EXPECT_EQ(cut_up({objects + "1" + ends}).values.size(), 1u) << "every level keeps its kind";
    EXPECT_EQ(cut_up({std::string(1 << 20, '[')}).last, outcome::too_deep);
}

}  // namespace
}  // namespace causeway::rpc
