// SPDX-License-Identifier: Apache-2.0
// Hosts over RDMA that send what their standard input says, line by line, and nothing else: no Keep Alive, and no
// response is received before a line asks for it. For tests that keep commands outstanding, that stop a gateway between
// two of its steps, or whose hosts leave commands behind or say nothing.
//
//     connect HOST NQN DEPTH KATO     an admin queue and one I/O queue; KATO in ms
//     read HOST COUNT                 sends COUNT reads of one block
//     write HOST COUNT STRIDE         sends COUNT writes of one block, STRIDE blocks apart
//     deallocate HOST COUNT BLOCKS    sends COUNT deallocations of the first BLOCKS blocks
//     write-block HOST NSID LBA BYTE  sends a write of one block of such bytes, data in the capsule
//     read-block HOST NSID LBA        reads a block: ok, and its bytes in hexadecimal
//     answers HOST COUNT              receives COUNT responses: ok, and each one's status field, without the phase tag,
//                                     as a number; "closed" instead, and nothing after it, where the connection has ended
//     keep-alive HOST                 sends a Keep Alive: ok, and the microseconds until its response came
//     leave HOST                      disconnects both queues
//     never-connect HOST COUNT        connects COUNT queue pairs, and sends no Connect on them
//
// Each line is answered with one line: "ok ...", or "failed: " and the reason. HOST is a name that the caller chooses;
// the host's NQN ends with it.

#include "nvme/make_command.h"
#include "tests/hostile/nvme_host.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <map>
#include <sstream>

using namespace causeway;
using namespace causeway::hostile;

namespace {

/// Where in a connection's memory the range of a deallocation is. All other commands use its start.
constexpr std::uint32_t range_offset = raw_connection::memory_size / 2;

using clock = std::chrono::steady_clock;

class scripted_hosts {
  public:
    explicit scripted_hosts(endpoint at) : at_(std::move(at)) {}

    /// Runs one line. Returns what follows the "ok".
    std::string run(const std::string& line) {
        std::istringstream words(line);
        std::string step, name;
        words >> step >> name;
        if (step == "connect")
            return connect(name, words);
        if (step == "never-connect")
            return never_connect(words);
        const auto found = hosts_.find(name);
        if (found == hosts_.end())
            throw unexpected("there is no host \"" + name + "\": connect it first");
        if (step == "leave") {
            leave(found->second);
            hosts_.erase(found);
            return {};
        }
        return run(found->second, step, words);
    }

  private:
    struct host {
        session queues;
        std::uint16_t next_cid = 0;
    };

    std::string connect(const std::string& name, std::istream& words) {
        endpoint at = at_;
        std::uint16_t depth = 0;
        words >> at.nqn >> depth >> at.kato_ms;
        at.host_nqn = "nqn.2024-01.io.causeway:" + name;
        std::copy_n(name.begin(), std::min(name.size(), at.host_id.size()), at.host_id.begin());
        hosts_[name] = {open_session(at, depth)};
        return {};
    }

    std::string never_connect(std::istream& words) {
        unsigned count = 0;
        words >> count;
        for (unsigned i = 0; i < count; ++i)
            without_connect_.push_back(must_open(at_, {}));
        return {};
    }

    static std::string run(host& h, const std::string& step, std::istream& words) {
        if (step == "keep-alive")
            return keep_alive(h);
        if (step == "answers")
            return answers(h, words);
        if (step == "read-block")
            return read_block(h, words);
        if (step == "write-block")
            write_block(h, words);
        else
            send_many(h, step, words);
        return {};
    }

    static void send_many(host& h, const std::string& step, std::istream& words) {
        unsigned count = 0, number = 0;
        words >> count >> number;
        for (unsigned i = 0; i < count; ++i)
            if (!h.queues.io->send(command(h, step, i, number)))
                throw unexpected("the connection is closed");
    }

    static nvme::command command(host& h, const std::string& step, unsigned i, unsigned number) {
        const session& s = h.queues;
        if (step == "read")
            return keyed(read_blocks(s.at, h.next_cid++, 0, 1), *s.io, s.block_size);
        if (step == "write")
            return keyed(write_blocks(s.at, h.next_cid++, std::uint64_t{i} * number, 1), *s.io, s.block_size);
        if (step != "deallocate")
            throw unexpected("\"" + step + "\" is not a step: see the start of scripted_host.cc");
        nvme::dsm_range range{};
        range.nlb = number;
        std::memcpy(s.io->memory().data() + range_offset, &range, sizeof range);
        nvme::command c = nvme::make_deallocate(s.at.nsid, 1);
        c.cid = h.next_cid++;
        return keyed(c, *s.io, sizeof range, range_offset);
    }

    static void write_block(host& h, std::istream& words) {
        const session& s = h.queues;
        std::uint32_t nsid = 0, fill = 0;
        std::uint64_t lba = 0;
        words >> nsid >> lba >> fill;
        nvme::command c = write_blocks(s.at, h.next_cid++, lba, 1);
        c.nsid = nsid;
        c.sgl = nvme::sgl_descriptor::data_block(0, s.block_size, nvme::sgl_subtype::offset);
        std::vector<std::byte> capsule(sizeof c + s.block_size, static_cast<std::byte>(fill));
        std::memcpy(capsule.data(), &c, sizeof c);
        if (!s.io->send(capsule))
            throw unexpected("the connection is closed");
    }

    static std::string read_block(host& h, std::istream& words) {
        const session& s = h.queues;
        std::uint32_t nsid = 0;
        std::uint64_t lba = 0;
        words >> nsid >> lba;
        nvme::command c = keyed(read_blocks(s.at, h.next_cid++, lba, 1), *s.io, s.block_size);
        c.nsid = nsid;
        must_succeed(must_answer(*s.io, c));
        std::string bytes = " ";
        for (const std::byte b : s.io->memory().first(s.block_size))
            bytes += fmt::format("{:02x}", std::to_integer<unsigned>(b));
        return bytes;
    }

    static std::string keep_alive(host& h) {
        const auto begin = clock::now();
        must_succeed(must_answer(*h.queues.admin, hostile::keep_alive(h.next_cid++)));
        return fmt::format(" {}", std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begin).count());
    }

    static std::string answers(host& h, std::istream& words) {
        unsigned count = 0;
        words >> count;
        std::string all;
        for (unsigned i = 0; i < count; ++i) {
            const auto c = h.queues.io->receive();
            if (!c)
                return all + " closed";
            all += fmt::format(" {}", c->status().value);
        }
        return all;
    }

    static void leave(host& h) {
        h.queues.io->disconnect();
        h.queues.admin->disconnect();
    }

    const endpoint at_;
    std::map<std::string, host> hosts_;
    std::vector<std::unique_ptr<raw_connection>> without_connect_;
};

}  // namespace

int main(int argc, char** argv) {
    endpoint at;
    at.address = "127.0.0.1";
    CLI::App app("Hosts over RDMA that send what the standard input says, line by line, and nothing else.");
    app.option_defaults()->always_capture_default();
    app.add_option("-a,--address", at.address, "of the target");
    app.add_option("-s,--port", at.port);
    CLI11_PARSE(app, argc, argv);
    scripted_hosts hosts(at);
    for (std::string line; std::getline(std::cin, line);) {
        std::string answer;
        try {
            answer = "ok" + hosts.run(line);
        } catch (const std::exception& e) {
            answer = fmt::format("failed: {}", e.what());
        }
        fmt::print("{}\n", answer);
        std::fflush(stdout);
    }
    return 0;
}
