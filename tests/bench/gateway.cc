// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/gateway.h"

#include "nvmf/model/subsystem.h"

#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>

namespace causeway::bench {

namespace {

const std::string nqn = "nqn.2024-01.io.causeway:bench";
const nvmf::transport_address address{"LOOP", "", "here", "4420"};

core::environment start(const std::string& lcores) {
    core::environment_options o;
    o.lcores = lcores;
    o.no_huge = true;
    o.name = "bench";
    return need(core::environment::start(o));
}

}  // namespace

void give_up(const std::string& about) {
    std::fprintf(stderr, "%s\n", about.c_str());
    std::exit(1);
}

double cpu_seconds() {
    rusage u{};
    ::getrusage(RUSAGE_SELF, &u);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(u.ru_utime) + seconds(u.ru_stime);
}

gateway::gateway(const std::string& lcores, core::reactor_options options) : environment_(start(lcores)) {
    group_ = std::make_unique<core::reactor_group>(environment_.cpus(), clock_, blocking_, options);
    runner_ = std::make_unique<core::lcore_runner>(environment_, *group_);
    devices_ = std::make_unique<bdev::registry>(*group_);
    homes_ = std::make_unique<core::placement>(*group_);
    target_ = std::make_unique<nvmf::target>(*homes_, *devices_);
    auto loop = need(loop::loop_transport::create(*target_));
    transport_ = loop.get();
    need(target_->add_transport(std::move(loop)));
}

gateway::~gateway() = default;

core::task<> gateway::build() {
    nvmf::subsystem_options o;
    o.nqn = nqn;
    o.allow_any_host = true;
    auto made = co_await target_->create_subsystem(o);
    auto* const s = need(std::move(made));
    auto listening = co_await s->listeners().add(address);
    need(std::move(listening));
}

void gateway::run(core::task<> t) {
    struct whole {
        static core::task<> of(gateway& g, core::task<> t) {
            co_await core::switch_to(g.group_->control());
            if (!std::exchange(g.built_, true))
                co_await g.build();
            co_await std::move(t);
            co_await g.shut_down();
            g.runner_->stop();
        }
    };
    core::detach(whole::of(*this, std::move(t)));
    runner_->run();
}

core::task<> gateway::add(std::shared_ptr<bdev::device> d, std::uint32_t nsid) {
    const std::string name = d->name();
    if (!devices_->find(name))
        need(devices_->add(std::move(d)));
    nvmf::namespace_params p;
    p.bdev_name = name;
    p.nsid = nsid;
    auto added = co_await target_->find_subsystem(nqn)->namespaces().add(p);
    need(std::move(added));
}

core::task<> gateway::remove_namespace(std::uint32_t nsid) {
    auto removed = co_await target_->find_subsystem(nqn)->namespaces().remove(nsid);
    need(std::move(removed));
}

core::task<> gateway::remove(std::uint32_t nsid, std::string name) {
    co_await remove_namespace(nsid);
    auto gone = co_await devices_->remove(name);
    need(std::move(gone));
}

core::task<> gateway::shut_down() {
    co_await target_->shutdown();
}

loop::host_options gateway::host() const {
    loop::host_options o;
    o.at = address;
    o.subnqn = nqn;
    o.hostnqn = "nqn.2024-01.io.causeway:load";
    return o;
}

}  // namespace causeway::bench
