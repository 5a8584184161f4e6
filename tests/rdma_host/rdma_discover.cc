// SPDX-License-Identifier: Apache-2.0
// What a discovery service over RDMA says, as `nvme discover` shows it: one line of JSON for each record.

#include "nvme/discovery.h"
#include "nvme/log_page.h"
#include "tests/hostile/nvme_host.h"

#include <CLI/CLI.hpp>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace causeway;
using namespace causeway::hostile;

namespace {

/// A field of characters that is padded with spaces or ends with a NUL.
std::string text(std::span<const char> field) {
    std::string s(field.data(), strnlen(field.data(), field.size()));
    s.erase(s.find_last_not_of(' ') + 1);
    return s;
}

void read_log(raw_connection& q, std::uint64_t offset, std::uint32_t bytes) {
    const std::uint32_t dwords = bytes / 4 - 1;
    nvme::command c{};
    c.opcode = nvme::to_underlying(nvme::admin_opcode::get_log_page);
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.cid = std::uint16_t{2};
    c.cdw10 = nvme::to_underlying(nvme::lid::discovery) | (dwords & 0xffff) << 16;
    c.cdw11 = dwords >> 16;
    c.cdw12 = static_cast<std::uint32_t>(offset);
    must_succeed(must_answer(q, keyed(c, q, bytes)));
}

template <class T>
T at(raw_connection& q) {
    T t;
    std::memcpy(&t, q.memory().data(), sizeof t);
    return t;
}

void discover(const endpoint& where) {
    std::uint16_t cntlid = 0;
    const auto admin = open_admin(where, cntlid);
    enable(*admin);
    read_log(*admin, 0, sizeof(nvme::discovery_log_header));
    const auto head = at<nvme::discovery_log_header>(*admin);
    for (std::uint64_t i = 0; i < head.numrec; ++i) {
        read_log(*admin, sizeof head + i * sizeof(nvme::discovery_log_entry), sizeof(nvme::discovery_log_entry));
        const auto e = at<nvme::discovery_log_entry>(*admin);
        const nlohmann::ordered_json line{{"subnqn", text(e.subnqn)},   {"trtype", e.trtype},
                                          {"adrfam", e.adrfam},         {"traddr", text(e.traddr)},
                                          {"trsvcid", text(e.trsvcid)}, {"subtype", e.subtype}};
        fmt::print("{}\n", line.dump());
    }
    admin->disconnect();
}

}  // namespace

int main(int argc, char** argv) {
    endpoint at;
    at.address = "127.0.0.1";
    at.nqn = "nqn.2014-08.org.nvmexpress.discovery";
    CLI::App app("Asks a discovery service over RDMA what it knows.");
    app.option_defaults()->always_capture_default();
    app.add_option("-a,--address", at.address, "of the service");
    app.add_option("-s,--port", at.port);
    app.add_option("-q,--host-nqn", at.host_nqn);
    CLI11_PARSE(app, argc, argv);
    try {
        discover(at);
    } catch (const std::exception& e) {
        fmt::print(stderr, "rdma_discover: {}\n", e.what());
        return 1;
    }
    return 0;
}
