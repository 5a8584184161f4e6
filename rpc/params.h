// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parameters of methods, declared as a table of fields:
//
//     struct null_params {
//         std::string name;
//         std::uint32_t block_size = 0;
//         std::optional<bdev::uuid> uuid;
//         io_kind kind = io_kind::read;
//     };
//     const fields<null_params> null_fields = {
//         required("name", &null_params::name),
//         required("block_size", &null_params::block_size),
//         optional("uuid", &null_params::uuid),
//         optional("kind", &null_params::kind, {{"read", io_kind::read}, {"write", io_kind::write}}),
//         only<null_params>("md_size", 0, "metadata is not supported"),
//     };
//     table.add("bdev_null_create", states::runtime, null_fields, [&](null_params p) -> core::task<answer> { … });
//
// Types are exact: a number in a string is refused, and so is one out of range. A key that is not declared, or comes
// twice, is refused. Every refusal is -32602 with a sentence that names the key. A method may let undeclared keys pass
// where existing clients send them and no such key could be a misspelt restriction; it then logs them.

#include "rpc/method.h"

#include <concepts>
#include <initializer_list>
#include <limits>
#include <optional>

namespace causeway::rpc {

/// Why a value is invalid, without the key ("must be a string"); empty: it is valid.
using complaint = std::string;

/// How a value of type T is read. Specialize for types of one's own: `static complaint read(const json&, T&)`.
template <class T>
struct value_reader;

template <>
struct value_reader<bool> {
    static complaint read(const json& v, bool& to);
};
template <>
struct value_reader<std::string> {
    static complaint read(const json& v, std::string& to);
};
/// Anything, as it came.
template <>
struct value_reader<json> {
    static complaint read(const json& v, json& to) {
        to = v;
        return {};
    }
};

namespace detail {
complaint read_unsigned(const json& v, std::uint64_t most, std::uint64_t& to);
complaint read_signed(const json& v, std::int64_t least, std::int64_t most, std::int64_t& to);
complaint must_be_one_of(const std::vector<std::string_view>& names);
/// "is unknown", and which of the declared names was probably meant.
complaint not_known(std::string_view key, const std::vector<std::string_view>& declared);
/// Says in the log which parameters of a call have no effect.
void log_ignored(std::string_view method, const std::vector<std::string_view>& keys);
}  // namespace detail

template <std::unsigned_integral T>
struct value_reader<T> {
    static complaint read(const json& v, T& to) {
        std::uint64_t n = 0;
        auto wrong = detail::read_unsigned(v, std::numeric_limits<T>::max(), n);
        if (wrong.empty())
            to = static_cast<T>(n);
        return wrong;
    }
};
template <std::signed_integral T>
struct value_reader<T> {
    static complaint read(const json& v, T& to) {
        std::int64_t n = 0;
        auto wrong = detail::read_signed(v, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), n);
        if (wrong.empty())
            to = static_cast<T>(n);
        return wrong;
    }
};
template <class T>
struct value_reader<std::optional<T>> {
    static complaint read(const json& v, std::optional<T>& to) { return value_reader<T>::read(v, to.emplace()); }
};
/// `max_elements` bounds every array that a client can send as a parameter.
inline constexpr std::size_t max_elements = 1024;
template <class T>
struct value_reader<std::vector<T>> {
    static complaint read(const json& v, std::vector<T>& to) {
        if (!v.is_array())
            return "must be an array";
        if (v.size() > max_elements)
            return "must have at most " + std::to_string(max_elements) + " elements";
        for (const json& e : v) {
            T element{};
            if (auto wrong = value_reader<T>::read(e, element); !wrong.empty())
                return "has an element that " + wrong;
            to.push_back(std::move(element));
        }
        return {};
    }
};

/// Why an object was refused: which key of it, and the sentence.
struct field_problem {
    std::string key;  ///< "namespace.nsid"
    std::string sentence;
};

/// One parameter of Params.
template <class Params>
struct field {
    std::string_view name;
    bool is_required;
    std::function<std::optional<field_problem>(const json& v, Params& to)> read;
};

/// `ignored`: such keys pass and are logged. Never for a method with an option that restricts access: misspelt, it
/// would be ignored silently.
enum class unknown_keys : bool { refused, ignored };

/// All parameters of a method, or of an object within them.
template <class Params>
class fields {
  public:
    fields(std::initializer_list<field<Params>> all, unknown_keys unknown = unknown_keys::refused)
        : all_(all), unknown_(unknown) {}
    explicit fields(std::vector<field<Params>> all, unknown_keys unknown = unknown_keys::refused)
        : all_(std::move(all)), unknown_(unknown) {}

    std::optional<field_problem> read(const json& object, Params& to) const {
        if (!object.is_object())
            return field_problem{"", "must be an object"};
        for (const auto& [key, value] : object.items())
            if (unknown_ == unknown_keys::refused && !declares(key))
                return field_problem{key, detail::not_known(key, names())};
        for (const auto& f : all_) {
            const auto it = object.find(f.name);
            if (it == object.end()) {
                if (f.is_required)
                    return field_problem{std::string(f.name), "is missing"};
                continue;
            }
            if (auto problem = f.read(*it, to))
                return problem;
        }
        return std::nullopt;
    }

    /// Which keys of a call have no effect: those that pass although they are not declared.
    std::vector<std::string_view> ignored(const json& params) const {
        std::vector<std::string_view> keys;
        if (unknown_ == unknown_keys::ignored && params.is_object())
            for (const auto& [key, value] : params.items())
                if (!declares(key))
                    keys.push_back(key);
        return keys;
    }

    /// The parameters of a call; absent ones (null) are an empty object.
    tl::expected<Params, rpc_error> decode(const json& params) const {
        static const json none = json::object();
        Params to{};
        if (auto p = read(params.is_null() ? none : params, to))
            return refuse_parameters(p->key.empty() ? "params " + p->sentence
                                                    : "parameter '" + p->key + "' " + p->sentence);
        return to;
    }

  private:
    bool declares(std::string_view key) const noexcept {
        for (const auto& f : all_)
            if (f.name == key)
                return true;
        return false;
    }
    std::vector<std::string_view> names() const {
        std::vector<std::string_view> all;
        for (const auto& f : all_)
            all.push_back(f.name);
        return all;
    }

    std::vector<field<Params>> all_;
    unknown_keys unknown_;
};

namespace detail {

template <class Params, class T>
field<Params> plain(std::string_view name, T Params::*member, bool is_required) {
    return {name, is_required, [name, member](const json& v, Params& to) -> std::optional<field_problem> {
                if (auto wrong = value_reader<T>::read(v, to.*member); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                return std::nullopt;
            }};
}

template <class T>
using choices = std::initializer_list<std::pair<std::string_view, T>>;

template <class Params, class Member, class T>
field<Params> choice(std::string_view name, Member Params::*member, choices<T> of, bool is_required) {
    return {name, is_required,
            [name, member, of = std::vector<std::pair<std::string_view, T>>(of)](
                const json& v, Params& to) -> std::optional<field_problem> {
                std::vector<std::string_view> names;
                for (const auto& [text, value] : of) {
                    if (v.is_string() && v.get_ref<const std::string&>() == text) {
                        to.*member = value;
                        return std::nullopt;
                    }
                    names.push_back(text);
                }
                return field_problem{std::string(name), must_be_one_of(names)};
            }};
}

template <class Params, class T>
field<Params> object(std::string_view name, T Params::*member, const fields<T>& of, bool is_required) {
    return {name, is_required, [name, member, &of](const json& v, Params& to) -> std::optional<field_problem> {
                auto problem = of.read(v, to.*member);
                if (problem)
                    problem->key = std::string(name) + (problem->key.empty() ? "" : "." + problem->key);
                return problem;
            }};
}

}  // namespace detail

template <class Params, class T>
field<Params> required(std::string_view name, T Params::*member) {
    return detail::plain(name, member, true);
}
/// The member keeps its initializer where the key is absent.
template <class Params, class T>
field<Params> optional(std::string_view name, T Params::*member) {
    return detail::plain(name, member, false);
}

/// A string that stands for a value of an enumeration.
template <class Params, class T>
    requires std::is_enum_v<T>
field<Params> required(std::string_view name, T Params::*member, detail::choices<T> of) {
    return detail::choice<Params, T, T>(name, member, of, true);
}
template <class Params, class T>
    requires std::is_enum_v<T>
field<Params> optional(std::string_view name, T Params::*member, detail::choices<T> of) {
    return detail::choice<Params, T, T>(name, member, of, false);
}
template <class Params, class T>
    requires std::is_enum_v<T>
field<Params> optional(std::string_view name, std::optional<T> Params::*member, detail::choices<T> of) {
    return detail::choice<Params, std::optional<T>, T>(name, member, of, false);
}

/// An object with fields of its own. REQUIRES: `of` is in static storage.
template <class Params, class T>
field<Params> required(std::string_view name, T Params::*member, const fields<T>& of) {
    return detail::object(name, member, of, true);
}
template <class Params, class T>
field<Params> optional(std::string_view name, T Params::*member, const fields<T>& of) {
    return detail::object(name, member, of, false);
}

// ---- What we know of but do not do. Here `Params` cannot be deduced: only<null_params>("md_size", 0, "…"),
// ignored<transport_params, bool>("zcopy").

/// A parameter that may come with the one value that changes nothing; any other is refused with `why`.
template <class Params, class T>
field<Params> only(std::string_view name, T harmless, std::string_view why) {
    return {name, false,
            [name, harmless = json(harmless), why](const json& v, Params&) -> std::optional<field_problem> {
                if (v == harmless)
                    return std::nullopt;
                return field_problem{std::string(name), "must be " + harmless.dump() + ": " + std::string(why)};
            }};
}
/// A parameter that must not come at all.
template <class Params>
field<Params> unsupported(std::string_view name, std::string_view why) {
    return {name, false, [name, why](const json&, Params&) -> std::optional<field_problem> {
                return field_problem{std::string(name), "is not supported: " + std::string(why)};
            }};
}
/// A parameter of which only the type matters: the interface says that it has no effect.
template <class Params, class T>
field<Params> ignored(std::string_view name) {
    return {name, false, [name](const json& v, Params&) -> std::optional<field_problem> {
                T nothing{};
                if (auto wrong = value_reader<T>::read(v, nothing); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                return std::nullopt;
            }};
}

template <class Params, class F>
void method_table::add(std::string_view name, states when, const fields<Params>& declared, F f) {
    // The lambdas and what they have captured live in the table, which outlives every call.
    handler call = [name, declared, f = std::move(f)](json params) -> core::task<answer> {
        if (const auto keys = declared.ignored(params); !keys.empty())
            detail::log_ignored(name, keys);
        auto decoded = declared.decode(params);
        if (!decoded)
            co_return tl::make_unexpected(std::move(decoded.error()));
        co_return co_await detail::call(f, std::move(*decoded));
    };
    add_raw(name, when, std::move(call), [declared](const json& params) -> std::optional<rpc_error> {
        auto decoded = declared.decode(params);
        return decoded ? std::nullopt : std::optional(std::move(decoded.error()));
    });
}

}  // namespace causeway::rpc
