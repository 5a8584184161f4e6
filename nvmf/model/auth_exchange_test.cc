// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/auth_exchange.h"

#include "nvmf/testing/dhchap_host.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>

namespace causeway::nvmf::test {
namespace {

using auth::auth_dhgroup;
using auth::auth_hash;
using nvme::auth_explanation;
using state = auth_exchange::state;

const std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-1111-1111-111111111111";
const std::string disks = "nqn.2024-01.io.example:disks";

std::shared_ptr<const dhchap_keys> keys_of(std::string_view host, std::string_view ctrlr = {}) {
    dhchap_keys k{*auth::parse_dhchap_key(host), {}};
    if (!ctrlr.empty())
        k.ctrlr = *auth::parse_dhchap_key(ctrlr);
    return std::make_shared<const dhchap_keys>(std::move(k));
}

class auth_exchange_test : public testing::Test {
  protected:
    void start_anew() { exchange.emplace(host_nqn, disks, auth_algorithms()); }

    /// A message of the host, with all that has to be computed for it.
    void send(auth::byte_view message) {
        if (const auto work = exchange->on_message(message, keys)) {
            work->run();
            exchange->on_computed(std::move(*work));
        }
    }
    auth::bytes receive() {
        const auth::bytes* const due = exchange->due_message();
        EXPECT_TRUE(due);
        const auth::bytes message = due ? *due : auth::bytes();
        exchange->on_message_taken();
        return message;
    }
    /// What Failure1 says; nullopt: something else was due.
    std::optional<auth_explanation> failure1() {
        const auto m = auth::read_failure(receive());
        return m && m->id == nvme::auth_id::failure1 ? std::optional(m->explanation) : std::nullopt;
    }
    void challenge() {
        send(host.negotiate());
        challenged = receive();
    }
    void authenticate() {
        challenge();
        send(host.reply(challenged));
        EXPECT_TRUE(host.accepts(receive()));
        if (!host.ctrlr_key.empty())
            send(host.success2());
    }
    void both_ways() {
        host.ctrlr_key = key_of_disks;
        keys = keys_of(key_of_a, key_of_disks);
    }
    void bring_to(state s) {
        if (s == state::negotiate)
            return;
        if (s == state::completed)
            return authenticate();
        send(host.negotiate());
        if (s == state::challenge)
            return;
        challenged = receive();
        if (s == state::reply)
            return;
        send(host.reply(challenged));
        if (s == state::success2)
            receive();
    }

    dhchap_host host{host_nqn, disks};
    std::shared_ptr<const dhchap_keys> keys = keys_of(key_of_a);
    std::optional<auth_exchange> exchange{std::in_place, host_nqn, disks, auth_algorithms()};
    auth::bytes challenged;
};

TEST_F(auth_exchange_test, goes_through_its_states_one_way) {
    EXPECT_EQ(exchange->current(), state::negotiate);
    send(host.negotiate());
    EXPECT_EQ(exchange->current(), state::challenge);
    challenged = receive();
    EXPECT_EQ(exchange->current(), state::reply);
    send(host.reply(challenged));
    EXPECT_EQ(exchange->current(), state::success1);
    EXPECT_FALSE(exchange->has_succeeded());
    EXPECT_TRUE(host.accepts(receive()));
    EXPECT_EQ(exchange->current(), state::completed);
    EXPECT_TRUE(exchange->has_succeeded());
    EXPECT_EQ(exchange->failure(), "");
}

TEST_F(auth_exchange_test, goes_through_its_states_both_ways) {
    both_ways();
    challenge();
    send(host.reply(challenged));
    EXPECT_TRUE(host.accepts(receive()));
    EXPECT_EQ(exchange->current(), state::success2);
    EXPECT_FALSE(exchange->has_succeeded()) << "the host has not accepted the controller yet";
    send(host.success2());
    EXPECT_EQ(exchange->current(), state::completed);
}

TEST_F(auth_exchange_test, works_with_every_hash_and_group) {
    both_ways();
    for (const auth_hash h : auth::all_hashes)
        for (const auth_dhgroup g : {auth_dhgroup::null, auth_dhgroup::ffdhe2048}) {
            host.hashes = {nvme::to_underlying(h)};
            host.dhgroups = {nvme::to_underlying(g)};
            authenticate();
            ASSERT_EQ(exchange->current(), state::completed) << exchange->failure();
            EXPECT_EQ(exchange->digest(), h);
            EXPECT_EQ(exchange->dhgroup(), g);
        }
    for (const auth_dhgroup g : auth::all_dhgroups) {
        host.dhgroups = {nvme::to_underlying(g)};
        authenticate();
        ASSERT_EQ(exchange->current(), state::completed) << auth::to_string(g);
        EXPECT_EQ(exchange->dhgroup(), g);
    }
}

TEST_F(auth_exchange_test, takes_the_strongest_that_both_ends_have) {
    host.hashes = {1, 3, 2, 9};
    host.dhgroups = {0, 1, 200};
    challenge();
    EXPECT_EQ(exchange->digest(), auth_hash::sha512);
    EXPECT_EQ(exchange->dhgroup(), auth_dhgroup::ffdhe2048);
    auth_exchange careful(host_nqn, disks, {{auth_hash::sha384, auth_hash::sha256}, {auth_dhgroup::null}});
    careful.on_message(host.negotiate(), keys);
    EXPECT_EQ(careful.digest(), auth_hash::sha384);
    EXPECT_EQ(careful.dhgroup(), auth_dhgroup::null);
}

// ---- The wrong order. Each message in each state where it is not due.

TEST_F(auth_exchange_test, refuses_messages_that_are_not_due) {
    struct kind {
        const char* name;
        auth::bytes (*make)(const dhchap_host&);
        std::vector<state> due;
    };
    const kind kinds[] = {
        {"Negotiate", [](const dhchap_host& h) { return h.negotiate(); }, {state::negotiate, state::completed}},
        {"Reply", [](const dhchap_host& h) { return auth::write(auth::reply{.t_id = h.t_id}); }, {state::reply}},
        {"Success2", [](const dhchap_host& h) { return h.success2(); }, {state::success2}},
        {"Failure2", [](const dhchap_host& h) { return h.failure2(); }, {state::reply, state::success2}},
        {"Challenge", [](const dhchap_host& h) { return auth::write(auth::challenge{.t_id = h.t_id}); }, {}},
        {"Success1", [](const dhchap_host& h) { return auth::write(auth::success1{.t_id = h.t_id}); }, {}},
        {"Failure1",
         [](const dhchap_host& h) {
             return auth::write(auth::failure{nvme::auth_id::failure1, h.t_id, auth_explanation::failed});
         },
         {}},
        {"a message that does not exist",
         [](const dhchap_host& h) {
             return auth::bytes{
                 1, 0x55, 0, 0, static_cast<unsigned char>(h.t_id), static_cast<unsigned char>(h.t_id >> 8)};
         },
         {}},
    };
    both_ways();
    for (const kind& k : kinds)
        for (const state s :
             {state::negotiate, state::challenge, state::reply, state::success1, state::success2, state::completed}) {
            if (std::ranges::count(k.due, s))
                continue;
            SCOPED_TRACE(std::string(k.name) + " in state " + to_string(s));
            start_anew();
            bring_to(s);
            ASSERT_EQ(exchange->current(), s);
            send(k.make(host));
            EXPECT_EQ(exchange->current(), state::failure1);
            EXPECT_EQ(failure1(), auth_explanation::incorrect_message);
            EXPECT_EQ(exchange->current(), state::error);
        }
}

TEST_F(auth_exchange_test, refuses_to_answer_when_nothing_is_due) {
    both_ways();
    for (const state s : {state::negotiate, state::reply, state::success2, state::completed}) {
        SCOPED_TRACE(to_string(s));
        start_anew();
        bring_to(s);
        EXPECT_EQ(failure1(), auth_explanation::incorrect_message);
        EXPECT_EQ(exchange->due_message(), nullptr);
    }
}

TEST_F(auth_exchange_test, that_has_failed_stays_so) {
    send(host.success2());
    ASSERT_EQ(exchange->current(), state::failure1);
    send(host.negotiate());
    EXPECT_EQ(exchange->current(), state::failure1);
    receive();
    send(host.negotiate());
    EXPECT_EQ(exchange->current(), state::error);
    EXPECT_FALSE(exchange->has_succeeded());
}

// ---- Wrong fields.

TEST_F(auth_exchange_test, refuses_what_is_wrong_in_a_negotiate) {
    struct row {
        const char* sentence;
        std::function<void(auth::bytes&)> change;
        auth_explanation expected;
    };
    const row rows[] = {
        {"less than a header", [](auto& m) { m.resize(5); }, auth_explanation::incorrect_payload},
        {"less than its descriptor", [](auto& m) { m.pop_back(); }, auth_explanation::incorrect_payload},
        {"too many hash functions", [](auto& m) { m[8 + 2] = 31; }, auth_explanation::incorrect_payload},
        {"too many groups", [](auto& m) { m[8 + 3] = 31; }, auth_explanation::incorrect_payload},
        {"secure channel concatenation", [](auto& m) { m[6] = 2; }, auth_explanation::secure_channel_mismatch},
        {"no protocol", [](auto& m) { m[7] = 0; }, auth_explanation::protocol_not_usable},
        {"another protocol", [](auto& m) { m[8] = 2; }, auth_explanation::protocol_not_usable},
        {"no hash function", [](auto& m) { m[8 + 2] = 0; }, auth_explanation::hash_not_usable},
        {"an unknown hash function", [](auto& m) { m[8 + 4] = 4; }, auth_explanation::hash_not_usable},
        {"no group", [](auto& m) { m[8 + 3] = 0; }, auth_explanation::dh_group_not_usable},
        {"an unknown group", [](auto& m) { m[8 + 34] = 6; }, auth_explanation::dh_group_not_usable},
    };
    for (const row& r : rows) {
        start_anew();
        auth::bytes m = host.negotiate();
        r.change(m);
        send(m);
        EXPECT_EQ(failure1(), r.expected) << r.sentence;
    }
}

TEST_F(auth_exchange_test, refuses_what_is_wrong_in_a_reply) {
    struct row {
        const char* sentence;
        std::function<void(auth::reply&)> change;
        auth_explanation expected;
    };
    const row rows[] = {
        {"another transaction", [](auto& m) { ++m.t_id; }, auth_explanation::incorrect_payload},
        {"a short response",
         [](auto& m) {
             m.response.resize(16);
             m.value.resize(16);
         },
         auth_explanation::incorrect_payload},
        {"a long response",
         [](auto& m) {
             m.response.resize(48);
             m.value.resize(48);
         },
         auth_explanation::incorrect_payload},
        {"no public value", [](auto& m) { m.public_value.clear(); }, auth_explanation::incorrect_payload},
        {"a public value of another group", [](auto& m) { m.public_value.resize(384); },
         auth_explanation::incorrect_payload},
        {"a public value that gives the secret away", [](auto& m) { m.public_value.assign(256, 0); },
         auth_explanation::incorrect_payload},
        {"a challenge without a number", [](auto& m) { m.seqnum = 0; }, auth_explanation::incorrect_payload},
        {"the first bit of the response", [](auto& m) { m.response.front() ^= 0x80; }, auth_explanation::failed},
        {"the last bit of the response", [](auto& m) { m.response.back() ^= 1; }, auth_explanation::failed},
        {"another public value",
         [](auto& m) { m.public_value = auth::ephemeral_key::generate(auth_dhgroup::ffdhe2048).public_value(); },
         auth_explanation::failed},
    };
    both_ways();
    host.dhgroups = {1};
    for (const row& r : rows) {
        start_anew();
        challenge();
        auto m = host.reply_to(challenged);
        r.change(m);
        send(auth::write(m));
        EXPECT_EQ(failure1(), r.expected) << r.sentence;
        EXPECT_FALSE(exchange->has_succeeded()) << r.sentence;
    }
}

TEST_F(auth_exchange_test, refuses_a_reply_that_is_cut_off) {
    challenge();
    auth::bytes m = host.reply(challenged);
    m.pop_back();
    send(m);
    EXPECT_EQ(failure1(), auth_explanation::incorrect_payload);
}

TEST_F(auth_exchange_test, refuses_the_end_of_another_transaction) {
    both_ways();
    bring_to(state::success2);
    ++host.t_id;
    send(host.success2());
    EXPECT_EQ(failure1(), auth_explanation::incorrect_payload);
}

// ---- Keys.

TEST_F(auth_exchange_test, refuses_another_key_and_another_name) {
    host.key = other_key;
    challenge();
    send(host.reply(challenged));
    EXPECT_EQ(failure1(), auth_explanation::failed);
    EXPECT_EQ(exchange->failure(), "its Reply does not prove its key");

    start_anew();
    host.key = key_of_a;
    host.hostnqn += "-other";
    challenge();
    send(host.reply(challenged));
    EXPECT_EQ(failure1(), auth_explanation::failed);
}

TEST_F(auth_exchange_test, refuses_a_reply_to_an_older_challenge) {
    challenge();
    const auth::bytes first = host.reply(challenged);
    send(first);
    receive();
    challenge();
    send(first);
    EXPECT_EQ(failure1(), auth_explanation::failed);
}

TEST_F(auth_exchange_test, challenges_anew_each_time) {
    authenticate();
    const auto first = auth::read_challenge(challenged);
    authenticate();
    const auto second = auth::read_challenge(challenged);
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->value, second->value) << "a sequence number may come again";
}

TEST_F(auth_exchange_test, proves_nothing_without_a_controller_key) {
    host.ctrlr_key = key_of_disks;
    challenge();
    send(host.reply(challenged));
    EXPECT_EQ(failure1(), auth_explanation::failed);
    EXPECT_NE(exchange->failure().find("dhchap_ctrlr_key"), std::string::npos);
}

TEST_F(auth_exchange_test, a_host_need_not_challenge_a_controller_that_has_a_key) {
    keys = keys_of(key_of_a, key_of_disks);
    authenticate();
    EXPECT_EQ(exchange->current(), state::completed);
}

TEST_F(auth_exchange_test, ends_when_the_host_does_not_accept_the_controller) {
    both_ways();
    host.ctrlr_key = other_key;
    challenge();
    send(host.reply(challenged));
    EXPECT_FALSE(host.accepts(receive()));
    send(host.failure2());
    EXPECT_EQ(exchange->current(), state::error);
    EXPECT_FALSE(exchange->has_succeeded());
    EXPECT_EQ(exchange->failure(), "it does not accept the controller's proof: authentication failed");
}

TEST_F(auth_exchange_test, happens_again_with_the_keys_of_that_moment) {
    authenticate();
    authenticate();
    EXPECT_EQ(exchange->current(), state::completed);
    keys = keys_of(other_key);
    host.key = other_key;
    ++host.t_id;
    authenticate();
    EXPECT_EQ(exchange->current(), state::completed);
    host.key = key_of_a;
    challenge();
    send(host.reply(challenged));
    EXPECT_EQ(failure1(), auth_explanation::failed);
    EXPECT_EQ(exchange->current(), state::error);
}

TEST_F(auth_exchange_test, keeps_the_keys_with_which_it_began) {
    challenge();
    keys = keys_of(other_key);
    send(host.reply(challenged));
    EXPECT_EQ(exchange->current(), state::success1);
}

TEST_F(auth_exchange_test, needs_a_key) {
    keys = nullptr;
    send(host.negotiate());
    EXPECT_EQ(failure1(), auth_explanation::protocol_not_usable);
}

}  // namespace
}  // namespace causeway::nvmf::test
