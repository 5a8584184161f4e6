// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/rdma_seam.h"
#include "tests/neighbours/troubles.h"

namespace causeway::neighbours {

namespace {

using rdma::test::host_end;

/// Posts no receives: answers wait for ever.
class host_that_takes_no_answers : public busy_host {
  public:
    explicit host_that_takes_no_answers(neighbourhood& at)
        : busy_host(at, at.host("deaf", 4), 127, {block_work(nvme::io_opcode::read, good_nsid)}) {}
    void begin() override {
        for (std::size_t i = 0; i < controller().io_queues(); ++i)
            dynamic_cast<fabric_queue_pair&>(controller().io(i)).end().takes_responses = false;
        busy_host::begin();
    }
    core::task<> leave() override { return vanish(); }
};

/// Requests connections and does not use those that are accepted; replaces the oldest by a new one.
class strangers_who_stop_halfway : public busy_task {
  public:
    using busy_task::busy_task;
    core::task<> leave() override {
        co_await busy_task::leave();
        for (host_end* end : ends_)
            end->abandon();
    }

  private:
    core::task<bool> once() override {
        if (ends_.size() == 60) {
            ends_.front()->abandon();
            ends_.pop_front();
        }
        auto& seam = at_.as<rdma_seam>();
        host_end* const end = seam.connector().request({.depth = 127}, address);
        if (!end)
            co_return false;
        ends_.push_back(end);
        end->says_established = false;
        while (end->is == host_end::state::requesting)
            co_await core::yield();
        co_return end->is == host_end::state::accepted;
    }
    static constexpr std::uint32_t address = 0x0a020001;  // 10.2.0.1
    std::deque<host_end*> ends_;
};

}  // namespace

std::vector<trouble> troubles_over_rdma() {
    return {
        {"a_host_takes_no_answers", [](neighbourhood& n) { return std::make_unique<host_that_takes_no_answers>(n); },
         [](neighbourhood& n, const party& p) { return p.done() == 0 && n.transport().pending_data_buffers(0) > 100; }},
        {"strangers_never_take_up_their_connections",
         [](neighbourhood& n) { return std::make_unique<strangers_who_stop_halfway>(n); },
         [](neighbourhood& n, const party& p) { return p.done() > 10 && n.by->connections() > 10; }}};
}

}  // namespace causeway::neighbours
