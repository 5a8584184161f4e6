// SPDX-License-Identifier: Apache-2.0
#include "transport/loop/loop_transport.h"

#include "nvme/identify.h"
#include "nvmf/target.h"
#include "transport/loop/loop_qpair.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace causeway::loop {

core::result<std::unique_ptr<loop_transport>> loop_transport::create(nvmf::target& t, nvmf::transport_options options,
                                                                     data_path path) {
    std::unique_ptr<loop_transport> made(new loop_transport(t, options, path));
    for (std::size_t core = 0; path != data_path::borrow && core < t.group().size(); ++core) {
        auto buffers = data_buffers::create(options, path == data_path::copy_checked);
        if (!buffers)
            return tl::make_unexpected(std::move(buffers.error()));
        made->cores_.on(core).buffers.emplace(std::move(*buffers));
    }
    return made;
}

loop_transport::loop_transport(nvmf::target& t, nvmf::transport_options options, data_path path)
    : target_(t), options_(options), path_(path), cores_(t.group().size()) {}

loop_transport::~loop_transport() {
    assert(links_.empty());
}

std::uint32_t loop_transport::sgls() const noexcept {
    return nvme::sgls_supported | nvme::sgls_transport_data_block;
}

// Others have their turn meanwhile, as with sockets: code that relies on the previous state is detected.

core::task<core::result<>> loop_transport::listen(std::shared_ptr<const nvmf::port> at) {
    ports_.push_back(std::move(at));
    co_await core::yield();
    co_return core::result<>{};
}

core::task<> loop_transport::stop_listening(std::shared_ptr<const nvmf::port> at) {
    co_await core::yield();
    std::erase(ports_, at);
}

core::task<> loop_transport::stop() {
    ports_.clear();
    co_await core::for_each_reactor(target_.group(), [this](core::reactor&) {
        local().stopping = true;
        for (loop_qpair* q = local().qpairs; q; q = q->next)
            q->disconnect(nvmf::disconnect_reason::shutting_down);
    });
    co_await link_gone_.wait([this] { return links_.empty(); });
}

core::result<link*> loop_transport::make_link(host_end& host, core::reactor& host_home,
                                              const nvmf::transport_address& at, std::uint16_t qid,
                                              std::uint16_t entries) {
    const auto port = std::find_if(ports_.begin(), ports_.end(), [&](const auto& p) { return p->at == at; });
    if (port == ports_.end())
        return core::fail(ECONNREFUSED, "no listener at this address", at.text());
    const std::uint32_t most = qid ? options_.max_queue_depth : options_.max_aq_depth;
    if (entries < 2 || entries > most)
        return core::fail(EINVAL, "a queue has 2 to " + std::to_string(most) + " entries", at.text());
    links_.push_back(
        std::make_unique<link>(*this, host, host_home, target_.assign_core(qid), *port, ++links_made_, entries));
    return links_.back().get();
}

void loop_transport::remove_link(link& l) noexcept {
    if (on_connection_gone)
        on_connection_gone(l.number);
    std::erase_if(links_, [&](const auto& each) { return each.get() == &l; });
    link_gone_.notify_all();
}

std::vector<nvmf::transport::device_statistics> loop_transport::statistics(std::size_t core) const {
    const core_state& c = core_(core);
    return {{"loop",
             {{"commands", c.commands.get()},
              {"answers", c.answers.get()},
              {"refused", c.refused.get()},
              {"dropped", c.dropped.get()},
              {"pending_data_buffer", c.pending.get()}}}};
}

}  // namespace causeway::loop
