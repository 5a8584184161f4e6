// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/nvm_namespace.h"
#include "rpc/nvmf_service.h"
#include "rpc/slices.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace causeway::rpc {

namespace {

constexpr std::size_t serial_number_length = 20;
constexpr std::size_t model_number_length = 40;

struct create_params {
    std::string tgt_name = target_name;
    nvmf::subsystem_options o;
    std::optional<std::uint64_t> max_discard_size_kib, max_write_zeroes_size_kib;
};
using options = nvmf::subsystem_options;

template <class T>
auto of_options(T options::*member) {
    return in(&create_params::o, member);
}

const declaration<create_params> create_method = {
    .name = "nvmf_create_subsystem",
    .summary = "Creates a subsystem, without namespaces, hosts and listeners.",
    .parameters =
        {
            required("nqn", of_options(&options::nqn), "Its NQN."),
            tgt_name_field(&create_params::tgt_name),
            optional(
                "serial_number", of_options(&options::serial_number),
                "At most 20 characters of ASCII. Without one it gets one made of its NQN, the same on every gateway."),
            optional("model_number", of_options(&options::model_number), "At most 40 characters of ASCII."),
            optional("admin_label", of_options(&options::admin_label), "A name for administrators."),
            optional("max_namespaces", of_options(&options::max_namespaces),
                     "The largest number of a namespace; 0: the default."),
            optional("allow_any_host", of_options(&options::allow_any_host),
                     "Hosts that are not listed may use it, too."),
            optional("ana_reporting", of_options(&options::ana_reporting),
                     "Hosts are told the ANA states of its listeners."),
            optional("min_cntlid", of_options(&options::min_cntlid), "The smallest controller ID.").within(1, 0xffef),
            optional("max_cntlid", of_options(&options::max_cntlid), "The largest controller ID.").within(1, 0xffef),
            optional("dmrsl", of_options(&options::dmrsl),
                     "Blocks that a range of a Dataset Management may have; 0: any."),
            optional("wzsl", of_options(&options::wzsl),
                     "The largest Write Zeroes: 2^n times 4 KiB; 0: as large as a command can be."),
            optional("max_discard_size_kib", &create_params::max_discard_size_kib,
                     "The older spelling of `dmrsl`, in KiB.")
                .within(0, 0xffffffff / 2),
            optional("max_write_zeroes_size_kib", &create_params::max_write_zeroes_size_kib,
                     "The older spelling of `wzsl`: 0, or a power of two from 8."),
            only<create_params>("passthrough", false, "commands are not passed through to devices"),
            only<create_params>("enable_nssr", false, "hosts cannot reset the subsystem"),
        },
    .errors = {{error_code::internal, "there is a subsystem of that NQN, or as many subsystems as there may be"}},
};

bool is_text(const std::string& s, std::size_t most) {
    return s.size() <= most && std::ranges::all_of(s, [](char c) { return c >= ' ' && c <= '~'; });
}

/// The older spellings, and what is out of range; empty: nothing is wrong.
std::string settle(create_params& p) {
    if (p.max_discard_size_kib)
        p.o.dmrsl = static_cast<std::uint32_t>(*p.max_discard_size_kib * 2);  // of 512 bytes
    if (p.max_write_zeroes_size_kib) {
        const std::uint64_t kib = *p.max_write_zeroes_size_kib;
        if (kib != 0 && (kib < 8 || !std::has_single_bit(kib)))
            return "parameter 'max_write_zeroes_size_kib' must be 0 or a power of two from 8";
        p.o.wzsl = static_cast<std::uint8_t>(kib ? std::countr_zero(kib / 4) : 0);  // 2^wzsl times 4 KiB
    }
    if (!is_text(p.o.serial_number, serial_number_length))
        return "parameter 'serial_number' must be at most 20 characters of printable ASCII";
    if (!is_text(p.o.model_number, model_number_length))
        return "parameter 'model_number' must be at most 40 characters of printable ASCII";
    if (p.o.min_cntlid > p.o.max_cntlid)
        return "parameter 'min_cntlid' must not be above 'max_cntlid'";
    return {};
}

core::task<answer> create(nvmf_service& service, create_params p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        co_return tl::make_unexpected(target.error());
    if (auto wrong = settle(p); !wrong.empty())
        co_return refuse_parameters(std::move(wrong));
    if (p.o.max_namespaces == 0)  // stands for the default
        p.o.max_namespaces = options().max_namespaces;
    const std::string nqn = p.o.nqn;
    const auto made = co_await (*target)->create_subsystem(std::move(p.o));
    if (!made && made.error().code == ENOSPC)  // clients know the sentence that this one begins with
        co_return refuse(error_code::internal, fmt::format("Unable to create subsystem {}: {}; nvmf_set_max_subsystems "
                                                           "sets the maximum before the start",
                                                           nqn, made.error().sentence));
    if (!made)
        co_return refuse_as(made.error().code == EINVAL ? error_code::parameters : error_code::internal, made.error());
    co_return ok();
}

struct delete_params {
    std::string tgt_name = target_name;
    std::string nqn;
};
const declaration<delete_params> delete_method = {
    .name = "nvmf_delete_subsystem",
    .summary = "Deletes a subsystem, ends its hosts' connections, and answers when its devices are free again. Without "
               "the discovery subsystem no host is told anything until the gateway is started without this call.",
    .parameters = {nqn_field(&delete_params::nqn), tgt_name_field(&delete_params::tgt_name)},
    .errors = {{error_code::parameters, "there is no such subsystem"}},
};

core::task<answer> remove(nvmf_service& service, delete_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    service.mirrors.subsystem_deleted(p.nqn);
    const auto gone = co_await service.target->delete_subsystem(p.nqn);
    co_return gone ? ok() : answer(refuse_as(error_code::parameters, gone.error()));
}

struct get_params {
    std::string tgt_name = target_name;
    std::optional<std::string> nqn;
};
const declaration<get_params> get_method = {
    .name = "nvmf_get_subsystems",
    .summary = "Describes the subsystems, with their namespaces, hosts and listeners.",
    .parameters =
        {
            optional("nqn", &get_params::nqn, "Only the subsystem of this NQN."),
            tgt_name_field(&get_params::tgt_name),
        },
    .result =
        "an array of objects: `nqn`, `subtype`, `listen_addresses`, `allow_any_host`, `hosts`; of others than the "
        "discovery subsystem `serial_number`, `model_number`, `max_namespaces`, `min_cntlid`, `max_cntlid`, `dmrsl`, "
        "`wzsl` and `namespaces`, too",
    .errors = {{-ENODEV, "there is no such subsystem; other methods of subsystems answer -32602 then, as SPDK's do"}},
};

json namespace_to_json(const nvmf::subsystem& s, const nvmf::nvm_namespace& ns) {
    const auto& device = ns.device().name();
    json all = {{"nsid", ns.nsid()}, {"bdev_name", device}, {"name", device}};
    if (std::ranges::any_of(ns.nguid(), [](auto b) { return b != 0; }))
        all["nguid"] = upper_hex(ns.nguid());
    if (ns.eui64())
        all["eui64"] = upper_hex(*ns.eui64());
    all["uuid"] = bdev::to_string(ns.uuid());
    if (const auto& seen_by = ns.visibility().hosts(); !seen_by.are_all()) {
        all["no_auto_visible"] = true;
        json& hosts = all["hosts"] = json::array();
        for (const auto& [nqn, number] : seen_by.list())
            hosts.push_back({{"nqn", nqn}});
    }
    if (s.ana().reported())
        all["anagrpid"] = ns.ana_group();
    if (!ns.ptpl_file().empty())
        all["ptpl_file"] = ns.ptpl_file();
    for (const auto& [host, share] : ns.host_shares())
        all["host_qos_limits"].push_back(to_json(host, share));
    return all;
}

json subsystem_to_json(const nvmf::subsystem& s) {
    json listeners = json::array();
    for (const auto& l : s.listeners().all())
        listeners.push_back(to_json(l->at));
    json hosts = json::array();
    for (const auto& [nqn, keys] : s.access().hosts()) {
        json host = {{"nqn", nqn}};
        if (keys.psk)
            host["psk"] = keys.psk->name;
        if (keys.dhchap)
            host["dhchap_key"] = keys.dhchap->name;
        if (keys.dhchap_ctrlr)
            host["dhchap_ctrlr_key"] = keys.dhchap_ctrlr->name;
        hosts.push_back(std::move(host));
    }
    json all = {{"nqn", s.nqn()},
                {"subtype", s.is_discovery() ? "Discovery" : "NVMe"},
                {"listen_addresses", std::move(listeners)},
                {"allow_any_host", s.access().allow_any_host()},
                {"hosts", std::move(hosts)}};
    if (s.is_discovery())
        return all;
    const options& o = s.options();
    all["serial_number"] = o.serial_number;
    all["model_number"] = o.model_number;
    if (!o.admin_label.empty())
        all["admin_label"] = o.admin_label;
    all["max_namespaces"] = o.max_namespaces;
    all["passthrough"] = false;
    all["min_cntlid"] = o.min_cntlid;
    all["max_cntlid"] = o.max_cntlid;
    all["dmrsl"] = o.dmrsl;
    all["wzsl"] = o.wzsl;
    json namespaces = json::array();
    for (const auto& [nsid, ns] : s.namespaces().all())
        namespaces.push_back(namespace_to_json(s, *ns));
    all["namespaces"] = std::move(namespaces);
    return all;
}

constexpr unsigned us_of_a_subsystem = 16;  ///< to describe it, with a namespace, a listener and a few hosts

core::task<answer> get(const nvmf_service& service, get_params p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        co_return tl::make_unexpected(target.error());
    if (!p.nqn)
        co_return co_await array_in_slices((*target)->subsystems(), us_of_a_subsystem,
                                           [](const auto& s) { return subsystem_to_json(*s); });
    const auto* s = (*target)->find_subsystem(*p.nqn);
    if (!s)
        co_return refuse_errno(ENODEV, "there is no such subsystem", *p.nqn);
    json all = json::array();
    all.push_back(subsystem_to_json(*s));
    co_return all;
}

}  // namespace

void add_nvmf_subsystem_methods(method_table& methods, nvmf_service& service) {
    methods.add(create_method, [&service](create_params p) { return create(service, std::move(p)); });
    methods.add(delete_method, [&service](delete_params p) { return remove(service, std::move(p)); });
    methods.add(get_method, [&service](get_params p) { return get(service, std::move(p)); });
}

}  // namespace causeway::rpc
