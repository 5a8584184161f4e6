// SPDX-License-Identifier: Apache-2.0
#include "host/loop/loop_connector.h"

#include "host/loop/host_queue.h"
#include "transport/loop/loop_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace causeway::host {

namespace {

class loop_queue_pair;

/// What outlives close(). Shared by the queue pair and, until it is severed, by the link: the last owner destroys it.
/// On the host's reactor.
struct connection {
    connection(loop::loop_transport& t, unsigned depth);

    /// The place of one command. Busy from submit() until the target has responded or released its memory, maybe after
    /// close().
    struct slot : loop::host_request {
        connection* of = nullptr;
        request* r = nullptr;           ///< nullptr: free, or ended by close()
        std::vector<std::byte> memory;  ///< grows to what its largest command needs
        iovec piece{};
    };

    loop::host_queue queue;
    std::vector<slot> slots;
    std::vector<slot*> free;
    loop_queue_pair* owner = nullptr;  ///< nullptr: closed
};

class loop_queue_pair final : public queue_pair {
  public:
    /// `c` is open.
    loop_queue_pair(std::shared_ptr<connection> c, unsigned depth);
    ~loop_queue_pair() override { close(); }

    bool submit(request& r) noexcept override;
    void close() noexcept override;

    // What the connection calls.
    static void answered(loop::host_request& h) noexcept;
    void over() noexcept;

  private:
    void finish(connection::slot& s, request& r) noexcept;
    void lose() noexcept {
        open_ = false;
        trouble_ = "the target has closed the connection";
    }

    const std::shared_ptr<connection> connection_;
};

connection::connection(loop::loop_transport& t, unsigned depth) : queue(t), slots(depth) {
    free.reserve(depth);
    for (slot& s : slots) {
        s.of = this;
        s.done = &loop_queue_pair::answered;
        free.push_back(&s);
    }
}

loop_queue_pair::loop_queue_pair(std::shared_ptr<connection> c, unsigned depth)
    : queue_pair(depth), connection_(std::move(c)) {
    connection_->owner = this;
    connection_->queue.on_closed = [c = connection_] {
        if (c->owner)
            c->owner->over();
    };
    open_ = true;
}

bool loop_queue_pair::submit(request& r) noexcept {
    if (!open_ || connection_->free.empty())
        return false;
    connection::slot& s = *connection_->free.back();
    const std::uint32_t bytes = r.data_bytes();
    if (s.memory.size() < bytes)
        s.memory.resize(bytes);
    if (bytes && r.direction() == nvme::data_transfer::host_to_controller)
        r.gather(s.memory.data());
    s.piece = {s.memory.data(), bytes};
    s.data = {&s.piece, bytes ? 1u : 0u};
    s.command = r.command;
    s.command.flags = static_cast<std::uint8_t>(nvme::to_underlying(nvme::psdt::sgl) << 6 | (s.command.flags & 3));
    if (bytes || s.command.opcode != nvme::fabrics_opcode)  // reserved in fabrics commands without data
        s.command.sgl = nvme::sgl_descriptor::transport_data_block(bytes);
    if (!connection_->queue.submit(s))
        return false;
    r.command.cid = s.command.cid;
    s.r = &r;
    connection_->free.pop_back();
    ++outstanding_;
    return true;
}

void loop_queue_pair::answered(loop::host_request& h) noexcept {
    auto& s = static_cast<connection::slot&>(h);
    s.of->free.push_back(&s);
    if (request* const r = std::exchange(s.r, nullptr))
        s.of->owner->finish(s, *r);
}

void loop_queue_pair::finish(connection::slot& s, request& r) noexcept {
    // The queue makes up answers before it tells that it is closed, and `done` is to see that it is.
    if (connection_->queue.phase() == loop::host_queue::state::closed)
        lose();
    r.completion = s.completion;
    if (r.status().ok() && s.moved != s.piece.iov_len)
        r.completion.set_status(nvme::sc::data_transfer_error);  // a success without the data is none
    else if (r.status().ok() && s.moved && r.direction() == nvme::data_transfer::controller_to_host)
        r.scatter(s.memory.data());
    --outstanding_;
    r.done(r);
}

void loop_queue_pair::over() noexcept {
    lose();
    if (auto tell = std::exchange(on_lost, nullptr))
        tell();
}

void loop_queue_pair::close() noexcept {
    on_lost = nullptr;
    open_ = false;
    connection_->owner = nullptr;
    connection_->queue.disconnect();
    for (connection::slot& s : connection_->slots) {
        request* const r = std::exchange(s.r, nullptr);
        if (!r)
            continue;
        r->completion = lost_completion();
        --outstanding_;
        r->done(*r);
    }
}

}  // namespace

core::task<core::result<std::unique_ptr<queue_pair>>> loop_connector::open(queue_pair_options o) {
    auto c = std::make_shared<connection>(transport_, o.depth);
    nvmf::transport_address at{"LOOP", "", address_.host, address_.service};
    const auto entries = static_cast<std::uint16_t>(std::min(o.depth + 1, 0xffffu));  // one is never used
    if (const auto opened = co_await c->queue.open(std::move(at), o.qid, entries); !opened)
        co_return core::fail(opened.error().code, opened.error().sentence, name());
    co_return std::make_unique<loop_queue_pair>(std::move(c), o.depth);
}

}  // namespace causeway::host
