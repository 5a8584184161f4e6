// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "tools/export_image.h"
#include "tools/rpc_client.h"
#include "tools/target_command.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <memory>
#include <netinet/in.h>
#include <sys/socket.h>

namespace causeway::tools {

namespace {

/// The address by which this machine reaches others; empty: it has no route to any.
std::string own_address() {
    const core::unique_fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in far{};
    far.sin_family = AF_INET;
    far.sin_port = htons(9);
    ::inet_pton(AF_INET, "192.0.2.1", &far.sin_addr);  // no packet is sent
    sockaddr_in own{};
    socklen_t size = sizeof own;
    char text[INET_ADDRSTRLEN];
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&far), sizeof far) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0 ||
        !::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text))
        return {};
    return text;
}

void print(const exported& e, bool as_json) {
    const auto commands = connect_commands(e);
    if (as_json) {
        json listeners = json::array();
        for (const auto& l : e.listeners)
            listeners.push_back({{"trtype", l.trtype}, {"traddr", l.traddr}, {"trsvcid", l.trsvcid}});
        const json all = {{"nqn", e.nqn},        {"nsid", e.nsid}, {"bdev_name", e.device}, {"listeners", listeners},
                          {"connect", commands}, {"done", e.done}, {"notes", e.notes}};
        fmt::print("{}\n", all.dump(2, ' ', true, json::error_handler_t::replace));
        return;
    }
    for (const auto& step : e.done)
        fmt::print("{}\n", core::printable(step));
    if (e.done.empty())
        fmt::print("all of it is there already\n");
    for (const auto& note : e.notes)
        fmt::print("note: {}\n", core::printable(note));
    fmt::print("On the host:\n");
    for (const auto& command : commands)
        fmt::print("    {}\n", core::printable(command));
}

int complain(const core::error& e) {
    fmt::print(stderr, "causeway export: {}\n", core::printable(e.text()));
    return failed;
}

int run(export_options o, bool any_host, const std::string& socket, bool as_json) {
    if (o.hosts.empty() && !any_host)
        throw CLI::ValidationError("--to", "name the host by its NQN (on the host: nvme show-hostnqn), or allow any "
                                           "host with --any-host");
    if (o.address.empty())
        o.address = own_address();
    if (o.address.empty())
        throw CLI::ValidationError("--address", "this machine has no route: say at which of its addresses to listen");
    auto gateway = rpc_client::connect(socket);
    if (!gateway)
        return complain(gateway.error());
    const auto done_for_it =
        export_image(o, [&](const std::string& method, const json& params) { return gateway->call(method, params); });
    if (!done_for_it)
        return complain(done_for_it.error());
    print(*done_for_it, as_json);
    return done;
}

}  // namespace

void add_export_command(CLI::App& app, std::function<int()>& what) {
    struct arguments {
        export_options o;
        std::string socket = default_socket;
        std::string user_id;
        bool any_host = false, as_json = false;
    };
    const auto a = std::make_shared<arguments>();
    auto& c = *app.add_subcommand("export", "makes an image a namespace that hosts can connect to, and says how");
    c.add_option("IMAGE", a->o.what, "POOL/IMAGE, POOL/NAMESPACE/IMAGE, or the name of a device of the gateway")
        ->required();
    c.add_option("--to", a->o.hosts, "NQN of a host that may connect; several times, or separated by commas")
        ->delimiter(',');
    c.add_flag("--any-host", a->any_host, "any host may connect");
    c.add_option("--listen", a->o.transports,
                 "tcp, rdma, or both separated by a comma; default: tcp, and rdma if the gateway has a device for it")
        ->delimiter(',')
        ->transform(CLI::IsMember({"TCP", "RDMA"}, CLI::ignore_case));
    c.add_option("-a,--address", a->o.address,
                 "where to listen; default: the address by which this machine reaches others");
    c.add_option("-p,--port", a->o.port, "")->check(CLI::Range(1, 65535))->capture_default_str();
    c.add_option("--nqn", a->o.nqn,
                 "of the subsystem; default: made of the image's identity, the same on every gateway");
    c.add_option("--cluster", a->o.cluster, "the gateway's Ceph client, made if it is not there")
        ->capture_default_str();
    c.add_option("--user", a->user_id, "Ceph user of that client, without \"client.\"");
    c.add_option("--conf", a->o.config_file, "its ceph.conf");
    c.add_option("--key-file", a->o.key_file, "file with its key");
    c.add_option("--block-size", a->o.block_size, "bytes, of an image that is not open yet")->capture_default_str();
    c.add_flag("--read-only", a->o.read_only, "hosts cannot write");
    c.add_option("-s,--socket", a->socket, "where the gateway's JSON-RPC listens")->capture_default_str();
    c.add_flag("--json", a->as_json, "the same as JSON");
    c.callback([a, &what] {
        if (!a->user_id.empty())
            a->o.user_id = a->user_id;
        what = [a] { return run(a->o, a->any_host, a->socket, a->as_json); };
    });
}

}  // namespace causeway::tools
