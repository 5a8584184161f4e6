// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a method says of itself, as data: for the method that answers it, the documents, the command line, and tests
// that are made of it. Methods declare it with params.h.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::rpc {

/// Members keep the order in which they were written: clients see it, and files are compared by it.
using json = nlohmann::ordered_json;

/// When a method may be called. The process starts in `startup` (with --wait-for-rpc it stays there until
/// framework_start_init) and goes on to `runtime`.
enum class state : std::uint8_t { startup = 1, runtime = 2 };
enum class states : std::uint8_t { startup = 1, runtime = 2, any = 3 };
constexpr bool allows(states mask, state now) noexcept {
    return (static_cast<unsigned>(mask) & static_cast<unsigned>(now)) != 0;
}

/// Which values a parameter takes.
struct value_type {
    enum class kind : std::uint8_t { boolean, number, string, array, object, any };

    kind is = kind::any;
    std::string words;                 ///< "UUID", "array of strings"
    json example;                      ///< a value that is taken
    std::vector<std::string> choices;  ///< of a string, or of an array's elements; empty: any
    kind elements = kind::any;         ///< of an array
    std::int64_t min = 0;              ///< of a number
    std::uint64_t max = 0;
};

/// What a parameter does here.
enum class parameter_effect : std::uint8_t {
    full,       ///< what it means
    one_value,  ///< it may have the one value that changes nothing
    none,       ///< its type is checked, and that is all
    refused,    ///< it must not come
};

struct parameter_info {
    std::string name;
    value_type type;
    bool is_required = false;
    json default_value;  ///< null: what its absence means is said in words
    std::string meaning;
    parameter_effect effect = parameter_effect::full;
    std::vector<parameter_info> members;  ///< of an object
};

/// When a method answers an error, beside what every method answers: a wrong parameter, a wrong state.
struct error_case {
    int code;  ///< JSON-RPC's, or -errno
    std::string_view when;
};

struct method_info {
    std::string name;
    states when = states::runtime;
    std::string summary;  ///< one sentence
    std::vector<parameter_info> parameters;
    bool ignores_unknown_keys = false;
    std::string result;  ///< in words
    std::vector<error_case> errors;
    bool has_effect = true;  ///< false: it succeeds, and changes nothing here
};

/// The name under which documents and lists show a method: "nvmf", "bdev_rbd".
std::string_view group_of(const method_info& m);
/// What rpc_get_method_help answers of a method.
json to_json(const method_info& m);

}  // namespace causeway::rpc
