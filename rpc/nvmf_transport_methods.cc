// SPDX-License-Identifier: Apache-2.0
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace causeway::rpc {

namespace {

struct create_params {
    std::string tgt_name = target_name;
    std::string trtype;
    nvmf::transport_options o;
    nvmf::own_option_list own;  ///< what the call says of options that a transport has of its own, whichever has them
    std::uint32_t small_cache = automatic;
    std::uint32_t large_cache = automatic;

    static constexpr std::uint32_t automatic = 0xffffffff;
};
using options = nvmf::transport_options;

/// An option of every transport.
template <class T>
field<create_params> option(std::string_view name, T options::*member, std::string_view meaning) {
    return optional(name, in(&create_params::o, member), meaning);
}

/// A parameter that a transport has declared as its own.
field<create_params> own_option(const nvmf::own_option& declared) {
    if (!declared.fixed_because.empty())
        return only<create_params>(declared.name, std::get<bool>(declared.value), declared.fixed_because);
    return {declared.name, false,
            [declared](const json& v, create_params& p) -> std::optional<field_problem> {
                nvmf::own_option o = declared;
                auto wrong = std::visit([&]<class T>(T& value) { return value_reader<T>::read(v, value); }, o.value);
                if (!wrong.empty())
                    return field_problem{std::string(o.name), std::move(wrong)};
                p.own.push_back(o);
                return std::nullopt;
            },
            [declared] {
                parameter_info info;
                info.name = declared.name;
                std::visit(
                    [&]<class T>(const T& value) {
                        info.type = value_reader<T>::type();
                        info.default_value = value;
                    },
                    declared.value);
                info.meaning = declared.meaning;
                return info;
            }};
}

const json nothing_masked = json::array();

constexpr std::string_view another_design = "it tunes a part of another design";
constexpr std::string_view not_hidden = "commands cannot be hidden";

/// Of every transport: the call says of which.
fields<create_params> create_fields(const std::vector<nvmf::transport_kind>& kinds) {
    std::vector<field<create_params>> all = {
        required("trtype", &create_params::trtype, "`TCP` or `RDMA`, in any case."),
        tgt_name_field(&create_params::tgt_name),
        option("max_queue_depth", &options::max_queue_depth,
               "Commands that an I/O queue may have outstanding; over TCP at most 4096.")
            .within(2, 0xffff),
        option("max_io_qpairs_per_ctrlr", &options::max_io_qpairs_per_ctrlr, "I/O queues that a controller may have.")
            .within(1, 0xffff),
        option("in_capsule_data_size", &options::in_capsule_data_size,
               "Bytes of data that a command may bring in its capsule: over RDMA 256 to 1048576, in 64; over TCP 0 to "
               "`max_io_size`, in 16."),
        option("max_io_size", &options::max_io_size,
               "The largest transfer of a command, in bytes: a power of two from 8192."),
        option("max_aq_depth", &options::max_aq_depth, "Commands that an admin queue may have outstanding.")
            .within(32, 4096),
        option("kas", &options::kas, "The granularity of the keep-alive timer, in 100 ms.").within(1, 0xffff),
        option("min_kato", &options::min_kato_ms, "The shortest keep-alive timeout that hosts are granted, in ms."),
        optional("iobuf_small_cache_size", &create_params::small_cache,
                 "Data buffers of 8 KiB on each core; 0 and 4294967295: 512."),
        optional("iobuf_large_cache_size", &create_params::large_cache,
                 "Data buffers of `max_io_size` on each core; 0 and 4294967295: 128."),
        // What cannot be had, unless it is not wanted.
        only<create_params>("zcopy", false, "devices do not lend their memory"),
        only<create_params>("dif_insert_or_strip", false, "there is no data protection information"),
        only<create_params>("abort_timeout_sec", 1, "the time of an Abort cannot be set"),
        only<create_params>("masked_oncs", nothing_masked, not_hidden),
        only<create_params>("masked_fuses", nothing_masked, not_hidden),
        // What the interface ignores, or tunes parts of another design.
        ignored<create_params, std::uint32_t>("io_unit_size", "`max_io_size` is what counts"),
        ignored<create_params, std::uint32_t>("num_shared_buffers", "`iobuf_small_cache_size` is what counts"),
        ignored<create_params, std::uint32_t>("buf_cache_size", "`iobuf_small_cache_size` is what counts"),
        ignored<create_params, std::uint32_t>("acceptor_poll_rate", another_design),
        ignored<create_params, std::uint32_t>("data_wr_pool_size", another_design),
        ignored<create_params, std::uint32_t>("control_msg_num", another_design),
        ignored<create_params, bool>("disable_command_passthru", "no command is passed through"),
        ignored<create_params, bool>("disable_mappable_bar0", another_design),
        ignored<create_params, bool>("disable_adaptive_irq", another_design),
        ignored<create_params, bool>("disable_shadow_doorbells", another_design),
    };
    for (const auto& kind : kinds)
        for (const auto& declared : kind.own)
            if (std::ranges::find(all, declared.name, &field<create_params>::name) == all.end())
                all.push_back(own_option(declared));
    // Clients keep sending what other versions of the interface tuned with. Nothing here keeps a host out.
    return fields<create_params>(std::move(all), unknown_keys::ignored);
}

declaration<create_params> create_method(const std::vector<nvmf::transport_kind>& kinds) {
    return {
        .name = "nvmf_create_transport",
        .summary = "Creates a transport, by which listeners can then be added.",
        .parameters = create_fields(kinds),
        .errors = {{error_code::parameters, "there is no such type of transport, or a number is outside its range"},
                   {error_code::internal, "there is a transport of that type, or it cannot be had on this machine"}},
    };
}

std::string names_of(const std::vector<nvmf::transport_kind>& kinds) {
    std::vector<std::string_view> names;
    for (const auto& kind : kinds)
        names.push_back(kind.trtype);
    return fmt::format("{}", fmt::join(names, ", "));
}

/// What is wrong with the numbers; empty: nothing.
std::string complain(const create_params& p) {
    const options& o = p.o;
    if (!std::has_single_bit(o.max_io_size) || o.max_io_size < 8192)
        return "parameter 'max_io_size' must be a power of two from 8192";
    return {};
}

core::task<answer> create(nvmf_service& service, create_params p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        co_return tl::make_unexpected(target.error());
    if (auto wrong = complain(p); !wrong.empty())
        co_return refuse_parameters(std::move(wrong));
    const auto kind = std::ranges::find(service.transport_kinds, upper_case(p.trtype), &nvmf::transport_kind::trtype);
    if (kind == service.transport_kinds.end())
        co_return refuse_parameters("no such transport type: " + p.trtype + ": use one of " +
                                    names_of(service.transport_kinds));
    if ((*target)->find_transport(kind->trtype))
        co_return refuse(error_code::internal, "transport type " + kind->trtype + " already exists");
    if (p.small_cache != create_params::automatic && p.small_cache != 0)
        p.o.small_buffers = p.small_cache;
    if (p.large_cache != create_params::automatic && p.large_cache != 0)
        p.o.large_buffers = p.large_cache;

    auto made = kind->make(**target, p.o, p.own);
    if (!made)
        co_return refuse_as(made.error().code == EINVAL ? error_code::parameters : error_code::internal, made.error());
    const auto added = (*target)->add_transport(std::move(*made));
    if (!added)
        co_return refuse_as(added.error().code == EINVAL ? error_code::parameters : error_code::internal,
                            added.error());
    co_await service.mirrors.complete(**target);  // of listeners that were there before their RDMA transport
    co_return ok();
}

struct get_params {
    std::string tgt_name = target_name;
    std::optional<std::string> trtype;
};
const declaration<get_params> get_method = {
    .name = "nvmf_get_transports",
    .summary = "Lists the transports with their options.",
    .parameters =
        {
            tgt_name_field(&get_params::tgt_name),
            optional("trtype", &get_params::trtype, "Only the transport of this type."),
        },
    .result = "an array of objects, which nvmf_create_transport takes as parameters",
    .errors = {{-ENODEV, "there is no transport of that type"}},
};

answer get(const nvmf_service& service, const get_params& p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    json all = json::array();
    if (p.trtype) {
        const auto* t = (*target)->find_transport(upper_case(*p.trtype));
        if (!t)
            return refuse_errno(ENODEV, "there is no such transport", *p.trtype);
        all.push_back(transport_to_json(*t));
    } else {
        for (const auto& t : (*target)->transports())
            all.push_back(transport_to_json(*t));
    }
    return all;
}

}  // namespace

json transport_to_json(const nvmf::transport& t) {
    const options& o = t.options();
    json all = {{"trtype", t.trtype()},
                {"max_queue_depth", o.max_queue_depth},
                {"max_io_qpairs_per_ctrlr", o.max_io_qpairs_per_ctrlr},
                {"in_capsule_data_size", o.in_capsule_data_size},
                {"max_io_size", o.max_io_size},
                {"max_aq_depth", o.max_aq_depth},
                {"iobuf_small_cache_size", o.small_buffers},
                {"iobuf_large_cache_size", o.large_buffers},
                {"dif_insert_or_strip", false},
                {"zcopy", false},
                {"abort_timeout_sec", 1},
                {"ack_timeout", 0},  // clients expect it of every transport; those that have it say more
                {"disable_command_passthru", true},
                {"kas", o.kas},
                {"min_kato", o.min_kato_ms}};
    for (const nvmf::own_option& own : t.own_options())
        std::visit([&](auto value) { all[std::string(own.name)] = value; }, own.value);
    return all;
}

void add_nvmf_transport_methods(method_table& methods, nvmf_service& service) {
    methods.add(create_method(service.transport_kinds),
                [&service](create_params p) { return create(service, std::move(p)); });
    methods.add(get_method, [&service](const get_params& p) { return get(service, p); });
}

}  // namespace causeway::rpc
