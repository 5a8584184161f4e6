// SPDX-License-Identifier: Apache-2.0
#include "transport/loop/loop_transport.h"

#include "nvme/identify.h"
#include "nvmf/target.h"
#include "transport/loop/loop_qpair.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

namespace causeway::loop {

namespace {

using counts = loop_transport::core_counts;

/// JSON names are members of nvmf_get_stats, in its order.
constexpr core::metric rows[] = {
    {"causeway_loop_commands_total", "commands", core::metric_kind::counter, "Commands that were received.",
     offsetof(counts, commands)},
    {"causeway_loop_answers_total", "answers", core::metric_kind::counter, "Responses that were sent.",
     offsetof(counts, answers)},
    {"causeway_loop_refused_total", "refused", core::metric_kind::counter, "Commands that the target refused.",
     offsetof(counts, refused)},
    {"causeway_loop_dropped_total", "dropped", core::metric_kind::counter,
     "Commands whose connection ended before they were executed.", offsetof(counts, dropped)},
    {"causeway_loop_pending_data_buffer", "pending_data_buffer", core::metric_kind::gauge,
     "Commands that wait for a buffer.", offsetof(counts, pending)},
    {"causeway_loop_broken_rules_total", "", core::metric_kind::counter,
     "Rules of the transport seam that the target has broken.", offsetof(counts, broken)},
};
static_assert(core::lists_each_counter(rows, sizeof(counts)));
constexpr core::metric_table<counts> table{"transport", rows};

}  // namespace

core::result<std::unique_ptr<loop_transport>> loop_transport::create(nvmf::target& t, nvmf::transport_options options,
                                                                     data_path path) {
    std::unique_ptr<loop_transport> made(new loop_transport(t, options, path));
    for (std::size_t core = 0; path != data_path::borrow && core < t.group().size(); ++core) {
        auto buffers = data_buffers::create(options, path == data_path::copy_checked);
        if (!buffers)
            return tl::make_unexpected(std::move(buffers.error()));
        made->cores_.on(core).buffers.emplace(std::move(*buffers));
    }
    auto counted = t.counter_list().add({table, {{"transport", "LOOP"}, {"device", "loop"}}, t.group().size()});
    if (!counted)
        return tl::make_unexpected(std::move(counted.error()));
    made->counted_ = std::move(*counted);
    for (std::size_t core = 0; core < t.group().size(); ++core)
        made->counted_.attach<counts>(table, core, made->cores_.on(core));
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

}  // namespace causeway::loop
