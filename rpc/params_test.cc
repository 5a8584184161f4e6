// SPDX-License-Identifier: Apache-2.0
#include "rpc/params.h"

#include "rpc/json_text.h"

#include <gtest/gtest.h>

namespace causeway::rpc {
namespace {

enum class colour { red, green };
struct place {
    std::string street;
    std::uint16_t number = 7;
};
const fields<place> place_fields = {
    required("street", &place::street),
    optional("number", &place::number),
};
struct sample {
    std::string name;
    std::uint32_t size = 5;
    std::uint8_t small = 0;
    std::int32_t balance = 0;
    std::uint64_t large = 0;
    bool on = true;
    std::optional<std::string> note;
    std::vector<std::string> tags;
    colour paint = colour::red;
    std::optional<colour> second_paint;
    place home;
};
const fields<sample> sample_fields = {
    required("name", &sample::name),
    optional("size", &sample::size),
    optional("small", &sample::small),
    optional("balance", &sample::balance),
    optional("large", &sample::large),
    optional("on", &sample::on),
    optional("note", &sample::note),
    optional("tags", &sample::tags),
    optional("paint", &sample::paint, {{"red", colour::red}, {"green", colour::green}}),
    optional("second_paint", &sample::second_paint, {{"red", colour::red}, {"green", colour::green}}),
    optional("home", &sample::home, place_fields),
    only<sample>("speed", 0, "it stands still"),
    unsupported<sample>("wings", "it does not fly"),
    ignored<sample, std::uint32_t>("weight"),
};

json text(const char* s) {
    return parse_json(s).value().value;
}

TEST(params, fill_their_members_and_leave_the_rest) {
    const auto p = sample_fields.decode(text(R"({"name": "a", "large": 18446744073709551615, "balance": -2147483648,
        "on": false, "note": "n", "tags": ["x", "y"], "paint": "green", "second_paint": "red",
        "home": {"street": "s"}, "speed": 0, "weight": 9})"));
    ASSERT_TRUE(p) << p.error().message;
    EXPECT_EQ(p->name, "a");
    EXPECT_EQ(p->size, 5u);
    EXPECT_EQ(p->large, UINT64_MAX);
    EXPECT_EQ(p->balance, INT32_MIN);
    EXPECT_FALSE(p->on);
    EXPECT_EQ(p->note, "n");
    EXPECT_EQ(p->tags, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(p->paint, colour::green);
    EXPECT_EQ(p->second_paint, colour::red);
    EXPECT_EQ(p->home.street, "s");
    EXPECT_EQ(p->home.number, 7);
}

struct row {
    const char* params;
    const char* sentence;
};
const row refusals[] = {
    {"null", "parameter 'name' is missing"},
    {"[]", "params must be an object"},
    {R"({"size": 1})", "parameter 'name' is missing"},
    {R"({"name": 1})", "parameter 'name' must be a string"},
    {R"({"name": null})", "parameter 'name' must be a string"},
    {R"({"name": "a\u0000b"})", "parameter 'name' must not contain a NUL character"},
    {R"({"name": "a", "size": "1"})", "parameter 'size' must be a whole number from 0 to 4294967295"},
    {R"({"name": "a", "size": -1})", "parameter 'size' must be a whole number from 0 to 4294967295"},
    {R"({"name": "a", "size": 1.0})", "parameter 'size' must be a whole number from 0 to 4294967295"},
    {R"({"name": "a", "size": 4294967296})", "parameter 'size' must be a whole number from 0 to 4294967295"},
    {R"({"name": "a", "size": true})", "parameter 'size' must be a whole number from 0 to 4294967295"},
    {R"({"name": "a", "small": 256})", "parameter 'small' must be a whole number from 0 to 255"},
    {R"({"name": "a", "large": 18446744073709551616})",
     "parameter 'large' must be a whole number from 0 to 18446744073709551615"},
    {R"({"name": "a", "balance": 2147483648})",
     "parameter 'balance' must be a whole number from -2147483648 to 2147483647"},
    {R"({"name": "a", "balance": 18446744073709551615})",
     "parameter 'balance' must be a whole number from -2147483648 to 2147483647"},
    {R"({"name": "a", "on": 1})", "parameter 'on' must be true or false"},
    {R"({"name": "a", "note": 1})", "parameter 'note' must be a string"},
    {R"({"name": "a", "tags": "x"})", "parameter 'tags' must be an array"},
    {R"({"name": "a", "tags": ["x", 1]})", "parameter 'tags' has an element that must be a string"},
    {R"({"name": "a", "paint": "blue"})", "parameter 'paint' must be one of: red, green"},
    {R"({"name": "a", "paint": 1})", "parameter 'paint' must be one of: red, green"},
    {R"({"name": "a", "home": 1})", "parameter 'home' must be an object"},
    {R"({"name": "a", "home": {}})", "parameter 'home.street' is missing"},
    {R"({"name": "a", "home": {"street": "s", "x": 1}})", "parameter 'home.x' is unknown"},
    {R"({"name": "a", "home": {"street": "s", "number": 65536}})",
     "parameter 'home.number' must be a whole number from 0 to 65535"},
    {R"({"name": "a", "Size": 1})", "parameter 'Size' is unknown; did you mean 'size'?"},
    {R"({"name": "a", "speeed": 1})", "parameter 'speeed' is unknown; did you mean 'speed'?"},
    {R"({"name": "a", "spin": 1})", "parameter 'spin' is unknown"},
    {R"({"name": "a", "z": 1})", "parameter 'z' is unknown"},
    {R"({"name": "a", "speed": 1})", "parameter 'speed' must be 0: it stands still"},
    {R"({"name": "a", "wings": null})", "parameter 'wings' is not supported: it does not fly"},
    {R"({"name": "a", "weight": "heavy"})", "parameter 'weight' must be a whole number from 0 to 4294967295"},
};

TEST(params, are_refused_with_a_sentence_that_names_the_key) {
    for (const auto& r : refusals) {
        const auto p = sample_fields.decode(text(r.params));
        ASSERT_FALSE(p) << r.params;
        EXPECT_EQ(p.error().code, error_code::parameters) << r.params;
        EXPECT_EQ(p.error().message, r.sentence) << r.params;
    }
}

TEST(params, an_array_is_bounded) {
    json many = json::array();
    for (std::size_t i = 0; i <= max_elements; ++i)
        many.push_back("x");
    const auto p = sample_fields.decode({{"name", "a"}, {"tags", many}});
    ASSERT_FALSE(p);
    EXPECT_EQ(p.error().message, "parameter 'tags' must have at most 1024 elements");
}

TEST(params, unknown_keys_pass_where_the_method_says_so_and_can_be_told) {
    const fields<place> lenient({required("street", &place::street)}, unknown_keys::ignored);
    const json extra = text(R"({"street": "s", "whatever": [1]})");
    EXPECT_TRUE(lenient.decode(extra));
    EXPECT_EQ(lenient.ignored(extra), std::vector<std::string_view>{"whatever"});
    EXPECT_FALSE(lenient.decode(text(R"({"whatever": [1]})")));
}

TEST(errors, carry_the_errno_and_its_text_before_ours) {
    const auto worded = [](int code, std::string sentence, std::string about) {
        return to_rpc_error(core::error{code, std::move(sentence), std::move(about)});
    };
    EXPECT_EQ(worded(ENODEV, "no such image", "rbd/a").message, "No such device: rbd/a: no such image");
    EXPECT_EQ(worded(ENODEV, "No such device", "rbd/a").message, "No such device: rbd/a");
    EXPECT_EQ(worded(ENODEV, "No such device", "").message, "No such device");
    EXPECT_EQ(worded(ENODEV, "x", "").code, -ENODEV);
}

}  // namespace
}  // namespace causeway::rpc
