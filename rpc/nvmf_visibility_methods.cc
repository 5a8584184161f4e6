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
const fields<host_params> host_fields = {
    required("nqn", &host_params::nqn),
    required("nsid", &host_params::nsid),
    required("host", &host_params::host),
    optional("tgt_name", &host_params::tgt_name),
};

struct visibility_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    bool auto_visible = false;
};
const fields<visibility_params> visibility_fields = {
    required("nqn", &visibility_params::nqn),
    required("nsid", &visibility_params::nsid),
    required("auto_visible", &visibility_params::auto_visible),
    optional("tgt_name", &visibility_params::tgt_name),
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
    methods.add("nvmf_ns_add_host", states::runtime, host_fields,
                [&service](host_params p) { return add_host(service, std::move(p)); });
    methods.add("nvmf_ns_remove_host", states::runtime, host_fields,
                [&service](host_params p) { return remove_host(service, std::move(p)); });
    methods.add("nvmf_subsystem_set_ns_visibility", states::runtime, visibility_fields,
                [&service](visibility_params p) { return set_visibility(service, std::move(p)); });
}

}  // namespace causeway::rpc
