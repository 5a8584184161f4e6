// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/tcp_seam.h"
#include "tests/neighbours/troubles.h"
#include "transport/tcp/testing/tcp_fixture.h"

#include <array>
#include <cstring>

namespace causeway::neighbours {

namespace {

using nvme::io_opcode;

/// A connector whose queue pairs can be made to stop.
struct faulty_end {
    explicit faulty_end(neighbourhood& at) : connector(at.as<tcp_seam>().make_faulty_connector(faults)) {}
    faulty_stream::faults faults;
    const std::unique_ptr<host::connector> connector;
};

/// Works on the disk that others use, and goes without a word in the end.
class faulty_host : protected faulty_end, public busy_host {
  public:
    faulty_host(neighbourhood& at, std::vector<piece_of_work> work)
        : faulty_end(at), busy_host(at, at.host("faulty", 4), 127, std::move(work), *connector) {}
    core::task<> leave() override { return vanish(); }
};

/// Receives nothing of the data that it reads.
class host_that_never_reads : public faulty_host {
  public:
    explicit host_that_never_reads(neighbourhood& at)
        : faulty_host(at, {block_work(io_opcode::read, good_nsid), block_work(io_opcode::read, good_nsid, 65536)}) {}
    void begin() override {
        faulty_host::begin();
        faults.receives = false;
    }
};

/// Sends its commands, and no data when it is asked for them.
class host_that_never_sends_data : public faulty_host {
  public:
    explicit host_that_never_sends_data(neighbourhood& at)
        : faulty_host(at, {block_work(io_opcode::write, good_nsid, 8192)}) {}
    void begin() override {
        faulty_host::begin();
        core::detach(stop_after_this_turn());
    }

  private:
    core::task<> stop_after_this_turn() {
        co_await core::yield();
        faults.sends = false;
    }
};

/// Opens connections from a few addresses, and sends half a Connect command on each. Comes again with what is closed,
/// but more slowly than a core accepts: what comes faster than that waits in the kernel's backlog, in order.
class strangers_who_stop_halfway : public busy_task {
  public:
    using busy_task::busy_task;
    core::task<> leave() override {
        co_await busy_task::leave();
        hosts_.clear();
    }

  private:
    static constexpr std::size_t count = 100;

    core::task<bool> once() override {
        if (hosts_.size() == count) {
            hosts_.front().receive();
            if (hosts_.front().closed)
                hosts_.pop_front();
            else
                hosts_.push_back(take_first());
        }
        if (hosts_.size() < count)
            say_half(hosts_.emplace_back(at_.as<tcp_seam>().port(), "127.0.0." + std::to_string(2 + done() % 4)));
        for (int turns = 0; turns < 12; ++turns)
            co_await core::yield();
        co_return true;
    }
    tcp::test::raw_host take_first() {
        tcp::test::raw_host h = std::move(hosts_.front());
        hosts_.pop_front();
        return h;
    }
    static void say_half(tcp::test::raw_host& h) {
        h.send_ic_req();
        nvme::tcp_capsule_cmd c{};
        c.common.type = nvme::to_underlying(nvme::tcp_pdu_type::capsule_cmd);
        c.common.hlen = c.common.pdo = sizeof c;
        c.common.plen = sizeof c + sizeof(nvme::connect_data);
        c.sqe = nvme::make_connect_command({.subnqn = subnqn, .hostnqn = "nqn.2024-01.io.causeway:half"}, 128);
        c.sqe.sgl = nvme::sgl_descriptor::data_block(0, sizeof(nvme::connect_data), nvme::sgl_subtype::offset);
        std::array<std::byte, sizeof c + sizeof(nvme::connect_data) / 2> half{};
        std::memcpy(half.data(), &c, sizeof c);
        h.send(half);
    }
    std::deque<tcp::test::raw_host> hosts_;
};

}  // namespace

std::vector<trouble> troubles_over_tcp() {
    return {
        {"a_host_never_reads", [](neighbourhood& n) { return std::make_unique<host_that_never_reads>(n); },
         [](neighbourhood& n, const party& p) {
             return p.done() == 0 && n.as<tcp_seam>().counter("blocked_sends") >= 4;
         }},
        {"a_host_never_sends_what_it_is_asked_for",
         [](neighbourhood& n) { return std::make_unique<host_that_never_sends_data>(n); },
         [](neighbourhood& n, const party& p) { return p.done() == 0 && n.transport().pending_data_buffers(0) > 100; }},
        {"strangers_send_half_a_Connect",
         [](neighbourhood& n) { return std::make_unique<strangers_who_stop_halfway>(n); },
         [](neighbourhood& n, const party&) {
             return n.as<tcp_seam>().counter("evicting") > 10 && n.by->connections() >= 60;
         }}};
}

}  // namespace causeway::neighbours
