// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "host/log_pages.h"
#include "nvme/text.h"
#include "tools/connect.h"
#include "tools/reactors.h"
#include "tools/rpc_client.h"
#include "tools/table.h"
#include "tools/target_command.h"

#include <fmt/format.h>
#include <memory>

namespace causeway::tools {

namespace {

using entries = std::vector<nvme::discovery_log_entry>;

core::task<core::result<entries>> read_all(host::connector& connector, host::controller_options o) {
    host::controller c(connector, std::move(o));
    if (auto connected = co_await c.connect(); !connected)
        co_return tl::make_unexpected(connected.error());
    auto all = co_await host::read_discovery_log(c);
    co_await c.disconnect();
    co_return all;
}

std::string transport_of(const nvme::discovery_log_entry& e) {
    switch (static_cast<nvme::transport_type>(e.trtype)) {
    case nvme::transport_type::rdma: return "rdma";
    case nvme::transport_type::fc: return "fc";
    case nvme::transport_type::tcp: return "tcp";
    case nvme::transport_type::intra_host: return "loop";
    }
    return fmt::format("{:#x}", e.trtype);
}

std::string family_of(const nvme::discovery_log_entry& e) {
    switch (static_cast<nvme::address_family>(e.adrfam)) {
    case nvme::address_family::none: return "none";
    case nvme::address_family::ipv4: return "ipv4";
    case nvme::address_family::ipv6: return "ipv6";
    case nvme::address_family::ib: return "ib";
    case nvme::address_family::fc: return "fc";
    case nvme::address_family::intra_host: return "intra_host";
    }
    return fmt::format("{:#x}", e.adrfam);
}

std::string type_of(const nvme::discovery_log_entry& e) {
    switch (static_cast<nvme::subsystem_type>(e.subtype)) {
    case nvme::subsystem_type::referral: return "referral";
    case nvme::subsystem_type::nvm: return "nvm";
    case nvme::subsystem_type::current_discovery: return "discovery";
    }
    return fmt::format("{:#x}", e.subtype);
}

/// Only of TCP.
std::string security_of(const nvme::discovery_log_entry& e) {
    if (static_cast<nvme::transport_type>(e.trtype) != nvme::transport_type::tcp)
        return "";
    switch (static_cast<nvme::tcp_security>(e.tsas[0])) {
    case nvme::tcp_security::none: return "none";
    case nvme::tcp_security::tls12: return "tls1.2";
    case nvme::tcp_security::tls13: return "tls1.3";
    }
    return fmt::format("{:#x}", e.tsas[0]);
}

std::string nqn_of(const nvme::discovery_log_entry& e) {
    return std::string(nvme::terminated_text(e.subnqn).value_or("(without end)"));
}

json to_json(const entries& all) {
    json list = json::array();
    for (const auto& e : all)
        list.push_back({{"trtype", transport_of(e)},
                        {"adrfam", family_of(e)},
                        {"subtype", type_of(e)},
                        {"treq", e.treq},
                        {"portid", e.portid.value()},
                        {"cntlid", e.cntlid.value()},
                        {"asqsz", e.asqsz.value()},
                        {"eflags", e.eflags.value()},
                        {"trsvcid", nvme::padded_text(e.trsvcid)},
                        {"subnqn", nqn_of(e)},
                        {"traddr", nvme::padded_text(e.traddr)},
                        {"sectype", security_of(e)}});
    return list;
}

std::string to_text(const entries& all) {
    table t({{"transport"}, {"address"}, {"port"}, {"type"}, {"security"}, {"subsystem"}});
    for (const auto& e : all)
        t.add({transport_of(e), std::string(nvme::padded_text(e.traddr)), std::string(nvme::padded_text(e.trsvcid)),
               type_of(e), security_of(e), nqn_of(e)});
    return all.empty() ? "no entries\n" : t.text();
}

int run(const target_arguments& to, bool as_json) {
    const target_options o = to.get();
    reactors cores({});
    for (const auto& a : o.addresses) {
        const auto connector = make_connector(a, o);
        const auto all = cores.run([&] { return read_all(*connector, controller_options_of(o)); });
        if (!all) {
            fmt::print(stderr, "causeway discover: {}\n", core::printable(all.error().text()));
            return no_connection;
        }
        if (as_json)
            fmt::print("{}\n", to_json(*all).dump(2, ' ', true, json::error_handler_t::replace));
        else
            fmt::print("{}", to_text(*all));
    }
    return done;
}

}  // namespace

void add_discover_command(CLI::App& app, std::function<int()>& what) {
    auto to = std::make_shared<target_arguments>();
    auto as_json = std::make_shared<bool>(false);
    auto& c = *app.add_subcommand("discover", "what a target's discovery service tells of");
    to->add_to(c, std::string(nvme::discovery_nqn).c_str());
    c.add_flag("--json", *as_json, "the same as JSON");
    c.callback([=, &what] { what = [=] { return run(*to, *as_json); }; });
}

}  // namespace causeway::tools
