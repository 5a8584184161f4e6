// SPDX-License-Identifier: Apache-2.0
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <bit>

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

/// A number that goes into the transport's options.
template <class T>
field<create_params> option(std::string_view name, T options::*member) {
    return {name, false, [name, member](const json& v, create_params& p) -> std::optional<field_problem> {
                if (auto wrong = value_reader<T>::read(v, p.o.*member); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                return std::nullopt;
            }};
}

/// A parameter that a transport has declared as its own.
field<create_params> own_option(const nvmf::own_option& declared) {
    if (!declared.fixed_because.empty())
        return only<create_params>(declared.name, std::get<bool>(declared.value), declared.fixed_because);
    return {declared.name, false, [declared](const json& v, create_params& p) -> std::optional<field_problem> {
                nvmf::own_option o = declared;
                auto wrong = std::visit([&]<class T>(T& value) { return value_reader<T>::read(v, value); }, o.value);
                if (!wrong.empty())
                    return field_problem{std::string(o.name), std::move(wrong)};
                p.own.push_back(o);
                return std::nullopt;
            }};
}

const json nothing_masked = json::array();

/// Of every transport: the call says of which.
fields<create_params> create_fields(const std::vector<nvmf::transport_kind>& kinds) {
    std::vector<field<create_params>> all = {
        required("trtype", &create_params::trtype),
        optional("tgt_name", &create_params::tgt_name),
        option("max_queue_depth", &options::max_queue_depth),
        option("max_io_qpairs_per_ctrlr", &options::max_io_qpairs_per_ctrlr),
        option("in_capsule_data_size", &options::in_capsule_data_size),
        option("max_io_size", &options::max_io_size),
        option("max_aq_depth", &options::max_aq_depth),
        option("kas", &options::kas),
        option("min_kato", &options::min_kato_ms),
        optional("iobuf_small_cache_size", &create_params::small_cache),
        optional("iobuf_large_cache_size", &create_params::large_cache),
        // What cannot be had, unless it is not wanted.
        only<create_params>("zcopy", false, "devices do not lend their memory"),
        only<create_params>("dif_insert_or_strip", false, "there is no data protection information"),
        only<create_params>("abort_timeout_sec", 1, "the time of an Abort cannot be set"),
        only<create_params>("masked_oncs", nothing_masked, "commands cannot be hidden"),
        only<create_params>("masked_fuses", nothing_masked, "commands cannot be hidden"),
        // What the interface ignores, or tunes parts of another design. No command is ever passed through.
        ignored<create_params, std::uint32_t>("io_unit_size"),
        ignored<create_params, std::uint32_t>("num_shared_buffers"),
        ignored<create_params, std::uint32_t>("buf_cache_size"),
        ignored<create_params, std::uint32_t>("acceptor_poll_rate"),
        ignored<create_params, std::uint32_t>("data_wr_pool_size"),
        ignored<create_params, std::uint32_t>("control_msg_num"),
        ignored<create_params, bool>("disable_command_passthru"),
        ignored<create_params, bool>("disable_mappable_bar0"),
        ignored<create_params, bool>("disable_adaptive_irq"),
        ignored<create_params, bool>("disable_shadow_doorbells"),
    };
    for (const auto& kind : kinds)
        for (const auto& declared : kind.own)
            all.push_back(own_option(declared));
    // Clients keep sending what other versions of the interface tuned with. Nothing here keeps a host out.
    return fields<create_params>(std::move(all), unknown_keys::ignored);
}

/// What is wrong with the numbers; empty: nothing.
std::string complain(const create_params& p) {
    const options& o = p.o;
    if (!std::has_single_bit(o.max_io_size) || o.max_io_size < 8192)
        return "parameter 'max_io_size' must be a power of two from 8192";
    if (o.max_queue_depth < 2)
        return "parameter 'max_queue_depth' must be at least 2";
    if (o.max_aq_depth < 32)
        return "parameter 'max_aq_depth' must be at least 32";
    if (o.max_io_qpairs_per_ctrlr < 1)
        return "parameter 'max_io_qpairs_per_ctrlr' must be at least 1";
    if (o.kas < 1)
        return "parameter 'kas' must be at least 1";
    return {};
}

answer create(nvmf_service& service, create_params p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    if (auto wrong = complain(p); !wrong.empty())
        return refuse_parameters(std::move(wrong));
    const auto kind = std::ranges::find(service.transport_kinds, upper_case(p.trtype), &nvmf::transport_kind::trtype);
    if (kind == service.transport_kinds.end())
        return refuse_parameters("no such transport type: " + p.trtype);
    if ((*target)->find_transport(kind->trtype))
        return refuse(error_code::internal, "transport type " + kind->trtype + " already exists");
    if (p.small_cache != create_params::automatic && p.small_cache != 0)
        p.o.small_buffers = p.small_cache;
    if (p.large_cache != create_params::automatic && p.large_cache != 0)
        p.o.large_buffers = p.large_cache;

    auto made = kind->make(**target, p.o, p.own);
    if (!made)
        return refuse_as(made.error().code == EINVAL ? error_code::parameters : error_code::internal, made.error());
    const auto added = (*target)->add_transport(std::move(*made));
    if (!added)
        return refuse_as(added.error().code == EINVAL ? error_code::parameters : error_code::internal, added.error());
    return ok();
}

struct get_params {
    std::string tgt_name = target_name;
    std::optional<std::string> trtype;
};
const fields<get_params> get_fields = {
    optional("tgt_name", &get_params::tgt_name),
    optional("trtype", &get_params::trtype),
};

answer get(const nvmf_service& service, const get_params& p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    json all = json::array();
    if (p.trtype) {
        const auto* t = (*target)->find_transport(upper_case(*p.trtype));
        if (!t)
            return refuse_errno(ENODEV, "no such transport", *p.trtype);
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
    methods.add("nvmf_create_transport", states::runtime, create_fields(service.transport_kinds),
                [&service](create_params p) { return create(service, std::move(p)); });
    methods.add("nvmf_get_transports", states::runtime, get_fields,
                [&service](const get_params& p) { return get(service, p); });
}

}  // namespace causeway::rpc
