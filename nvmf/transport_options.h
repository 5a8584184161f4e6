// SPDX-License-Identifier: Apache-2.0
#pragma once

// The options of nvmf_create_transport: those of every transport, and those that a transport declares as its own.
//
// A transport with options of its own derives its struct from transport_options, and lists the members in a table:
//
//     struct transport_options : nvmf::transport_options {
//         std::uint32_t max_srq_depth = 131072;
//     };
//     inline constexpr nvmf::own_option_row<transport_options> own_options[] = {
//         {"max_srq_depth", &transport_options::max_srq_depth},
//         {"no_srq", nvmf::fixed_option{false, "receives are shared"}},
//     };
//
// From that table JSON-RPC knows which parameters there are and of which type, and what nvmf_get_transports and saved
// configurations say. The transport itself checks their ranges when it is made.

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace causeway::nvmf {

class target;
class transport;

/// Options of every transport, in the names of nvmf_create_transport, with the established target's defaults.
struct transport_options {
    std::uint16_t max_queue_depth = 128;
    std::uint16_t max_io_qpairs_per_ctrlr = 127;
    std::uint32_t in_capsule_data_size = 4096;
    std::uint32_t max_io_size = 131072;  ///< a power of two from 8192; what MDTS tells hosts
    std::uint32_t max_aq_depth = 128;
    std::uint16_t kas = 100;  ///< keep-alive granularity, units of 100 ms
    std::uint32_t min_kato_ms = 10000;
    /// Buffers per core: of 8 KiB, and of max_io_size.
    std::uint32_t small_buffers = 512;
    std::uint32_t large_buffers = 128;
};

/// An option that a transport has of its own, with a value.
struct own_option {
    std::string_view name;  ///< of the parameter of nvmf_create_transport; in static storage
    /// Its type is that of the parameter.
    std::variant<bool, std::uint8_t, std::uint32_t, std::int32_t> value;
    std::string_view fixed_because = {};  ///< why it cannot have another value; empty: it can
    std::string_view meaning = {};        ///< a sentence for operators
};
using own_option_list = std::vector<own_option>;

/// An option of the established target that can have one value alone here.
struct fixed_option {
    bool value;
    std::string_view because;
};

/// A row of the table of a transport's own options, which are members of Options.
template <class Options>
struct own_option_row {
    std::string_view name;
    std::variant<fixed_option, bool Options::*, std::uint8_t Options::*, std::uint32_t Options::*,
                 std::int32_t Options::*>
        member;
    std::string_view meaning = {};  ///< of what is not fixed
};

/// The table's options with the values that `from` has.
template <class Options, std::size_t N>
own_option_list list_own_options(const own_option_row<Options> (&table)[N], const Options& from) {
    own_option_list all;
    for (const auto& row : table)
        std::visit(
            [&](auto member) {
                if constexpr (std::is_same_v<decltype(member), fixed_option>)
                    all.push_back(
                        {.name = row.name, .value = member.value, .fixed_because = member.because, .meaning = {}});
                else
                    all.push_back(
                        {.name = row.name, .value = from.*member, .fixed_because = {}, .meaning = row.meaning});
            },
            row.member);
    return all;
}

/// Takes from `given` what the table has. Options of other transports have no effect.
template <class Options, std::size_t N>
void set_own_options(const own_option_row<Options> (&table)[N], const own_option_list& given, Options& to) {
    const auto set = [&](std::string_view name, auto member) {
        if constexpr (!std::is_same_v<decltype(member), fixed_option>) {
            using value_type = std::remove_reference_t<decltype(to.*member)>;
            for (const own_option& o : given)
                if (const auto* value = std::get_if<value_type>(&o.value); value && o.name == name)
                    to.*member = *value;
        }
    };
    for (const auto& row : table)
        std::visit([&](auto member) { set(row.name, member); }, row.member);
}

/// A transport that nvmf_create_transport can make. What it offers is a list of these, which the gateway fills.
struct transport_kind {
    std::string trtype;   ///< "RDMA"
    own_option_list own;  ///< its own options, with their defaults
    /// Control reactor. `given`: own options of whichever transport. EINVAL, ENODEV, ENOMEM.
    std::function<core::result<std::unique_ptr<transport>>(target&, const transport_options& common,
                                                           const own_option_list& given)>
        make;
};

/// `make`: makes the transport of a target& and an Options.
template <class Options, std::size_t N, class F>
transport_kind make_transport_kind(std::string trtype, const own_option_row<Options> (&table)[N], F make) {
    return {std::move(trtype), list_own_options(table, Options{}),
            [&table, make = std::move(make)](target& t, const transport_options& common, const own_option_list& given) {
                Options all{common};
                set_own_options(table, given, all);
                return make(t, all);
            }};
}

}  // namespace causeway::nvmf
