// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a JSON-RPC method is, and the table of them.

#include "core/result.h"
#include "core/task.h"
#include "rpc/declaration.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace causeway::rpc {

struct rpc_error {
    int code;
    std::string message;
};

/// JSON-RPC's own codes, and the target's. Everything else is a negative errno.
namespace error_code {
inline constexpr int parse = -32700;
inline constexpr int request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int parameters = -32602;
inline constexpr int internal = -32603;
inline constexpr int wrong_state = -1;
}  // namespace error_code

/// What a method answers: its result, or why not.
using answer = tl::expected<json, rpc_error>;

inline tl::unexpected<rpc_error> refuse(int code, std::string message) {
    return tl::make_unexpected(rpc_error{code, std::move(message)});
}
inline tl::unexpected<rpc_error> refuse_parameters(std::string message) {
    return refuse(error_code::parameters, std::move(message));
}

/// -errno, and the operating system's text for it before ours, unless ours says the same: "Operation timed out: mon.a:
/// the cluster does not answer", "vm-17: there is no such device".
rpc_error to_rpc_error(const core::error& e);
inline tl::unexpected<rpc_error> refuse(const core::error& e) {
    return tl::make_unexpected(to_rpc_error(e));
}
/// The same for an errno value and what it is about.
inline tl::unexpected<rpc_error> refuse_errno(int code, std::string sentence, std::string_view about = {}) {
    return refuse(core::error{code, std::move(sentence), std::string(about)});
}

/// What most methods answer.
inline answer ok() {
    return answer(json(true));
}
/// `true`, or the error.
inline answer ok_if(const core::result<>& r) {
    return r ? ok() : answer(refuse(r.error()));
}

/// Runs on the control reactor, from the first line to the last but for what it hops itself. `params` is as the
/// client sent it, null where it sent none.
using handler = std::function<core::task<answer>(json params)>;

/// Checks parameters independently of the gateway's state: names and types. nullopt: they are valid.
using parameter_check = std::function<std::optional<rpc_error>(const json& params)>;

struct method {
    std::string_view name;  ///< static storage
    states when;
    handler call;
    parameter_check check;                  ///< what the handler does first; may be empty
    std::function<method_info()> describe;  ///< may be empty
};

template <class Params>
struct declaration;

/// Every method by name. Filled before the server starts; outlives every call.
class method_table {
  public:
    /// The general form: `call` looks at the parameters itself. REQUIRES: the name is new.
    void add_raw(method m);

    /// A declared method (params.h). `f(Params)` is an answer or a task of one; `f()` where the method has no
    /// parameters: then any but null are refused.
    template <class Params, class F>
    void add(const declaration<Params>& declared, F f);

    /// Another, older name of a method.
    void add_alias(std::string_view alias, std::string_view name);

    /// nullptr: not found. Finds aliases too.
    const method* find(std::string_view name) const noexcept;
    /// In order of registration, without aliases.
    const std::deque<method>& all() const noexcept { return methods_; }
    struct alias {
        std::string_view name;
        const method* of;
    };
    const std::vector<alias>& aliases() const noexcept { return aliases_; }
    /// The method whose name is probably meant by one that is not found; empty: none is near.
    std::string_view nearest(std::string_view name) const;

  private:
    std::deque<method> methods_;  // a deque: methods stay where they are
    std::vector<alias> aliases_;
    std::map<std::string_view, const method*> by_name_;
};

namespace detail {

/// -32602 unless the client has sent nothing or null.
std::optional<rpc_error> refuse_any(const json& params);

/// Awaits what is a task, and passes on what is an answer already.
template <class F, class... Args>
core::task<answer> call(const F& f, Args... args) {
    if constexpr (std::is_same_v<std::invoke_result_t<const F&, Args...>, answer>) {
        co_return f(std::move(args)...);
    } else {
        co_return co_await f(std::move(args)...);
    }
}

}  // namespace detail

}  // namespace causeway::rpc
