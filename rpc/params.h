// SPDX-License-Identifier: Apache-2.0
#pragma once

// The declaration of a method stands in front of its handler. It is all that there is to know about the method, and
// what its parameters are decoded by:
//
//     struct create_params {
//         std::string name;
//         std::uint32_t block_size = 512;
//         std::optional<bdev::uuid> uuid;
//         io_kind kind = io_kind::read;
//     };
//     const declaration<create_params> create_method = {
//         .name = "bdev_null_create",
//         .summary = "Creates a null device: it takes writes and forgets them, and reads are zeroes.",
//         .parameters =
//             {
//                 required("name", &create_params::name, "The name of the new device."),
//                 optional("block_size", &create_params::block_size, "Bytes in a block.").within(512, 65536),
//                 optional("uuid", &create_params::uuid, "Its UUID; without one it gets a random one."),
//                 optional("kind", &create_params::kind, {{"read", io_kind::read}, {"write", io_kind::write}}, "…"),
//                 only<create_params>("md_size", 0, "metadata is not supported"),
//             },
//         .result = "the name of the device",
//         .errors = {{-EEXIST, "a device of this name exists"}},
//     };
//     answer create(bdev_service& service, const create_params& p);
//     …
//     methods.add(create_method, [&service](const create_params& p) { return create(service, p); });
//
// Types are exact: a number in a string is refused, and so is one out of range. A key that is not declared, or comes
// twice, is refused. Every refusal is -32602 with a sentence that names the key. A method may let undeclared keys pass
// where existing clients send them and no such key could be a misspelt restriction; it then logs them. Defaults are the
// initializers of the members: they are not said twice.

#include "rpc/method.h"

#include <concepts>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace causeway::rpc {

/// Why a value is invalid, without the key ("must be a string"); empty: it is valid.
using complaint = std::string;

/// How a value of type T is read, and what it looks like. Specialize for types of one's own:
/// `static complaint read(const json&, T&)` and `static value_type type()`; and `static json show(const T&)`, where a
/// parameter of that type has a default.
template <class T>
struct value_reader;

template <>
struct value_reader<bool> {
    static complaint read(const json& v, bool& to);
    static value_type type();
};
template <>
struct value_reader<std::string> {
    static complaint read(const json& v, std::string& to);
    static value_type type();
};
/// Anything, as it came.
template <>
struct value_reader<json> {
    static complaint read(const json& v, json& to) {
        to = v;
        return {};
    }
    static value_type type();
};

namespace detail {
complaint read_unsigned(const json& v, std::uint64_t most, std::uint64_t& to);
complaint read_signed(const json& v, std::int64_t least, std::int64_t most, std::int64_t& to);
complaint must_be_within(std::int64_t min, std::uint64_t max);
bool is_within(const json& v, std::int64_t min, std::uint64_t max) noexcept;
complaint must_be_one_of(const std::vector<std::string_view>& names);
/// "is unknown", and which of the declared names was probably meant.
complaint not_known(std::string_view key, const std::vector<std::string_view>& declared);
/// Says in the log which parameters of a call have no effect.
void log_ignored(std::string_view method, const std::vector<std::string_view>& keys);
value_type number_type(std::int64_t min, std::uint64_t max);
value_type array_of(const value_type& element);
value_type choice_type(const std::vector<std::string_view>& names);
value_type object_type(const std::vector<parameter_info>& members);
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
    static value_type type() { return detail::number_type(0, std::numeric_limits<T>::max()); }
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
    static value_type type() {
        return detail::number_type(std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    }
};
template <class T>
struct value_reader<std::optional<T>> {
    static complaint read(const json& v, std::optional<T>& to) { return value_reader<T>::read(v, to.emplace()); }
    static value_type type() { return value_reader<T>::type(); }
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
    static value_type type() { return detail::array_of(value_reader<T>::type()); }
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
    std::function<parameter_info()> describe;  ///< when every table has been made

    /// A number that must be in a smaller range than its type's.
    field within(std::int64_t min, std::uint64_t max) && {
        read = [name = name, min, max, next = std::move(read)](const json& v, Params& to) {
            return detail::is_within(v, min, max)
                       ? next(v, to)
                       : std::optional(field_problem{std::string(name), detail::must_be_within(min, max)});
        };
        describe = [min, max, next = std::move(describe)] {
            parameter_info info = next();
            value_type narrowed = detail::number_type(min, max);
            narrowed.words = info.type.words;
            info.type = std::move(narrowed);
            return info;
        };
        return std::move(*this);
    }
};

/// `ignored`: such keys pass and are logged. Never for a method with an option that restricts access: misspelt, it
/// would be ignored silently.
enum class unknown_keys : bool { refused, ignored };

/// All parameters of a method, or of an object within them.
template <class Params>
class fields {
  public:
    fields() = default;
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
        if (ignores_unknown_keys() && params.is_object())
            for (const auto& [key, value] : params.items())
                if (!declares(key))
                    keys.push_back(key);
        return keys;
    }
    bool ignores_unknown_keys() const noexcept { return unknown_ == unknown_keys::ignored; }

    /// The parameters of a call; absent ones (null) are an empty object.
    tl::expected<Params, rpc_error> decode(const json& params) const {
        static const json none = json::object();
        Params to{};
        if (auto p = read(params.is_null() ? none : params, to))
            return refuse_parameters(p->key.empty() ? "params " + p->sentence
                                                    : "parameter '" + p->key + "' " + p->sentence);
        return to;
    }

    std::vector<parameter_info> describe() const {
        std::vector<parameter_info> all;
        for (const auto& f : all_)
            all.push_back(f.describe());
        return all;
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
    unknown_keys unknown_ = unknown_keys::refused;
};

/// Of a method that has no parameters.
struct no_params {};

template <class Params = no_params>
struct declaration {
    std::string_view name;  ///< static storage, like all texts
    states when = states::runtime;
    std::string_view summary;  ///< one sentence
    fields<Params> parameters = {};
    std::string_view result = "`true`";
    std::vector<error_case> errors = {};
    bool has_effect = true;

    method_info describe() const {
        return {.name = std::string(name),
                .when = when,
                .summary = std::string(summary),
                .parameters = parameters.describe(),
                .ignores_unknown_keys = parameters.ignores_unknown_keys(),
                .result = std::string(result),
                .errors = errors,
                .has_effect = has_effect};
    }
};

// ---- Where a parameter goes: `&create_params::name`, or in(&create_params::options, &options::depth).

template <class Params, class Outer, class T>
struct inner_member {
    Outer Params::*outer;
    T Outer::*inner;
};
template <class Params, class Outer, class T>
inner_member<Params, Outer, T> in(Outer Params::*outer, T Outer::*inner) {
    return {outer, inner};
}

namespace detail {

template <class Place>
struct place_traits;
template <class P, class T>
struct place_traits<T P::*> {
    using params = P;
    using type = T;
    static T& of(P& p, T P::*place) { return p.*place; }
};
template <class P, class O, class T>
struct place_traits<inner_member<P, O, T>> {
    using params = P;
    using type = T;
    static T& of(P& p, const inner_member<P, O, T>& place) { return p.*place.outer.*place.inner; }
};

template <class Place>
concept place = requires { typename place_traits<Place>::params; };
template <place Place>
using params_of = typename place_traits<Place>::params;
template <place Place>
using type_at = typename place_traits<Place>::type;

template <class T>
struct without_optional {
    using type = T;
};
template <class T>
struct without_optional<std::optional<T>> {
    using type = T;
};
template <place Place>
using value_at = typename without_optional<type_at<Place>>::type;

/// A default, as documents show it; null: it has none, or one that says nothing.
template <class T>
json show(const T& value) {
    if constexpr (requires { value_reader<T>::show(value); })
        return value_reader<T>::show(value);
    else if constexpr (std::is_arithmetic_v<T>)
        return value;
    else if constexpr (std::is_same_v<T, std::string>)
        return value.empty() ? json() : json(value);
    else
        return {};
}

template <place Place>
json default_at(const Place& at) {
    params_of<Place> untouched{};
    return show(place_traits<Place>::of(untouched, at));
}

template <class T>
std::optional<field_problem> read_into(std::string_view name, const json& v, T& to) {
    if (auto wrong = value_reader<T>::read(v, to); !wrong.empty())
        return field_problem{std::string(name), std::move(wrong)};
    return std::nullopt;
}

template <place Place>
field<params_of<Place>> plain(std::string_view name, Place at, std::string_view meaning, bool is_required) {
    using params = params_of<Place>;
    return {name, is_required,
            [name, at](const json& v, params& to) { return read_into(name, v, place_traits<Place>::of(to, at)); },
            [name, at, meaning, is_required]() -> parameter_info {
                return {.name = std::string(name),
                        .type = value_reader<type_at<Place>>::type(),
                        .is_required = is_required,
                        .default_value = is_required ? json() : default_at(at),
                        .meaning = std::string(meaning)};
            }};
}

template <class T>
using choices = std::initializer_list<std::pair<std::string_view, T>>;

template <place Place>
field<params_of<Place>> choice(std::string_view name, Place at, choices<value_at<Place>> of, std::string_view meaning,
                               bool is_required) {
    using params = params_of<Place>;
    using all_choices = std::vector<std::pair<std::string_view, value_at<Place>>>;
    const auto all = std::make_shared<const all_choices>(of);
    std::vector<std::string_view> names;
    for (const auto& [text, value] : *all)
        names.push_back(text);
    return {name, is_required,
            [name, at, all, names](const json& v, params& to) -> std::optional<field_problem> {
                for (const auto& [text, value] : *all)
                    if (v.is_string() && v.get_ref<const std::string&>() == text) {
                        place_traits<Place>::of(to, at) = value;
                        return std::nullopt;
                    }
                return field_problem{std::string(name), must_be_one_of(names)};
            },
            [name, at, all, names, meaning, is_required] {
                parameter_info info{.name = std::string(name),
                                    .type = choice_type(names),
                                    .is_required = is_required,
                                    .default_value = {},
                                    .meaning = std::string(meaning)};
                params untouched{};
                if (!is_required)
                    for (const auto& [text, value] : *all)
                        if (place_traits<Place>::of(untouched, at) == value)
                            info.default_value = text;
                return info;
            }};
}

template <place Place, class T>
field<params_of<Place>> object(std::string_view name, Place at, const fields<T>& of, std::string_view meaning,
                               bool is_required) {
    using params = params_of<Place>;
    return {name, is_required,
            [name, at, &of](const json& v, params& to) {
                auto problem = of.read(v, place_traits<Place>::of(to, at));
                if (problem)
                    problem->key = std::string(name) + (problem->key.empty() ? "" : "." + problem->key);
                return problem;
            },
            [name, &of, meaning, is_required] {
                parameter_info info{.name = std::string(name),
                                    .type = {},
                                    .is_required = is_required,
                                    .default_value = {},
                                    .meaning = std::string(meaning)};
                info.members = of.describe();
                info.type = object_type(info.members);
                return info;
            }};
}

template <class T>
parameter_info without_effect(std::string_view name, parameter_effect effect, std::string_view meaning) {
    return {.name = std::string(name),
            .type = value_reader<T>::type(),
            .is_required = false,
            .default_value = {},
            .meaning = std::string(meaning),
            .effect = effect};
}

}  // namespace detail

template <detail::place Place>
auto required(std::string_view name, Place at, std::string_view meaning) {
    return detail::plain(name, at, meaning, true);
}
/// The member keeps its initializer where the key is absent.
template <detail::place Place>
auto optional(std::string_view name, Place at, std::string_view meaning) {
    return detail::plain(name, at, meaning, false);
}

/// A string that stands for a value of an enumeration.
template <detail::place Place>
    requires std::is_enum_v<detail::value_at<Place>>
auto required(std::string_view name, Place at, detail::choices<detail::value_at<Place>> of, std::string_view meaning) {
    return detail::choice(name, at, of, meaning, true);
}
template <detail::place Place>
    requires std::is_enum_v<detail::value_at<Place>>
auto optional(std::string_view name, Place at, detail::choices<detail::value_at<Place>> of, std::string_view meaning) {
    return detail::choice(name, at, of, meaning, false);
}

/// An object with fields of its own. REQUIRES: `of` is in static storage.
template <detail::place Place, class T>
auto required(std::string_view name, Place at, const fields<T>& of, std::string_view meaning) {
    return detail::object(name, at, of, meaning, true);
}
template <detail::place Place, class T>
auto optional(std::string_view name, Place at, const fields<T>& of, std::string_view meaning) {
    return detail::object(name, at, of, meaning, false);
}

// ---- What we know of but do not do. Here `Params` cannot be deduced: only<null_params>("md_size", 0, "…"),
// ignored<transport_params, bool>("zcopy", "…").

/// A parameter that may come with the one value that changes nothing; any other is refused with `why`.
template <class Params, class T>
field<Params> only(std::string_view name, T harmless, std::string_view why) {
    return {name, false,
            [name, harmless = json(harmless), why](const json& v, Params&) -> std::optional<field_problem> {
                if (v == harmless)
                    return std::nullopt;
                return field_problem{std::string(name), "must be " + harmless.dump() + ": " + std::string(why)};
            },
            [name, harmless = json(harmless), why] {
                auto info = detail::without_effect<json>(name, parameter_effect::one_value, why);
                info.default_value = harmless;
                info.type.example = harmless;
                return info;
            }};
}
/// A parameter that must not come at all.
template <class Params>
field<Params> unsupported(std::string_view name, std::string_view why) {
    return {name, false,
            [name, why](const json&, Params&) -> std::optional<field_problem> {
                return field_problem{std::string(name), "is not supported: " + std::string(why)};
            },
            [name, why] { return detail::without_effect<json>(name, parameter_effect::refused, why); }};
}
/// A parameter of which only the type matters, and why.
template <class Params, class T>
field<Params> ignored(std::string_view name, std::string_view why) {
    return {name, false,
            [name](const json& v, Params&) {
                T nothing{};
                return detail::read_into(name, v, nothing);
            },
            [name, why] { return detail::without_effect<T>(name, parameter_effect::none, why); }};
}

template <class Params, class F>
void method_table::add(const declaration<Params>& declared, F f) {
    // The lambdas and what they have captured live in the table, which outlives every call.
    const auto d = std::make_shared<const declaration<Params>>(declared);
    method m{d->name, d->when, {}, {}, [d] { return d->describe(); }};
    if constexpr (std::is_same_v<Params, no_params>) {
        m.call = [f = std::move(f)](json params) -> core::task<answer> {
            if (auto wrong = detail::refuse_any(params))
                co_return tl::make_unexpected(std::move(*wrong));
            co_return co_await detail::call(f);
        };
        m.check = detail::refuse_any;
    } else {
        m.call = [d, f = std::move(f)](json params) -> core::task<answer> {
            if (const auto keys = d->parameters.ignored(params); !keys.empty())
                detail::log_ignored(d->name, keys);
            auto decoded = d->parameters.decode(params);
            if (!decoded)
                co_return tl::make_unexpected(std::move(decoded.error()));
            co_return co_await detail::call(f, std::move(*decoded));
        };
        m.check = [d](const json& params) -> std::optional<rpc_error> {
            auto decoded = d->parameters.decode(params);
            return decoded ? std::nullopt : std::optional(std::move(decoded.error()));
        };
    }
    add_raw(std::move(m));
}

}  // namespace causeway::rpc
