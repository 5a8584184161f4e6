// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/controller.h"
#include "rpc/nvmf_service.h"
#include "rpc/reactor_methods.h"
#include "rpc/slices.h"

namespace causeway::rpc {

namespace {

struct subsystem_params {
    std::string tgt_name = target_name;
    std::string nqn;
};
fields<subsystem_params> subsystem_fields() {
    return {nqn_field(&subsystem_params::nqn), tgt_name_field(&subsystem_params::tgt_name)};
}
const declaration<subsystem_params> get_controllers_method = {
    .name = "nvmf_subsystem_get_controllers",
    .summary = "Lists the controllers of a subsystem: the hosts that are connected.",
    .parameters = subsystem_fields(),
    .result = "an array of objects: `cntlid`, `cntrltype`, `hostnqn`, `hostid`, `num_io_qpairs` (with the admin queue)",
    .errors = {{error_code::parameters, "there is no such subsystem"}},
};
const declaration<subsystem_params> get_qpairs_method = {
    .name = "nvmf_subsystem_get_qpairs",
    .summary = "Lists the queue pairs of a subsystem's hosts.",
    .parameters = subsystem_fields(),
    .result =
        "an array of objects: `cntlid`, `qid`, `state`, `thread`, `hostnqn`, `listen_address`, `peer_address`, and "
        "`auth` (`state`, `digest`, `dhgroup`) once the host authenticates",
    .errors = {{error_code::parameters, "there is no such subsystem"}},
};

json controller_to_json(const nvmf::subsystem& s, const nvmf::controller& c) {
    return {{"cntlid", c.cntlid()},
            {"cntrltype", s.is_discovery() ? "discovery" : "io"},
            {"hostnqn", c.host_nqn()},
            {"hostid", bdev::to_string(c.host_id())},
            {"num_io_qpairs", c.qpairs().size()}};  // the admin queue counts, as ever
}

constexpr unsigned us_of_a_controller = 8;  ///< to describe it
constexpr unsigned us_of_a_qpair = 8;

using controllers = std::vector<std::shared_ptr<nvmf::controller>>;

controllers controllers_of(const nvmf::subsystem& s) {
    controllers all;
    for (const auto& [cntlid, c] : s.controllers().all())
        all.push_back(c);
    return all;
}

core::task<answer> get_controllers(const nvmf_service& service, subsystem_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    co_return co_await array_in_slices(controllers_of(**s), us_of_a_controller,
                                       [](const auto& c) { return controller_to_json(c->subsystem(), *c); });
}

const char* state_name(const nvmf::controller::qpair_view& q) {
    switch (q.phase) {
    case nvmf::qpair::state::connecting: return "connecting";
    case nvmf::qpair::state::enabled: return q.waits_for_authentication ? "authenticating" : "enabled";
    case nvmf::qpair::state::disconnecting: break;
    }
    return "deactivating";
}

json auth_to_json(const nvmf::controller::authentication_view& a) {
    return {{"state", to_string(a.state)},
            {"digest", a.digest ? auth::to_string(*a.digest) : "unknown"},
            {"dhgroup", a.dhgroup ? auth::to_string(*a.dhgroup) : "unknown"}};
}

core::task<answer> get_qpairs(const nvmf_service& service, subsystem_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto& group = service.target->group();
    const controllers connected = controllers_of(**s);
    slicer slices;
    json all = json::array();
    for (const auto& c : connected) {
        for (const auto& q : c->qpairs()) {
            json qpair = {{"cntlid", c->cntlid()},
                          {"qid", q.qid},
                          {"state", state_name(q)},
                          {"thread", thread_name(group[q.reactor])},
                          {"hostnqn", c->host_nqn()},
                          {"listen_address", to_json(q.listen_address)},
                          {"peer_address", to_json(q.peer_address)}};
            if (q.authentication)
                qpair["auth"] = auth_to_json(*q.authentication);
            all.push_back(std::move(qpair));
            co_await slices.did(us_of_a_qpair);
        }
    }
    co_return all;
}

}  // namespace

void add_nvmf_connection_methods(method_table& methods, nvmf_service& service) {
    methods.add(get_controllers_method,
                [&service](subsystem_params p) { return get_controllers(service, std::move(p)); });
    methods.add(get_qpairs_method, [&service](subsystem_params p) { return get_qpairs(service, std::move(p)); });
}

}  // namespace causeway::rpc
