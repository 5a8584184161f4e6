// SPDX-License-Identifier: Apache-2.0
// A host that does what its standard input says, one step at a time: for writes that stand in a queue while nobody
// reads it.

#include "tests/hostile/nvme_host.h"

#include <CLI/CLI.hpp>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <sstream>

using namespace causeway;
using namespace causeway::hostile;

namespace {

/// A block of `fill`, with the command in one capsule.
std::vector<std::byte> write_capsule(const session& s, std::uint16_t cid, std::uint32_t nsid, std::uint64_t lba,
                                     std::byte fill) {
    nvme::command c = write_blocks(s.at, cid, lba, 1);
    c.nsid = nsid;
    c.sgl = nvme::sgl_descriptor::data_block(0, s.block_size, nvme::sgl_subtype::offset);
    std::vector<std::byte> capsule(sizeof c + s.block_size, fill);
    std::memcpy(capsule.data(), &c, sizeof c);
    return capsule;
}

std::string status_text(nvme::status s) {
    return fmt::format("status {:x}{}", (s.to_word() >> 1) & 0x7ff, s.dnr() ? " dnr" : "");
}

class told_host {
  public:
    explicit told_host(const endpoint& at) : session_(open_session(at)) {}

    std::string write(std::istream& words) {
        std::uint32_t nsid = 0, fill = 0;
        std::uint64_t lba = 0;
        words >> nsid >> lba >> fill;
        return session_.io->send(write_capsule(session_, next_cid_++, nsid, lba, static_cast<std::byte>(fill)))
                   ? "sent"
                   : "closed";
    }
    std::string read(std::istream& words) {
        std::uint32_t nsid = 0;
        std::uint64_t lba = 0;
        words >> nsid >> lba;
        nvme::command c = keyed(read_blocks(session_.at, next_cid_++, lba, 1), *session_.io, session_.block_size);
        c.nsid = nsid;
        const auto answer = must_answer(*session_.io, c);
        if (!answer.status().ok())
            return status_text(answer.status());
        std::string said = "read ";
        for (const std::byte b : session_.io->memory().first(session_.block_size))
            said += fmt::format("{:02x}", std::to_integer<unsigned>(b));
        return said;
    }
    std::string answer() {
        const auto c = session_.io->receive();
        return c ? status_text(c->status()) : "closed";
    }
    std::string leave() {
        session_.io->disconnect();
        session_.admin->disconnect();
        return "left";
    }

  private:
    session session_;
    std::uint16_t next_cid_ = 100;
};

std::string obey(told_host& h, const std::string& line) {
    std::istringstream words(line);
    std::string order;
    words >> order;
    if (order == "write")
        return h.write(words);
    if (order == "read")
        return h.read(words);
    if (order == "answer")
        return h.answer();
    if (order == "leave")
        return h.leave();
    throw unexpected("write, read, answer or leave; not \"" + line + "\"");
}

}  // namespace

int main(int argc, char** argv) {
    endpoint at;
    CLI::App app("A host that does what its standard input says.");
    app.add_option("-a,--address", at.address, "of the target")->capture_default_str();
    app.add_option("-s,--port", at.port)->capture_default_str();
    app.add_option("-n,--nqn", at.nqn, "of a subsystem that any host may use")->required();
    app.add_option("-q,--host-nqn", at.host_nqn)->capture_default_str();
    app.add_option("--keep-alive", at.kato_ms, "ms that Connect asks for; no Keep Alive is sent")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        told_host host(at);
        fmt::print("connected\n");
        std::fflush(stdout);
        for (std::string line; std::getline(std::cin, line);) {
            fmt::print("{}\n", obey(host, line));
            std::fflush(stdout);
        }
    } catch (const std::exception& e) {
        fmt::print(stderr, "told_host: {}\n", e.what());
        return 1;
    }
    return 0;
}
