// SPDX-License-Identifier: Apache-2.0
// Made of the declarations: every call that a declaration excludes is refused, says which parameter is wrong, and
// changes nothing.

#include "rpc/spdk_methods.h"
#include "rpc/testing/all_methods_fixture.h"

#include <algorithm>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <limits>

namespace causeway::rpc {
namespace {

using ::testing::HasSubstr;
using kind = value_type::kind;

class refusals : public ::testing::Test {
  protected:
    refusals() { w.furnish(); }

    json config() {
        json all;
        for (const json& s : w.result("framework_get_subsystems")) {
            const std::string name = s["subsystem"];
            all[name] = *w.call("framework_get_config", json{{"name", name}});
        }
        return all;
    }

    void expect_refused(const method_info& m, const json& params, const std::string& key) {
        const answer a = w.call(m.name, params);
        ASSERT_FALSE(a) << m.name << " " << params;
        EXPECT_EQ(a.error().code, error_code::parameters) << m.name << " " << params << ": " << a.error().message;
        EXPECT_THAT(a.error().message, HasSubstr("'" + key + "'")) << m.name << " " << params;
        ++calls;
    }

    /// All methods of the present state.
    template <class F>
    void for_each_method(F f) {
        for (const auto& m : w.methods.all())
            if (allows(m.when, w.cycle.now()))
                f(m.describe());
    }

    test::all_methods_fixture all;
    test::method_fixture& w = all.w;
    unsigned calls = 0;
};

json smallest_call(const std::vector<parameter_info>& parameters) {
    json params = json::object();
    for (const auto& p : parameters)
        if (p.is_required)
            params[p.name] = p.type.example;
    return params;
}

/// Values of other types, and of this one that are not allowed.
std::vector<json> wrong_values(const parameter_info& p) {
    if (p.effect == parameter_effect::refused)
        return {json(true)};
    if (p.effect == parameter_effect::one_value)
        return {json("something else"), json{{"a", 1}}};
    std::vector<json> wrong;
    const auto add_unless = [&](kind k, json value) {
        if (p.type.is != k && p.type.is != kind::any)
            wrong.push_back(std::move(value));
    };
    add_unless(kind::boolean, true);
    add_unless(kind::number, 1u);
    add_unless(kind::string, "1");
    add_unless(kind::array, json::array({1u}));
    add_unless(kind::object, json{{"no such member", 1u}});
    if (p.type.is != kind::any)
        wrong.push_back(nullptr);
    if (p.type.is == kind::number) {
        wrong.push_back(1.5);
        if (p.type.min > std::numeric_limits<std::int64_t>::min())
            wrong.push_back(p.type.min - 1);
        if (p.type.max < std::numeric_limits<std::uint64_t>::max())
            wrong.push_back(p.type.max + 1);
    }
    if (!p.type.choices.empty())
        wrong.push_back(p.type.is == kind::array ? json::array({"none of them"}) : json("none of them"));
    if (p.type.is == kind::array && p.type.elements != kind::any)
        wrong.push_back(json::array({json::object()}));
    return wrong;
}

/// Each parameter, and each member of an object, in a call that is right but for that.
template <class F>
void for_each_parameter(const std::vector<parameter_info>& parameters, F f) {
    for (const auto& p : parameters) {
        f(p, p.name, json::json_pointer("/" + p.name));
        for (const auto& member : p.members)
            f(member, p.name + "." + member.name, json::json_pointer("/" + p.name + "/" + member.name));
    }
}

TEST_F(refusals, name_a_parameter_of_the_wrong_type_or_out_of_range) {
    const json before = config();
    for_each_method([&](const method_info& m) {
        for_each_parameter(m.parameters, [&](const parameter_info& p, const std::string& key, const auto& at) {
            for (const json& wrong : wrong_values(p)) {
                json params = smallest_call(m.parameters);
                if (const auto parent = at.parent_pointer(); !parent.empty() && !params.contains(parent))
                    for (const auto& outer : m.parameters)
                        if ("/" + outer.name == parent.to_string())
                            params[parent] = outer.type.example;
                params[at] = wrong;
                expect_refused(m, params, key);
            }
        });
    });
    EXPECT_EQ(config(), before);
    EXPECT_GT(calls, 1000u) << "the declarations have gone";
}

TEST_F(refusals, name_a_parameter_that_is_missing_or_unknown_or_comes_twice) {
    const json before = config();
    for_each_method([&](const method_info& m) {
        const json params = smallest_call(m.parameters);
        for (const auto& p : m.parameters) {
            if (p.is_required) {
                json without = params;
                without.erase(p.name);
                expect_refused(m, without, p.name);
            }
            for (const auto& member : p.members)
                if (member.is_required) {
                    json without = params;
                    without[p.name] = p.type.example;
                    without[p.name].erase(member.name);
                    expect_refused(m, without, p.name + "." + member.name);
                }
            const std::string text =
                fmt::format(R"({{"jsonrpc": "2.0", "id": 1, "method": "{}", "params": {{"{}": 1, "{}": 1}}}})", m.name,
                            p.name, p.name);
            EXPECT_THAT(w.run(w.dispatcher.serve(text)).line,
                        HasSubstr("\"code\":-32602,\"message\":\"parameter '" + p.name + "' comes twice\""));
        }
        if (!m.ignores_unknown_keys) {
            json more = params;
            more["colour_of_the_sky"] = true;
            expect_refused(m, more, "colour_of_the_sky");
        }
    });
    EXPECT_EQ(config(), before);
}

TEST_F(refusals, say_what_the_state_is_that_a_method_wants) {
    test::all_methods_fixture not_started;
    const auto expect_wrong_state = [](test::method_fixture& f) {
        for (const auto& m : f.methods.all()) {
            if (allows(m.when, f.cycle.now()))
                continue;
            const answer a = f.call(std::string(m.name), smallest_call(m.describe().parameters));
            ASSERT_FALSE(a) << m.name;
            EXPECT_EQ(a.error().code, error_code::wrong_state) << m.name;
            EXPECT_THAT(a.error().message, HasSubstr("started")) << m.name;
        }
    };
    expect_wrong_state(not_started.w);
    const json before = config();
    expect_wrong_state(w);
    EXPECT_EQ(config(), before);
}

TEST_F(refusals, of_methods_that_spdk_alone_has_say_so) {
    EXPECT_TRUE(std::ranges::is_sorted(spdk_only_methods()));
    for (const std::string_view name : spdk_only_methods()) {
        const answer a = w.call(std::string(name));
        ASSERT_FALSE(a) << name << " is here: take it off the list";
        EXPECT_EQ(a.error().code, error_code::method_not_found) << name;
        EXPECT_THAT(a.error().message, HasSubstr("SPDK's target has")) << name;
    }
}

TEST(declarations, are_complete) {
    test::all_methods_fixture all;
    const auto is_sentence = [](const std::string& text) {
        return text.size() > 3 && text.ends_with('.') && !text.starts_with(' ');
    };
    for (const auto& m : all.w.methods.all()) {
        ASSERT_TRUE(m.describe) << m.name;
        const method_info info = m.describe();
        EXPECT_EQ(info.name, m.name);
        EXPECT_TRUE(is_sentence(info.summary)) << m.name << ": " << info.summary;
        EXPECT_FALSE(info.result.empty()) << m.name;
        for_each_parameter(info.parameters, [&](const parameter_info& p, const std::string& key, const auto&) {
            EXPECT_FALSE(p.meaning.empty()) << m.name << ": " << key;
            EXPECT_TRUE(p.effect != parameter_effect::full || is_sentence(p.meaning)) << m.name << ": " << key;
        });
        const auto wrong = m.check(info.parameters.empty() ? json() : smallest_call(info.parameters));
        EXPECT_FALSE(wrong) << m.name << ": the examples are refused: " << wrong->message;
    }
}

}  // namespace
}  // namespace causeway::rpc
