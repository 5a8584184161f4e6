// SPDX-License-Identifier: Apache-2.0
// The ANA states of listeners, and the ANA groups of namespaces.

#include "rpc/ana_state_param.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct set_state_params {
    std::string tgt_name = target_name;
    std::string nqn;
    listen_address at;
    nvme::ana_state ana_state{};
    std::uint32_t anagrpid = 0;  ///< 0: all groups
};
const fields<set_state_params> set_state_fields = {
    required("nqn", &set_state_params::nqn),
    required("listen_address", &set_state_params::at, listen_address_fields),
    required("ana_state", &set_state_params::ana_state),
    optional("anagrpid", &set_state_params::anagrpid),
    optional("tgt_name", &set_state_params::tgt_name),
};

core::task<answer> set_state(nvmf_service& service, set_state_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto set = co_await (*s)->ana().set_state(p.at.normal(), p.ana_state, p.anagrpid);
    co_return set ? ok() : answer(refuse_as(error_code::parameters, set.error()));
}

struct set_group_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    std::uint32_t anagrpid = 0;
};
const fields<set_group_params> set_group_fields = {
    required("nqn", &set_group_params::nqn),
    required("nsid", &set_group_params::nsid),
    required("anagrpid", &set_group_params::anagrpid),
    optional("tgt_name", &set_group_params::tgt_name),
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
    methods.add("nvmf_subsystem_listener_set_ana_state", states::runtime, set_state_fields,
                [&service](set_state_params p) { return set_state(service, std::move(p)); });
    methods.add("nvmf_subsystem_set_ns_ana_group", states::runtime, set_group_fields,
                [&service](set_group_params p) { return set_group(service, std::move(p)); });
}

}  // namespace causeway::rpc
