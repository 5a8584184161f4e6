#include "nvmf/controller.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct subsystem_params {
    std::string tgt_name = target_name;
    std::string nqn;
};
const fields<subsystem_params> subsystem_fields = {
    required("nqn", &subsystem_params::nqn),
    optional("tgt_name", &subsystem_params::tgt_name),
};

json controller_to_json(const nvmf::subsystem& s, const nvmf::controller& c) {
    return {{"cntlid", c.cntlid()},
            {"cntrltype", s.is_discovery() ? "discovery" : "io"},
            {"hostnqn", c.host_nqn()},
            {"hostid", bdev::to_string(c.host_id())},
            {"num_io_qpairs", c.qpairs().size()}};  // the admin queue counts, as ever
}

answer get_controllers(const nvmf_service& service, const subsystem_params& p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        return tl::make_unexpected(s.error());
    json all = json::array();
    for (const auto& [cntlid, c] : (*s)->controllers())
        all.push_back(controller_to_json(**s, *c));
    return all;
}

const char* state_name(nvmf::qpair::state phase) {
    switch (phase) {
    case nvmf::qpair::state::connecting: return "connecting";
    case nvmf::qpair::state::enabled: return "enabled";
    case nvmf::qpair::state::disconnecting: break;
    }
    return "deactivating";
}

answer get_qpairs(const nvmf_service& service, const subsystem_params& p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        return tl::make_unexpected(s.error());
    const auto& group = service.target->group();
    json all = json::array();
    for (const auto& [cntlid, c] : (*s)->controllers())
        for (const auto& q : c->qpairs())
            all.push_back({{"cntlid", cntlid},
                           {"qid", q.qid},
                           {"state", state_name(q.phase)},
                           {"thread", group[q.reactor].name()},
                           {"hostnqn", c->host_nqn()},
                           {"listen_address", to_json(q.listen_address)},
                           {"peer_address", to_json(q.peer_address)}});
    return all;
}

}  // namespace

void add_nvmf_connection_methods(method_table& methods, nvmf_service& service) {
    methods.add("nvmf_subsystem_get_controllers", states::runtime, subsystem_fields,
                [&service](const subsystem_params& p) { return get_controllers(service, p); });
    methods.add("nvmf_subsystem_get_qpairs", states::runtime, subsystem_fields,
                [&service](const subsystem_params& p) { return get_qpairs(service, p); });
}

}  // namespace causeway::rpc
