// SPDX-License-Identifier: Apache-2.0
// Hosts over RDMA that do what their standard input says, a line at a time, and no more: they send commands and need
// not take the answers. For tests that want commands outstanding, or hosts that go and leave some.
//
//     connect HOST NQN DEPTH        an admin queue and one I/O queue: ok
//     read HOST COUNT               sends so many reads of a block: ok
//     write HOST COUNT STRIDE       so many writes of a block, STRIDE blocks apart: ok
//     deallocate HOST COUNT BLOCKS  so many deallocations of the first BLOCKS blocks: ok
//     answers HOST COUNT            waits for so many responses: ok, and each one's status type and code as one number
//     keep-alive HOST               ok, and after how many microseconds it was answered
//     leave HOST                    disconnects: ok
//     never-connect HOST COUNT      so many queue pairs that the target accepts, and no Connect on them: ok
//
// Each line is answered by one: "ok …", or "failed", and why. HOST is a name of the caller's choice, and ends its NQN.

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

/// Where in a connection's memory deallocations have their range; the data of all others come from and go to its start.
constexpr std::uint32_t range_at = raw_connection::memory_size / 2;

using clock = std::chrono::steady_clock;

class by_hand {
  public:
    explicit by_hand(endpoint at) : at_(std::move(at)) {}

    /// Does what a line says; what there is to tell of it.
    std::string obey(const std::string& line) {
        std::istringstream words(line);
        std::string what, host;
        words >> what >> host;
        if (what == "connect")
            return connect(host, words);
        if (what == "never-connect")
            return never_connect(words);
        const auto found = hosts_.find(host);
        if (found == hosts_.end())
            throw unexpected("no host of that name is connected");
        if (what == "leave") {
            leave(found->second);
            hosts_.erase(found);
            return {};
        }
        return obey(found->second, what, words);
    }

  private:
    struct host {
        session queues;
        std::uint16_t next_cid = 0;
    };

    std::string connect(const std::string& name, std::istream& words) {
        endpoint at = at_;
        std::uint16_t depth = 0;
        words >> at.nqn >> depth;
        at.host_nqn = "nqn.2024-01.io.causeway:" + name;
        std::copy_n(name.begin(), std::min(name.size(), at.host_id.size()), at.host_id.begin());
        hosts_[name] = {open_session(at, depth)};
        return {};
    }

    std::string never_connect(std::istream& words) {
        unsigned count = 0;
        words >> count;
        for (unsigned i = 0; i < count; ++i)
            strangers_.push_back(must_open(at_, {}));
        return {};
    }

    static std::string obey(host& h, const std::string& what, std::istream& words) {
        unsigned count = 0, number = 0;
        words >> count >> number;
        if (what == "keep-alive")
            return keep_alive(h);
        if (what == "answers")
            return answers(h, count);
        for (unsigned i = 0; i < count; ++i)
            if (!h.queues.io->send(command(h, what, i, number)))
                throw unexpected("the connection is closed");
        return {};
    }

    static nvme::command command(host& h, const std::string& what, unsigned i, unsigned number) {
        const session& s = h.queues;
        if (what == "read")
            return keyed(read_blocks(s.at, h.next_cid++, 0, 1), *s.io, s.block_size);
        if (what == "write")
            return keyed(write_blocks(s.at, h.next_cid++, std::uint64_t{i} * number, 1), *s.io, s.block_size);
        if (what != "deallocate")
            throw unexpected("no such line is known");
        nvme::dsm_range range{};
        range.nlb = number;
        std::memcpy(s.io->memory().data() + range_at, &range, sizeof range);
        nvme::command c = nvme::make_deallocate(s.at.nsid, 1);
        c.cid = h.next_cid++;
        return keyed(c, *s.io, sizeof range, range_at);
    }

    static std::string keep_alive(host& h) {
        const auto begin = clock::now();
        must_succeed(must_answer(*h.queues.admin, hostile::keep_alive(h.next_cid++)));
        return fmt::format(" {}", std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begin).count());
    }

    static std::string answers(host& h, unsigned count) {
        std::string all;
        for (unsigned i = 0; i < count; ++i) {
            const auto c = h.queues.io->receive();
            if (!c)
                throw unexpected("the target closed the connection");
            all += fmt::format(" {}", c->status().value & 0x7ff);
        }
        return all;
    }

    static void leave(host& h) {
        h.queues.io->disconnect();
        h.queues.admin->disconnect();
    }

    const endpoint at_;
    std::map<std::string, host> hosts_;
    std::vector<std::unique_ptr<raw_connection>> strangers_;
};

}  // namespace

int main(int argc, char** argv) {
    endpoint at;
    at.address = "127.0.0.1";
    CLI::App app("Hosts over RDMA that do what the standard input says, and no more.");
    app.option_defaults()->always_capture_default();
    app.add_option("-a,--address", at.address, "of the target");
    app.add_option("-s,--port", at.port);
    CLI11_PARSE(app, argc, argv);
    by_hand hosts(at);
    for (std::string line; std::getline(std::cin, line);) {
        std::string answer;
        try {
            answer = "ok" + hosts.obey(line);
        } catch (const std::exception& e) {
            answer = fmt::format("failed: {}", e.what());
        }
        fmt::print("{}\n", answer);
        std::fflush(stdout);
    }
    return 0;
}
