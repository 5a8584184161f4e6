// SPDX-License-Identifier: Apache-2.0
// The ANA states of listeners, and the ANA groups of namespaces.

#include "rpc/ana_state_param.h"
#include "rpc/nvmf_service.h"

#include <fmt/format.h>

namespace causeway::rpc {

namespace {

struct set_state_params {
    std::string tgt_name = target_name;
    std::string nqn;
    listen_address at;
    nvme::ana_state ana_state{};
    std::uint32_t anagrpid = 0;  ///< 0: all groups
};
const declaration<set_state_params> set_state_method = {
    .name = "nvmf_subsystem_listener_set_ana_state",
    .summary = "Sets the ANA state of a listener's groups, and tells the hosts.",
    .parameters =
        {
            nqn_field(&set_state_params::nqn),
            required("listen_address", &set_state_params::at, listen_address_fields, "The listener."),
            required("ana_state", &set_state_params::ana_state,
                     "The new state. Nothing leads out of `persistent_loss`."),
            optional("anagrpid", &set_state_params::anagrpid, "The group; 0: all."),
            tgt_name_field(&set_state_params::tgt_name),
        },
    .errors =
        {{error_code::parameters,
          "there is no such subsystem, listener or group, the subsystem has no `ana_reporting`, or the listener stands "
          "beside a TCP listener, whose states it has"}},
};

core::task<answer> set_state(nvmf_service& service, set_state_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    if (const auto mirror = find_mirror(service, **s, p.at)) {
        const std::string of = service.mirrors.mirrored_by(p.nqn, mirror->at)->text();
        co_return refuse_parameters(
            fmt::format("{} stands beside {} (--mirror-listeners), and has its ANA states: set those of {}",
                        mirror->at.text(), of, of));
    }
    const auto set = co_await (*s)->ana().set_state(p.at.normal(), p.ana_state, p.anagrpid);
    if (!set)
        co_return refuse_as(error_code::parameters, set.error());
    co_await service.mirrors.ana_state_set(*service.target, p.nqn, p.at.normal(), p.ana_state, p.anagrpid);
    co_return ok();
}

struct set_group_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    std::uint32_t anagrpid = 0;
};
const declaration<set_group_params> set_group_method = {
    .name = "nvmf_subsystem_set_ns_ana_group",
    .summary = "Moves a namespace to another ANA group, and tells the hosts.",
    .parameters =
        {
            nqn_field(&set_group_params::nqn),
            nsid_field(&set_group_params::nsid),
            required("anagrpid", &set_group_params::anagrpid, "The group: from 1 to the subsystem's `max_namespaces`."),
            tgt_name_field(&set_group_params::tgt_name),
        },
    .errors = {{error_code::parameters,
                "there is no such subsystem, namespace or group, or the subsystem has no `ana_reporting`"}},
};

core::task<answer> set_group(nvmf_service& service, set_group_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto moved = co_await (*s)->ana().move_namespace(p.nsid, p.anagrpid);
    co_return moved ? ok() : answer(refuse_as(error_code::parameters, moved.error()));
}

}  // namespace

void add_nvmf_ana_methods(method_table& methods, nvmf_service& service) {
    methods.add(set_state_method, [&service](set_state_params p) { return set_state(service, std::move(p)); });
    methods.add(set_group_method, [&service](set_group_params p) { return set_group(service, std::move(p)); });
}

}  // namespace causeway::rpc
