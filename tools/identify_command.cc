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
#include <map>
#include <memory>

namespace causeway::tools {

namespace {

/// A controller, as it says of itself.
struct description {
    std::string path;
    std::uint16_t cntlid;
    std::uint32_t version;
    std::uint64_t max_data;
    nvme::identify_controller identity;
    std::map<std::uint32_t, nvme::identify_namespace> namespaces;
    std::map<std::uint32_t, std::string> ana;  ///< by namespace
};

std::string name_of(nvme::ana_state s) {
    switch (s) {
    case nvme::ana_state::optimized: return "optimized";
    case nvme::ana_state::non_optimized: return "non-optimized";
    case nvme::ana_state::inaccessible: return "inaccessible";
    case nvme::ana_state::persistent_loss: return "persistent-loss";
    case nvme::ana_state::change: return "change";
    }
    return fmt::format("{:#x}", nvme::to_underlying(s));
}

core::task<core::result<>> read(host::controller& c, description& d) {
    d.path = c.name();
    d.cntlid = c.cntlid();
    d.version = c.version();
    d.max_data = c.max_data();
    d.identity = c.identity();
    if (d.identity.cntrltype == nvme::to_underlying(nvme::controller_type::discovery))
        co_return core::result<>{};
    const auto active = co_await c.active_namespaces();
    if (!active)
        co_return tl::make_unexpected(active.error());
    for (const std::uint32_t nsid : *active) {
        auto ns = co_await c.identify_namespace(nsid);
        if (!ns)
            co_return tl::make_unexpected(ns.error());
        d.namespaces.emplace(nsid, *ns);
    }
    if (!(d.identity.cmic & nvme::cmic_ana))
        co_return core::result<>{};
    const auto groups = co_await host::read_ana_log(c);
    if (!groups)
        co_return tl::make_unexpected(groups.error());
    for (const auto& g : *groups)
        for (const std::uint32_t nsid : g.nsids)
            d.ana[nsid] = name_of(g.state);
    co_return core::result<>{};
}

core::task<core::result<description>> describe(host::connector& connector, host::controller_options o) {
    host::controller c(connector, std::move(o));
    if (auto connected = co_await c.connect(); !connected)
        co_return tl::make_unexpected(connected.error());
    description d;
    const auto done = co_await read(c, d);
    co_await c.disconnect();
    if (!done)
        co_return tl::make_unexpected(done.error());
    co_return d;
}

std::string version_text(std::uint32_t vs) {
    return fmt::format("{}.{}.{}", vs >> 16, vs >> 8 & 0xff, vs & 0xff);
}

std::uint64_t block_size(const nvme::identify_namespace& n) {
    const auto& f = n.lbaf[(n.flbas & 0xf) | (n.flbas >> 1 & 0x30)];
    return f.lbads < 32 ? std::uint64_t{1} << f.lbads : 0;
}

template <std::size_t N>
std::string hex(const std::uint8_t (&bytes)[N]) {
    std::string s;
    for (const auto b : bytes)
        s += fmt::format("{:02x}", b);
    return s;
}

std::string size_text(std::uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned u = 0;
    auto n = static_cast<double>(bytes);
    for (; n >= 1024 && u < 5; ++u)
        n /= 1024;
    return fmt::format("{:.{}f} {}", n, u ? 1 : 0, units[u]);
}

std::uint32_t in_capsule(const nvme::identify_controller& k) {
    const std::uint64_t capsule = std::uint64_t{k.ioccsz} * 16;
    return capsule > sizeof(nvme::command) ? static_cast<std::uint32_t>(capsule - sizeof(nvme::command)) : 0;
}

json to_json(const description& d) {
    const auto& k = d.identity;
    json namespaces = json::array();
    for (const auto& [nsid, n] : d.namespaces) {
        namespaces.push_back({{"nsid", nsid},
                              {"blocks", n.nsze.value()},
                              {"block_size", block_size(n)},
                              {"used_blocks", n.nuse.value()},
                              {"nguid", hex(n.nguid)},
                              {"eui64", hex(n.eui64)},
                              {"anagrpid", n.anagrpid.value()}});
        if (const auto state = d.ana.find(nsid); state != d.ana.end())
            namespaces.back()["ana_state"] = state->second;
    }
    return {{"path", d.path},
            {"cntlid", d.cntlid},
            {"version", version_text(d.version)},
            {"serial_number", nvme::padded_text(k.sn)},
            {"model_number", nvme::padded_text(k.mn)},
            {"firmware", nvme::padded_text(k.fr)},
            {"subnqn", nvme::terminated_text(k.subnqn).value_or("")},
            {"max_data_bytes", d.max_data},
            {"in_capsule_data_bytes", in_capsule(k)},
            {"max_namespaces", k.nn.value()},
            {"oncs", k.oncs.value()},
            {"vwc", k.vwc},
            {"cmic", k.cmic},
            {"anacap", k.anacap},
            {"namespaces", namespaces}};
}

std::string to_text(const description& d) {
    using enum table::align;
    const auto& k = d.identity;
    const std::string nqn = core::printable(nvme::terminated_text(k.subnqn).value_or(""));
    std::string text = fmt::format("{}: controller {} of {}\n", core::printable(d.path), d.cntlid, nqn);
    text += fmt::format("  {} {}, firmware {}, NVMe {}\n", core::printable(nvme::padded_text(k.mn)),
                        core::printable(nvme::padded_text(k.sn)), core::printable(nvme::padded_text(k.fr)),
                        version_text(d.version));
    text += fmt::format("  at most {} with a command, {} of them in its capsule\n", size_text(d.max_data),
                        size_text(in_capsule(k)));
    if (d.namespaces.empty())
        return text + "  no namespaces\n";
    table t({{"nsid", right},
             {"size", right},
             {"blocks", right},
             {"of bytes", right},
             {"NGUID"},
             {"ANA group", right},
             {"state"}});
    for (const auto& [nsid, n] : d.namespaces) {
        const auto state = d.ana.find(nsid);
        t.add({std::to_string(nsid), size_text(n.nsze * block_size(n)), std::to_string(n.nsze),
               std::to_string(block_size(n)), hex(n.nguid), std::to_string(n.anagrpid),
               state == d.ana.end() ? "" : state->second});
    }
    return text + t.text();
}

int run(const target_arguments& to, bool as_json) {
    const target_options o = to.get();
    reactors cores({});
    json all = json::array();
    for (const auto& a : o.addresses) {
        const auto connector = make_connector(a, o);
        const auto d = cores.run([&] { return describe(*connector, controller_options_of(o)); });
        if (!d) {
            fmt::print(stderr, "causeway identify: {}\n", core::printable(d.error().text()));
            return no_connection;
        }
        if (as_json)
            all.push_back(to_json(*d));
        else
            fmt::print("{}", to_text(*d));
    }
    if (as_json)
        fmt::print("{}\n", all.dump(2, ' ', true, json::error_handler_t::replace));
    return done;
}

}  // namespace

void add_identify_command(CLI::App& app, std::function<int()>& what) {
    auto to = std::make_shared<target_arguments>();
    auto as_json = std::make_shared<bool>(false);
    auto& c = *app.add_subcommand("identify", "a target's controller and its namespaces");
    to->add_to(c);
    c.add_flag("--json", *as_json, "the same as JSON");
    c.callback([=, &what] { what = [=] { return run(*to, *as_json); }; });
}

}  // namespace causeway::tools
