// SPDX-License-Identifier: Apache-2.0
#include "rpc/dispatcher.h"

#include "core/clock.h"
#include "rpc/params.h"

#include <gtest/gtest.h>

namespace causeway::rpc {
namespace {

struct named {
    std::string name;
};
const declaration<named> greet = {
    .name = "greet",
    .when = states::any,
    .parameters = {required("name", &named::name, "Whom.")},
};

/// A dispatcher with a few methods, on a reactor whose turns are taken by the test.
class dispatch : public ::testing::Test {
  protected:
    struct no_blocking final : core::blocking_executor {
        void submit(std::function<void()>) override { FAIL() << "nothing here blocks"; }
    };

    dispatch() {
        methods_.add(declaration<>{.name = "ping", .when = states::any}, [] { return answer(json("pong")); });
        methods_.add(greet, [](const named& n) -> answer { return json("hello " + n.name); });
        methods_.add(declaration<>{.name = "prepare", .when = states::startup}, [] { return ok(); });
        methods_.add(declaration<>{.name = "work", .when = states::runtime}, [] { return ok(); });
        methods_.add(declaration<>{.name = "slow", .when = states::any}, [this]() -> core::task<answer> {
            core::one_shot<bool>& let_go = let_go_;
            co_await let_go;
            co_return json("at last");
        });
        methods_.add(declaration<>{.name = "fail", .when = states::any},
                     [] { return answer(refuse_errno(ENODEV, "no such thing", "it")); });
        methods_.add(declaration<>{.name = "huge", .when = states::any},
                     [] { return answer(json(std::string(dispatcher::max_answer_bytes, 'x'))); });
        methods_.add(declaration<>{.name = "umlaut", .when = states::any}, [] { return answer(json("\u00fc \xff")); });
        methods_.add_alias("knock", "ping");
    }

    void begin(const std::string& text, std::string& line) {
        group_.control().execute([this, text, &line] {
            core::detach(dispatcher_.serve(text),
                         [&line](dispatcher::reply r) { line = r.line.empty() ? "none" : r.line; });
        });
    }
    std::string serve(const std::string& text) {
        std::string line;
        begin(text, line);
        for (int i = 0; i < 100 && line.empty(); ++i)
            group_.control().turn();
        return line;
    }

    core::virtual_clock time_;
    no_blocking blocking_;
    core::reactor_group group_{{0}, time_, blocking_};
    core::one_shot<bool> let_go_;
    method_table methods_;
    lifecycle cycle_{[]() -> core::task<core::result<>> { co_return core::result<>{}; }};
    dispatcher dispatcher_{group_.control(), methods_, cycle_};
};

struct row {
    const char* sentence;
    const char* request;
    const char* reply;
};
const row rows[] = {
    {"a result carries the id", R"({"jsonrpc": "2.0", "id": 7, "method": "ping"})",
     R"({"jsonrpc":"2.0","id":7,"result":"pong"})"},
    {"an id may be a string", R"({"id": "a", "method": "ping"})", R"({"jsonrpc":"2.0","id":"a","result":"pong"})"},
    {"an id may be null", R"({"id": null, "method": "ping"})", R"({"jsonrpc":"2.0","id":null,"result":"pong"})"},
    {"without an id a success is silent", R"({"method": "ping"})", "none"},
    {"without an id an error is not", R"({"method": "fail"})",
     R"({"jsonrpc":"2.0","id":null,"error":{"code":-19,"message":"it: no such thing"}})"},
    {"an alias is a name", R"({"id": 1, "method": "knock"})", R"({"jsonrpc":"2.0","id":1,"result":"pong"})"},
    {"null params are none", R"({"id": 1, "method": "ping", "params": null})",
     R"({"jsonrpc":"2.0","id":1,"result":"pong"})"},
    {"params reach the method", R"({"id": 1, "method": "greet", "params": {"name": "you"}})",
     R"({"jsonrpc":"2.0","id":1,"result":"hello you"})"},
    {"a method without parameters refuses an empty object", R"({"id": 1, "method": "ping", "params": {}})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"this method takes no parameters"}})"},
    {"a missing parameter", R"({"id": 1, "method": "greet"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"parameter 'name' is missing"}})"},
    {"a parameter that comes twice", R"({"id": 1, "method": "greet", "params": {"name": "a", "name": "b"}})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"parameter 'name' comes twice"}})"},
    {"parameters by position", R"({"id": 1, "method": "greet", "params": ["a"]})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"params must be an object"}})"},
    {"an unknown method", R"({"id": 1, "method": "sing"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: did you mean ping?"}})"},
    {"a method of the other state", R"({"id": 1, "method": "work"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"the gateway has not started: call framework_start_init first"}})"},
    {"another version", R"({"jsonrpc": "1.0", "id": 1, "method": "ping"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"jsonrpc must be \"2.0\""}})"},
    {"an id of another kind", R"({"id": [1], "method": "ping"})",
     R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"id must be a string, a number or null"}})"},
    {"no method", R"({"id": 1})", R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"method is missing"}})"},
    {"a method that is no string", R"({"id": 1, "method": 5})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"method must be a string"}})"},
    {"params of another kind", R"({"id": 1, "method": "ping", "params": 5})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"params must be an object or an array"}})"},
    {"an unknown member", R"({"id": 1, "method": "ping", "parms": {}})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"unknown member 'parms'"}})"},
    {"a member that comes twice", R"({"id": 1, "id": 2, "method": "ping"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"member 'id' comes twice"}})"},
    {"what is no request", R"("ping")",
     R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a request is an object"}})"},
    {"an empty batch", "[]",
     R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a batch holds at least one request"}})"},
    {"a batch is answered in its order, notifications left out",
     R"([{"id": 1, "method": "ping"}, {"method": "ping"}, 5, {"id": 2, "method": "sing"}])",
     R"([{"jsonrpc":"2.0","id":1,"result":"pong"},)"
     R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a request is an object"}},)"
     R"({"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Method not found: did you mean ping?"}}])"},
    {"a batch of notifications is silent", R"([{"method": "ping"}, {"method": "ping"}])", "none"},
    {"a double in one of a batch harms only that one",
     R"([{"id": 1, "method": "greet", "params": {"name": "a"}}, {"id": 2, "method": "greet", "params": {"name": "a", "name": "b"}}])",
     R"([{"jsonrpc":"2.0","id":1,"result":"hello a"},)"
     R"({"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"parameter 'name' comes twice"}}])"},
    {"answers are ASCII", R"({"id": "ü", "method": "umlaut"})",
     R"({"jsonrpc":"2.0","id":"\u00fc","result":"\u00fc \ufffd"})"},
    {"an answer that is too long", R"({"id": 1, "method": "huge"})",
     R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the answer is larger than 32 MiB"}})"},
};

TEST_F(dispatch, answers_each_request_as_the_interface_says) {
    for (const auto& r : rows) {
        std::string expected = r.reply;
        if (expected != "none")
            expected += '\n';
        EXPECT_EQ(serve(r.request), expected) << r.sentence;
    }
}

TEST_F(dispatch, a_text_that_the_parser_refuses_is_the_last_one) {
    for (const char* text : {"{\"id\": \"\xff\", \"method\": \"ping\"}", R"({"id": "\ud800", "method": "ping"})",
                             R"({"id": 1e999, "method": "ping"})"}) {
        dispatcher::reply r;
        core::detach(dispatcher_.serve(text), [&](dispatcher::reply got) { r = std::move(got); });
        EXPECT_TRUE(r.unparsable) << text;
        EXPECT_NE(r.line.find("-32700"), std::string::npos) << r.line;
    }
}

TEST_F(dispatch, states_change_and_methods_with_them) {
    EXPECT_NE(serve(R"({"id": 1, "method": "prepare"})").find("true"), std::string::npos);
    core::detach(cycle_.start(), [](core::result<> r) { EXPECT_TRUE(r); });
    EXPECT_NE(serve(R"({"id": 1, "method": "work"})").find("true"), std::string::npos);
    EXPECT_NE(serve(R"({"id": 1, "method": "prepare"})").find("\"code\":-1,"), std::string::npos);
    core::detach(cycle_.start(), [](core::result<> r) { EXPECT_EQ(r.error().code, EALREADY); });
}

TEST_F(dispatch, a_slow_handler_holds_up_no_other) {
    std::string slow;
    begin(R"({"id": 1, "method": "slow"})", slow);
    EXPECT_NE(serve(R"({"id": 2, "method": "ping"})").find("pong"), std::string::npos);
    EXPECT_EQ(slow, "");
    let_go_.set(true);
    for (int i = 0; i < 10; ++i)
        group_.control().turn();
    EXPECT_NE(slow.find("at last"), std::string::npos);
}

TEST_F(dispatch, a_batch_waits_for_its_slowest) {
    std::string batch;
    begin(R"([{"id": 1, "method": "slow"}, {"id": 2, "method": "ping"}])", batch);
    for (int i = 0; i < 10; ++i)
        group_.control().turn();
    EXPECT_EQ(batch, "");
    let_go_.set(true);
    for (int i = 0; i < 10; ++i)
        group_.control().turn();
    EXPECT_EQ(batch, R"([{"jsonrpc":"2.0","id":1,"result":"at last"},{"jsonrpc":"2.0","id":2,"result":"pong"}])"
                     "\n");
}

TEST_F(dispatch, calls_that_run_are_counted_and_after_the_end_none_begins) {
    std::string slow;
    begin(R"({"id": 1, "method": "slow"})", slow);
    group_.control().turn();
    EXPECT_EQ(dispatcher_.running(), 1u);
    dispatcher_.close();
    EXPECT_NE(serve(R"({"id": 2, "method": "ping"})")
                  .find(R"("error":{"code":-125,"message":"Operation canceled: ping: the gateway is shutting down"})"),
              std::string::npos);
    EXPECT_EQ(dispatcher_.running(), 1u);
    let_go_.set(true);
    for (int i = 0; i < 10; ++i)
        group_.control().turn();
    EXPECT_NE(slow.find("at last"), std::string::npos) << "what has begun goes on";
    EXPECT_EQ(dispatcher_.running(), 0u);
}

TEST_F(dispatch, many_members_cost_no_more_than_their_number) {
    std::string text = R"({"id": 1, "method": "greet", "params": {"name": "a")";
    for (int i = 0; i < 200'000; ++i)
        text += ",\"k" + std::to_string(i) + "\":0";
    text += "}}";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_NE(serve(text).find("parameter 'k0' is unknown"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

}  // namespace
}  // namespace causeway::rpc
