// SPDX-License-Identifier: Apache-2.0
#include "rpc/dispatcher.h"

#include "rpc/spdk_methods.h"

#include <charconv>
#include <fmt/format.h>
#include <map>

namespace causeway::rpc {

namespace {

/// The contents of a request, before the method is looked up.
struct envelope {
    std::optional<json> id;
    std::string method;
    json params;
};

json answer_object(const json& id) {
    json object = json::object();
    object["jsonrpc"] = "2.0";
    object["id"] = id;
    return object;
}

json error_object(const json& id, const rpc_error& e) {
    json object = answer_object(id);
    object["error"] = {{"code", e.code}, {"message", e.message}};
    return object;
}

bool may_be_id(const json& v) noexcept {
    return v.is_string() || v.is_number() || v.is_null();
}

tl::expected<void, rpc_error> open(json&& request, const std::string& duplicate, envelope& to) {
    const auto refuse_request = [](std::string why) { return refuse(error_code::request, std::move(why)); };
    if (!request.is_object())
        return refuse_request("a request is an object");
    // The id first, so that a refusal can carry it.
    if (const auto id = request.find("id"); id != request.end()) {
        if (!may_be_id(*id))
            return refuse_request("id must be a string, a number or null");
        to.id = *id;
    }
    bool has_method = false;
    for (auto& [key, value] : request.items()) {
        if (key == "jsonrpc") {
            if (value != "2.0")
                return refuse_request("jsonrpc must be \"2.0\"");
        } else if (key == "method") {
            if (!value.is_string())
                return refuse_request("method must be a string");
            to.method = std::move(value.get_ref<std::string&>());
            has_method = true;
        } else if (key == "params") {
            if (!value.is_null() && !value.is_object() && !value.is_array())
                return refuse_request("params must be an object or an array");
            to.params = std::move(value);
        } else if (key != "id") {
            return refuse_request("unknown member '" + key + "'");
        }
    }
    if (!has_method)
        return refuse_request("method is missing");
    if (duplicate.starts_with("/params/"))
        return refuse_parameters("parameter '" + duplicate.substr(8) + "' comes twice");
    if (!duplicate.empty())
        return refuse_request("member '" + duplicate.substr(1) + "' comes twice");
    return {};
}

/// "/17/params/name" -> 17 and "/params/name".
std::pair<std::size_t, std::string> split_index(std::string_view pointer) {
    std::size_t index = 0;
    const char* const end = pointer.data() + pointer.size();
    const auto parsed = std::from_chars(pointer.data() + 1, end, index);
    return {index, std::string(parsed.ptr, end)};
}

}  // namespace

std::string dispatcher::error_line(rpc_error e) {
    return to_line(error_object(nullptr, e));
}

core::task<answer> dispatcher::call(std::string name, json params) {
    if (closed_)
        co_return refuse_errno(ECANCELED, "the gateway is shutting down", name);
    const auto running = calls_.hold();
    const method* m = methods_.find(name);
    if (!m)
        co_return tl::make_unexpected(not_found(methods_, name));
    if (!allows(m->when, cycle_.now()))
        co_return refuse(error_code::wrong_state,
                         m->when == states::startup
                             ? "the gateway has started: this may be called only before, with --wait-for-rpc"
                             : "the gateway has not started: call framework_start_init first");
    answer a = co_await m->call(std::move(params));
    co_await core::switch_to(control_);  // where a handler that hopped should have come back to
    co_return a;
}

core::task<bool> dispatcher::calls_ended(core::nanoseconds limit) {
    co_return co_await calls_.close_for(limit);
}

core::task<answer> dispatcher::observed_call(std::string name, json params) {
    if (!observer_ || !observer_->watching())
        co_return co_await call(std::move(name), std::move(params));
    answer a = co_await call(name, params);
    if (const bool withdrawn = observer_->on_call(name, params, a.has_value()); withdrawn && !a)
        a = ok();
    co_return a;
}

core::task<answer> dispatcher::call_of_client(std::string name, json params) {
    const bool is_saved = saver_ && may_change_configuration(name);
    answer a = co_await observed_call(std::move(name), std::move(params));
    if (!a || !is_saved)
        co_return a;
    const auto saved = co_await saver_->save();
    if (!saved)
        co_return refuse_errno(saved.error().code,
                               "it is done, but not stored, and would be lost at a restart: " + saved.error().text() +
                                   (saved.error().code == ECANCELED ? "" : "; storing it is retried"));
    co_return a;
}

core::task<std::optional<json>> dispatcher::serve_one(json request, std::string duplicate) {
    envelope e;
    if (auto opened = open(std::move(request), duplicate, e); !opened)
        co_return error_object(e.id.value_or(nullptr), opened.error());
    answer a = co_await call_of_client(std::move(e.method), std::move(e.params));
    if (!a)
        co_return error_object(e.id.value_or(nullptr), a.error());
    if (!e.id)
        co_return std::nullopt;
    json object = answer_object(*e.id);
    object["result"] = std::move(*a);
    co_return object;
}

core::task<dispatcher::reply> dispatcher::serve_batch(parsed_text batch) {
    json& requests = batch.value;
    if (requests.empty())
        co_return reply{error_line({error_code::request, "a batch holds at least one request"})};
    if (requests.size() > max_in_batch)
        co_return reply{
            error_line({error_code::request, fmt::format("a batch holds at most {} requests", max_in_batch)})};

    std::map<std::size_t, std::string> duplicates;
    for (const auto& pointer : batch.duplicates)
        duplicates.insert(split_index(pointer));

    // All begin in order, and run at the same time.
    std::vector<std::optional<json>> answers(requests.size());
    std::size_t left = requests.size() + 1;
    core::one_shot<bool> all_done;
    const auto one_less = [&] {
        if (--left == 0)
            all_done.set(true);
    };
    for (std::size_t i = 0; i < requests.size(); ++i) {
        core::detach(serve_one(std::move(requests[i]), duplicates[i]), [&, i](std::optional<json> a) {
            answers[i] = std::move(a);
            one_less();
        });
    }
    one_less();
    co_await all_done;

    json all = json::array();
    for (auto& a : answers)
        if (a)
            all.push_back(std::move(*a));
    if (all.empty())
        co_return reply{};
    std::string line = co_await to_line_in_slices(std::move(all));
    co_return reply{std::move(line)};
}

core::task<dispatcher::reply> dispatcher::serve(std::string text) {
    auto parsed = parse_json(text);
    if (!parsed)
        co_return reply{error_line({error_code::parse, parsed.error()}), true};
    if (parsed->value.is_array()) {
        reply r = co_await serve_batch(std::move(*parsed));
        if (r.line.size() > max_answer_bytes)
            r.line = error_line({error_code::internal, "the answers are larger than 32 MiB together"});
        co_return r;
    }
    const json id = parsed->value.is_object() ? parsed->value.value("id", json()) : json();
    std::string duplicate = parsed->duplicates.empty() ? std::string() : std::move(parsed->duplicates.front());
    auto a = co_await serve_one(std::move(parsed->value), std::move(duplicate));
    if (!a)
        co_return reply{};
    std::string line = co_await to_line_in_slices(std::move(*a));
    if (line.size() > max_answer_bytes)
        line = to_line(error_object(id, {error_code::internal, "the answer is larger than 32 MiB"}));
    co_return reply{std::move(line)};
}

}  // namespace causeway::rpc
