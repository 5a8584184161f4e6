// SPDX-License-Identifier: Apache-2.0
#include "rpc/params.h"

#include "rpc/json_text.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <map>

namespace causeway::rpc {
namespace {

enum class colour { red, green };
struct place {
    std::string street;
    std::uint16_t number = 7;
};
const fields<place> place_fields = {
    required("street", &place::street, "Where it is."),
    optional("number", &place::number, "Which house."),
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
    required("name", &sample::name, "Its name."),
    optional("size", &sample::size, "Its size."),
    optional("small", &sample::small, "A small number."),
    optional("balance", &sample::balance, "A number below 0."),
    optional("large", &sample::large, "A large number."),
    optional("on", &sample::on, "Whether it is on."),
    optional("note", &sample::note, "A text."),
    optional("tags", &sample::tags, "Texts."),
    optional("paint", &sample::paint, {{"red", colour::red}, {"green", colour::green}}, "Its colour."),
    optional("second_paint", &sample::second_paint, {{"red", colour::red}, {"green", colour::green}}, "Another."),
    optional("home", &sample::home, place_fields, "Where it lives."),
    optional("room", in(&sample::home, &place::number), "A member of a member.").within(3, 9),
    only<sample>("speed", 0, "it stands still"),
    unsupported<sample>("wings", "it does not fly"),
    ignored<sample, std::uint32_t>("weight", "it weighs nothing"),
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
    const fields<place> lenient({required("street", &place::street, "Where it is.")}, unknown_keys::ignored);
    const json extra = text(R"({"street": "s", "whatever": [1]})");
    EXPECT_TRUE(lenient.decode(extra));
    EXPECT_EQ(lenient.ignored(extra), std::vector<std::string_view>{"whatever"});
    EXPECT_FALSE(lenient.decode(text(R"({"whatever": [1]})")));
}

TEST(errors, carry_the_errno_and_its_text_before_ours) {
    const auto worded = [](int code, std::string sentence, std::string about) {
        return to_rpc_error(core::error{code, std::move(sentence), std::move(about)});
    };
    EXPECT_EQ(worded(ENODEV, "no such image", "rbd/a").message, "rbd/a: no such image") << "nothing is said twice";
    EXPECT_EQ(worded(EBUSY, "hosts use it", "rbd/a").message, "Device or resource busy: rbd/a: hosts use it");
    EXPECT_EQ(worded(EEXIST, "a device of this name exists", "a").message, "a: a device of this name exists");
    EXPECT_EQ(worded(ENODEV, "No such device", "rbd/a").message, "No such device: rbd/a");
    EXPECT_EQ(worded(ENODEV, "No such device", "").message, "No such device");
    EXPECT_EQ(worded(ENODEV, "x", "").code, -ENODEV);
}

TEST(params, within_a_range_go_through_a_member_of_a_member) {
    const auto decode = [](const char* params) { return sample_fields.decode(text(params)); };
    EXPECT_EQ(decode(R"({"name": "a", "room": 3})")->home.number, 3);
    EXPECT_EQ(decode(R"({"name": "a", "room": 9})")->home.number, 9);
    for (const char* wrong : {R"({"name": "a", "room": 2})", R"({"name": "a", "room": 10})",
                              R"({"name": "a", "room": "5"})", R"({"name": "a", "room": -1})"})
        EXPECT_EQ(decode(wrong).error().message, "parameter 'room' must be a whole number from 3 to 9") << wrong;
}

TEST(params, describe_themselves_with_the_defaults_of_their_members) {
    const method_info info = declaration<sample>{.name = "paint_it",
                                                 .summary = "Paints.",
                                                 .parameters = sample_fields,
                                                 .errors = {{-EEXIST, "it is painted"}}}
                                 .describe();
    std::map<std::string, parameter_info> by_name;
    for (const auto& p : info.parameters)
        by_name.emplace(p.name, p);
    EXPECT_EQ(info.errors.front().when, "it is painted");
    EXPECT_TRUE(by_name["name"].is_required);
    EXPECT_EQ(by_name["name"].default_value, json());
    EXPECT_EQ(by_name["size"].default_value, json(5u));
    EXPECT_EQ(by_name["size"].type.max, 0xffffffffu);
    EXPECT_EQ(by_name["balance"].type.min, -2147483648);
    EXPECT_EQ(by_name["on"].default_value, json(true));
    EXPECT_EQ(by_name["note"].default_value, json());
    EXPECT_EQ(by_name["tags"].type.elements, value_type::kind::string);
    EXPECT_EQ(by_name["paint"].default_value, json("red"));
    EXPECT_EQ(by_name["paint"].type.choices, (std::vector<std::string>{"red", "green"}));
    EXPECT_EQ(by_name["second_paint"].default_value, json());
    ASSERT_EQ(by_name["home"].members.size(), 2u);
    EXPECT_EQ(by_name["home"].members[1].default_value, json(7u));
    EXPECT_EQ(by_name["home"].type.example, (json{{"street", "x"}}));
    EXPECT_EQ(by_name["room"].type.min, 3);
    EXPECT_EQ(by_name["room"].type.example, json(3));
    EXPECT_EQ(by_name["speed"].effect, parameter_effect::one_value);
    EXPECT_EQ(by_name["wings"].effect, parameter_effect::refused);
    EXPECT_EQ(by_name["weight"].effect, parameter_effect::none);
    EXPECT_EQ(by_name["weight"].meaning, "it weighs nothing");
}

}  // namespace
}  // namespace causeway::rpc
