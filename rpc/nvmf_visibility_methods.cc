// SPDX-License-Identifier: Apache-2.0
// Which hosts see a namespace.

#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct host_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    std::string host;
};
fields<host_params> host_fields() {
    return {nqn_field(&host_params::nqn), nsid_field(&host_params::nsid), host_field(&host_params::host),
            tgt_name_field(&host_params::tgt_name)};
}
const declaration<host_params> add_host_method = {
    .name = "nvmf_ns_add_host",
    .summary = "Lets a host see a namespace that not all hosts see.",
    .parameters = host_fields(),
    .errors = {{error_code::parameters, "there is no such subsystem or namespace, or all hosts see it"}},
};
const declaration<host_params> remove_host_method = {
    .name = "nvmf_ns_remove_host",
    .summary = "Hides a namespace from a host; what it executes there ends as it was admitted.",
    .parameters = host_fields(),
    .errors = {{error_code::parameters, "there is no such subsystem or namespace, or the host is not on its list"}},
};

struct visibility_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    bool auto_visible = false;
};
const declaration<visibility_params> set_visibility_method = {
    .name = "nvmf_subsystem_set_ns_visibility",
    .summary = "Sets whether all hosts of a subsystem see a namespace.",
    .parameters =
        {
            nqn_field(&visibility_params::nqn),
            nsid_field(&visibility_params::nsid),
            required("auto_visible", &visibility_params::auto_visible,
                     "`true`: all do, and the list of hosts is gone; `false`: those of nvmf_ns_add_host."),
            tgt_name_field(&visibility_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such subsystem or namespace"}},
};

answer answer_of(const core::result<>& changed) {
    return changed ? ok() : answer(refuse_as(error_code::parameters, changed.error()));
}

core::task<answer> add_host(nvmf_service& service, host_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto added = co_await (*s)->namespaces().add_host(p.nsid, std::move(p.host));
    co_return answer_of(added);
}

core::task<answer> remove_host(nvmf_service& service, host_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto removed = co_await (*s)->namespaces().remove_host(p.nsid, std::move(p.host));
    co_return answer_of(removed);
}

core::task<answer> set_visibility(nvmf_service& service, visibility_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto set = co_await (*s)->namespaces().set_auto_visible(p.nsid, p.auto_visible);
    co_return answer_of(set);
}

}  // namespace

void add_nvmf_visibility_methods(method_table& methods, nvmf_service& service) {
    methods.add(add_host_method, [&service](host_params p) { return add_host(service, std::move(p)); });
    methods.add(remove_host_method, [&service](host_params p) { return remove_host(service, std::move(p)); });
    methods.add(set_visibility_method,
                [&service](visibility_params p) { return set_visibility(service, std::move(p)); });
}

}  // namespace causeway::rpc
