// SPDX-License-Identifier: Apache-2.0
// RoCE, ports, packet filters; and what a host needs.

#include "tools/doctor.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>

namespace causeway::tools {

namespace {

using enum finding::state;

constexpr unsigned io_port = 4420, discovery_port = 8009;

/// A RoCEv2 GID of an address, with its interface; empty: the port has none.
struct gid {
    std::string text, interface;
};
gid rocev2_gid(const machine& m, const std::string& port) {
    for (const std::string& index : m.list(port + "/gids")) {
        const std::string text = m.line(port + "/gids/" + index);
        const bool is_link_local = text.starts_with("fe80:");
        if (text.empty() || text.find_first_not_of("0:") == text.npos || is_link_local)
            continue;
        if (m.line(port + "/gid_attrs/types/" + index) == "RoCE v2")
            return {text, m.line(port + "/gid_attrs/ndevs/" + index)};
    }
    return {};
}

void check_rdma_port(const machine& m, const std::string& name, const std::string& port, findings& to) {
    const std::string check = "RDMA " + name;
    const std::string state = m.line(port + "/state");
    if (state.find("ACTIVE") == state.npos) {
        to.push_back({check, fail, fmt::format("its port is not active ({})", state.empty() ? "no state" : state),
                      "ip link set the interface up, and look at its cable and at the switch"});
        return;
    }
    if (m.line(port + "/link_layer") == "InfiniBand") {
        to.push_back({check, ok, "its port is active, over InfiniBand", ""});
        return;
    }
    const gid found = rocev2_gid(m, port);
    if (found.text.empty()) {
        to.push_back({check, fail, "its port is active, but has no RoCEv2 GID of an address",
                      "give the interface an IP address (ip address add …), and use RoCEv2, not v1"});
        return;
    }
    const unsigned long mtu = std::strtoul(m.line("/sys/class/net/" + found.interface + "/mtu").c_str(), nullptr, 10);
    constexpr unsigned long mtu_of_4096 = 4200;  // a RoCE packet of 4096 bytes with its headers
    if (mtu < mtu_of_4096)
        to.push_back({check, warn,
                      fmt::format("active, RoCEv2 GID {} on {}, whose MTU of {} limits RDMA packets to 1024 bytes",
                                  found.text, found.interface, mtu),
                      "ip link set " + found.interface + " mtu 9000, at the switch and at the hosts, too"});
    else
        to.push_back(
            {check, ok, fmt::format("active, RoCEv2 GID {} on {}, MTU {}", found.text, found.interface, mtu), ""});
}

/// Local ports of sockets that listen, in the format of /proc/net/tcp.
bool listens(const std::string& table, unsigned port) {
    std::istringstream lines(table);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state;
        words >> number >> local >> remote >> state;
        const auto colon = local.rfind(':');
        if (state == "0A" && colon != local.npos && std::strtoul(local.c_str() + colon + 1, nullptr, 16) == port)
            return true;
    }
    return false;
}

/// Whether a port, or a range of them ("4000-5000", "4000:5000"), has this one.
bool has_port(const std::string& word, unsigned port) {
    unsigned long from = 0, to = 0;
    int end = 0;
    if (std::sscanf(word.c_str(), "%lu%*1[-:]%lu%n", &from, &to, &end) == 2 && end == static_cast<int>(word.size()))
        return from <= port && port <= to;
    return word == std::to_string(port);
}

/// Whether a rule's ports have this one: "dport { 22, 4420 }", "--dports 22,4000:5000". Other numbers count packets.
bool names_port(std::string rule, unsigned port) {
    const auto at = rule.find("dport");
    if (at == rule.npos)
        return false;
    rule.erase(0, at);
    std::ranges::replace_if(
        rule, [](char c) { return c == ',' || c == '{' || c == '}'; }, ' ');
    std::istringstream words(rule);
    std::string word;
    words >> word;
    while (words >> word && std::isdigit(static_cast<unsigned char>(word[0])))
        if (has_port(word, port))
            return true;
    return false;
}

bool any_names_port(const std::string& rules, unsigned port) {
    std::istringstream lines(rules);
    std::string line;
    while (std::getline(lines, line))
        if (names_port(line, port))
            return true;
    return false;
}

/// Whether a chain of what comes to this machine drops what no rule accepts; of what is forwarded, others decide.
bool drops_input(const std::string& ruleset) {
    for (auto at = ruleset.find("hook input"); at != ruleset.npos; at = ruleset.find("hook input", at + 1)) {
        const std::string line = ruleset.substr(at, ruleset.find('\n', at) - at);
        if (line.find("policy drop") != line.npos)
            return true;
    }
    return false;
}

/// Why a packet filter may keep hosts out; empty: it does not, or is not known.
std::string filter_of(const machine& m) {
    if (const auto nft = m.run({"nft", "list", "ruleset"})) {  // has the rules of today's iptables, too
        if (drops_input(*nft) && !any_names_port(*nft, io_port))
            return "nft's input chain drops what no rule accepts, and no rule names port 4420";
        return "";
    }
    const auto iptables = m.run({"iptables", "-S"});
    if (!iptables)
        return "unknown";
    const bool rejects = iptables->find("-P INPUT DROP") != iptables->npos ||
                         iptables->find("-A INPUT -j REJECT") != iptables->npos ||
                         iptables->find("-A INPUT -j DROP") != iptables->npos;
    if (rejects && !any_names_port(*iptables, io_port))
        return "iptables drops what no rule accepts, and no rule names port 4420";
    return "";
}

finding check_identity(const machine& m) {
    const std::string nqn = m.line("/etc/nvme/hostnqn"), id = m.line("/etc/nvme/hostid");
    const std::string cure = "nvme gen-hostnqn > /etc/nvme/hostnqn, and its UUID into /etc/nvme/hostid";
    if (nqn.empty() || id.empty())
        return {"host identity", fail, fmt::format("/etc/nvme/{} is missing", nqn.empty() ? "hostnqn" : "hostid"),
                cure};
    return {"host identity", ok, nqn, ""};
}

}  // namespace

findings check_rdma(const machine& m) {
    const auto devices = m.list("/sys/class/infiniband");
    if (devices.empty())
        return {{"RDMA", warn, "there is no RDMA device: only TCP can be used",
                 "if there is to be one: load the NIC's driver (mlx5_ib, irdma, bnxt_re, …), and see ibv_devinfo"}};
    findings all;
    for (const std::string& device : devices)
        for (const std::string& port : m.list("/sys/class/infiniband/" + device + "/ports"))
            check_rdma_port(m, device + "/" + port, "/sys/class/infiniband/" + device + "/ports/" + port, all);
    const bool any_serves = std::ranges::any_of(all, [](const finding& f) { return f.is == ok || f.is == warn; });
    for (finding& f : all)
        if (f.is == fail && any_serves) {  // of a card with two ports, one is often not used
            f.is = warn;
            f.sentence += "; right if it is not used: another port serves";
        }
    all.push_back(
        {"RDMA PFC", skip, "whether the network is lossless cannot be seen from here",
         "on every switch port and NIC of RoCE the same priority needs PFC, and ECN (mlnx_qos -i, dcb pfc show)"});
    return all;
}

findings check_ports(const machine& m) {
    const std::string sockets = m.read("/proc/net/tcp").value_or("") + m.read("/proc/net/tcp6").value_or("");
    findings all;
    for (const auto& [port, what] : {std::pair(io_port, "NVMe/TCP"), {discovery_port, "discovery"}}) {
        const std::string check = fmt::format("port {}", port);
        if (listens(sockets, port))
            all.push_back({check, ok, fmt::format("something listens there for {}", what), ""});
        else
            all.push_back({check, skip,
                           "nothing listens there over TCP; right if no listener of the gateway has this port",
                           "nvmf_subsystem_add_listener (causeway status lists the listeners)"});
    }
    const std::string filter = filter_of(m);
    if (filter == "unknown")
        all.push_back({"firewall", skip, "neither nft nor iptables tells its rules (ask as root)", ""});
    else if (!filter.empty())
        all.push_back({"firewall", warn, filter,
                       "nft add rule inet filter input tcp dport { 4420, 8009 } accept; RoCE: udp dport 4791"});
    else
        all.push_back({"firewall", ok, "no rule is seen that keeps hosts out", ""});
    return all;
}

findings check_host(const machine& m) {
    findings all;
    std::vector<std::string> missing;
    for (const char* module : {"nvme_fabrics", "nvme_tcp", "nvme_rdma"})
        if (!m.exists(std::string("/sys/module/") + module))
            missing.push_back(module);
    if (missing.empty())
        all.push_back({"host modules", ok, "nvme-fabrics, nvme-tcp and nvme-rdma are loaded", ""});
    else
        all.push_back({"host modules", warn, fmt::format("not loaded: {}", fmt::join(missing, ", ")),
                       fmt::format("modprobe {}; to keep it, a file in /etc/modules-load.d", fmt::join(missing, " "))});
    all.push_back(check_identity(m));
    const std::string multipath = m.line("/sys/module/nvme_core/parameters/multipath");
    if (multipath.empty())
        all.push_back(
            {"host multipath", skip, "nvme-core is not loaded, or has no multipathing", "modprobe nvme-core"});
    else if (multipath != "Y")
        all.push_back({"host multipath", fail, "native multipathing is off: a lost gateway is a lost disk",
                       "boot with nvme_core.multipath=Y"});
    else
        all.push_back({"host multipath", ok, "native multipathing is on", ""});
    return all;
}

}  // namespace causeway::tools
