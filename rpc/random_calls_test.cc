// SPDX-License-Identifier: Apache-2.0
// Calls that the declarations make up at random, right and wrong: each is answered, with a code that clients know, and
// what is saved afterwards consists of calls that are declared.

#include "rpc/testing/all_methods_fixture.h"

#include <gtest/gtest.h>
#include <random>

namespace causeway::rpc {
namespace {

using kind = value_type::kind;

class random_calls : public ::testing::Test {
  protected:
    unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
    template <class All>
    auto one_of(const All& all) {
        return all[below(static_cast<unsigned>(std::size(all)))];
    }

    json anything() {
        const json all[] = {nullptr,
                            true,
                            -1,
                            0u,
                            1.5,
                            std::numeric_limits<std::uint64_t>::max(),
                            json::array(),
                            "",
                            "x",
                            json::object(),
                            json::array({json::array({nullptr})})};
        return one_of(all);
    }
    json text(const value_type& type) {
        static const std::string names[] = {"nqn.2024-01.io.example:a",
                                            "nqn.2024-01.io.example:b",
                                            "nqn.2014-08.org.nvmexpress.discovery",
                                            "Malloc0",
                                            "Disk1",
                                            "EE_Disk1",
                                            "LOOP",
                                            "here",
                                            "there",
                                            "4420",
                                            "",
                                            "\xc3\xbc\n",
                                            std::string(300, 'n')};
        if (!type.choices.empty())
            return one_of(type.choices);
        return below(4) == 0 ? type.example : json(one_of(names));
    }
    json number(const value_type& type) {
        static const std::uint64_t usual[] = {0, 1, 2, 3, 8, 512, 4096, 65536};
        if (below(8) == 0)
            return below(2) ? json(type.max) : json(type.min);
        return one_of(usual);
    }
    json value(const parameter_info& p) {
        if (below(32) == 0)
            return anything();
        switch (p.type.is) {
        case kind::boolean: return below(2) == 0;
        case kind::number: return number(p.type);
        case kind::string: return text(p.type);
        case kind::array: return below(2) ? json::array() : json::array({text(p.type)});
        case kind::object: return p.members.empty() ? p.type.example : object(p.members);
        case kind::any: break;
        }
        return below(4) ? p.default_value : anything();
    }
    json object(const std::vector<parameter_info>& parameters) {
        json all = json::object();
        for (const auto& p : parameters)
            if (p.is_required ? below(32) != 0 : below(4) == 0)
                all[p.name] = value(p);
        if (below(64) == 0)
            all["colour"] = anything();
        return all;
    }

    /// Left out: those that change the process, not the gateway; those that ask a Ceph cluster; and those that wait, or
    /// make something happen at all times, in which a day of virtual time would be long.
    std::vector<method_info> candidates() {
        std::vector<method_info> all;
        for (const auto& m : w.methods.all())
            if (!m.name.starts_with("log_") && !m.name.starts_with("spdk_") && !m.name.starts_with("bdev_rbd_") &&
                m.name != "bdev_get_bdevs" && m.name != "bdev_nvme_set_hotplug")
                all.push_back(m.describe());
        return all;
    }

    test::all_methods_fixture all;
    test::method_fixture& w = all.w;
    std::mt19937 random_{20260101};  // the same calls each time
};

bool clients_know(int code) {
    return code == error_code::parameters || code == error_code::internal || code == error_code::wrong_state ||
           (code < 0 && code > -200);
}

TEST_F(random_calls, are_answered_and_leave_a_configuration_that_can_be_read) {
    core::log::set_level(core::log::level::error);  // the methods that ignore keys would fill it
    w.furnish();
    const auto methods = candidates();
    unsigned succeeded = 0;
    for (int i = 0; i < 4000; ++i) {
        const method_info& m = methods[below(static_cast<unsigned>(methods.size()))];
        const json params = m.parameters.empty() ? (below(8) ? json() : anything()) : object(m.parameters);
        const answer a = w.call(m.name, params);
        succeeded += a.has_value();
        if (!a)
            EXPECT_TRUE(clients_know(a.error().code) && !a.error().message.empty())
                << m.name << " " << params << ": " << a.error().code << " " << a.error().message;
    }
    core::log::set_level(core::log::level::notice);
    EXPECT_GT(succeeded, 400u) << "the calls are all nonsense";
    for (const auto& section : w.config.sections())
        for (const json& call : w.config.of(section.name).value_or(json::array())) {
            const method* m = w.methods.find(call["method"].get<std::string>());
            ASSERT_TRUE(m) << call;
            const auto wrong = m->check(call["params"]);
            EXPECT_FALSE(wrong) << call << ": " << wrong->message;
        }
}

}  // namespace
}  // namespace causeway::rpc
