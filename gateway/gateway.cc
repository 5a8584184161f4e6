// SPDX-License-Identifier: Apache-2.0
#include "gateway/gateway.h"

#include "bdev_nvme/pci_bus.h"
#include "core/log.h"
#include "core/reactor_counters.h"
#include "gateway/descriptors.h"
#include "gateway/reservation_stores.h"
#include "rpc/framework_methods.h"
#include "rpc/housekeeping_methods.h"
#include "rpc/log_methods.h"
#include "rpc/notify_methods.h"
#include "rpc/reactor_methods.h"
#include "transport/rdma/rdma_transport.h"
#include "transport/tcp/tcp_transport.h"

#include <fmt/format.h>
#include <future>
#include <limits.h>
#include <unistd.h>

namespace causeway::gateway {

namespace {

using namespace std::chrono_literals;

// How long calls that run get to end, first while everything is still there, then after devices have been closed; and
// then what blocks, which a cluster that does not answer may do for half a minute.
constexpr auto grace = 2s;
constexpr auto last_grace = 3s;
constexpr auto blocking_grace = 3s;
// How long disconnecting hosts, and closing the next device, may take. A cluster that does not answer keeps an image
// open for ever.
constexpr auto closing_limit = 20s;
// Each cluster is bounded on its own (ceph::cluster_threads): this is for the sum of some dozens that hang at once.
constexpr unsigned max_cluster_threads = 1024;
// Each folder is bounded on its own (nvmf::reservation::file_threads): likewise.
constexpr unsigned max_file_threads = 256;

core::reactor_options reactor_options(const options& o) {
    core::reactor_options r;
    r.busy_poll_window = std::chrono::microseconds(o.busy_poll_us);
    r.never_sleep = o.never_sleep;
    return r;
}

/// What is left of the machine's bus with -u.
class no_bus final : public bdev_nvme::bus {
  public:
    core::result<std::unique_ptr<bdev_nvme::function>> open(const std::string& address) override {
        return core::fail(ENOTSUP, "the gateway was started without PCI (-u)", address);
    }
    std::vector<std::string> present() override { return {}; }
    core::result<std::string> normalized(const std::string& address) override { return address; }
};

common::connection_limits connection_limits() {
    const std::size_t descriptors = raise_descriptor_limit();
    const common::connection_limits limits = host_connection_limits(descriptors);
    if (limits.total < common::connection_limits().total)
        core::log::notice("hosts may have {} TCP connections, half of this process's descriptors: raise its hard limit "
                          "(ulimit -Hn, systemd's LimitNOFILE) for more",
                          limits.total);
    return limits;
}

std::unique_ptr<bdev_nvme::bus> make_bus(const options& o) {
    if (o.no_pci)
        return std::make_unique<no_bus>();
    return std::make_unique<bdev_nvme::pci_bus>();
}

/// Without one the gateway works as well; only after its death do hosts wait longer.
std::shared_ptr<ceph::client_file> open_client_file(const std::string& rpc_socket) {
    auto file = ceph::client_file::open(rpc_socket + ".clients");
    if (file)
        return *file;
    core::log::warning("{}: dead predecessors are not fenced, and this gateway will not be fenced if it dies",
                       file.error().text());
    return nullptr;
}

}  // namespace

gateway::gateway(const options& o, const core::environment& env, std::vector<unsigned> spare_cpus,
                 net::unix_listener socket, beginning b)
    : options_(o), socket_(std::move(socket)), beginning_(std::move(b)), blocking_(spare_cpus),
      cluster_threads_(spare_cpus, max_cluster_threads), file_threads_(std::move(spare_cpus), max_file_threads),
      group_(env.cpus(), clock_, blocking_, reactor_options(o)), runner_(env, group_), homes_(group_, o.placement),
      devices_(group_), clusters_(group_, cluster_threads_, open_client_file(o.rpc_socket)),
      disks_(devices_, clusters_, homes_), pci_(make_bus(o)), cycle_([this] { return initialize(); }),
      dispatcher_(group_.control(), methods_, cycle_), replay_(group_.control(), methods_, dispatcher_, cycle_),
      metrics_sources_(sources_of_metrics()) {
    if (auto listed = core::register_reactors(devices_.counter_list(), group_))
        counted_reactors_ = std::move(*listed);
    add_methods();
    cycle_.set_readiness([this] { return check_complete(); });
    dispatcher_.observe(&replay_);
    if (beginning_.state)
        keep_state();
}

gateway::~gateway() = default;

metrics::sources gateway::sources_of_metrics() {
    char name[HOST_NAME_MAX + 1] = "";
    ::gethostname(name, sizeof name - 1);
    return {.devices = devices_,
            .image_of = [this](const bdev::device& d) { return disks_.params_of(d); },
            .target = nvmf_.target,
            .host_name = name,
            .failed_calls = [this] { return replay_.failed_count(); },
            .configuration_is_stored = [this] { return !saver_ || saver_->check_stored(); }};
}

void gateway::add_methods() {
    rpc::add_subsystems(config_);
    if (options_.fenced_images_stay_offline)
        bdev_rbd_.on_fenced = ceph::fence_policy::offline;
    if (options_.mirror_port)
        nvmf_.mirrors.enable(*options_.mirror_port);
    nvmf_.transport_kinds = {rdma_transport_kind(), tcp_transport_kind(connection_limits())};

    rpc::add_framework_methods(methods_, cycle_, config_);
    rpc::add_reactor_methods(methods_, group_, devices_);
    rpc::add_log_methods(methods_);
    rpc::add_notify_methods(methods_);
    rpc::add_bdev_methods(methods_, config_, bdev_);
    rpc::add_bdev_rbd_methods(methods_, config_, kinds_, bdev_rbd_);
    rpc::add_bdev_nvme_methods(methods_, config_, kinds_, bdev_nvme_);
    rpc::add_nvmf_methods(methods_, config_, nvmf_);
    rpc::add_housekeeping_methods(methods_);
    rpc::add_failed_config_methods(methods_, config_, replay_);
}

void gateway::keep_state() {
    saver_.emplace(group_, config_,
                   [file = beginning_.state->file()](const std::string& text) { return file.store(text); });
    dispatcher_.save_with(*saver_);
    replay_.when_listed([this] { saver_->begin(); });
}

/// Whether all of the configuration is made, and stored.
core::result<> gateway::check_complete() const {
    if (const auto made = replay_.check_complete(); !made || !saver_)
        return made;
    return saver_->check_stored();
}

gateway::outcome gateway::run() {
    group_.control().execute([this] { core::detach(start_up()); });
    runner_.run();
    const auto stopped = std::async(std::launch::async, [this] {
        blocking_.stop();
        cluster_threads_.stop();
        file_threads_.stop();
    });
    if (stopped.wait_for(blocking_grace) != std::future_status::ready)
        leave("blocking work has not finished");
    return outcome_;
}

/// What is left behind keeps pointers to all of this. Rather than pull it from under it, the process ends around it.
void gateway::leave(std::string_view why) {
    core::log::warning("{}; exiting without waiting for it", why);
    server_.reset();
    core::log::flush();
    ::_exit(static_cast<int>(outcome_));
}

core::task<core::result<>> gateway::initialize() {
    nvmf_.options.reservation_stores = [files = std::make_shared<nvmf::reservation::file_threads>(file_threads_)](
                                           core::reactor_group& group, bdev::device& device, const std::string& file) {
        return make_reservation_store(group, files, device, file);
    };
    nvmf_.target = std::make_unique<nvmf::target>(homes_, devices_, nvmf_.options);
    co_return core::result<>{};
}

/// As main() does where the start ends earlier: a collector of JSON gets nothing else.
void gateway::tell_refusal(const std::string& why) {
    if (core::log::get_format() == core::log::format::json)
        core::log::error("{}", why);
    else
        fmt::print(stderr, "causewayd: {}\n", why);
}

/// On a plain thread, whose CPUs the threads of the HTTP server share.
core::task<core::result<>> gateway::serve_metrics() {
    if (options_.metrics_address.empty())
        co_return core::result<>{};
    auto made = co_await core::run_blocking(group_, [this] {
        return metrics::server::listen(options_.metrics_address, group_.control(),
                                       [this] { return metrics::collect(metrics_sources_); });
    });
    if (!made)
        co_return tl::make_unexpected(made.error());
    metrics_ = std::move(*made);
    core::log::notice("metrics at http://{}/metrics", options_.metrics_address);
    co_return core::result<>{};
}

core::task<> gateway::start_up() {
    end_request_.emplace(group_.control(), [this] { core::detach(close()); });
    service_manager_.emplace(group_.control(), [this] { return status_line(); });
    server_ = std::make_unique<rpc::server>(group_.control(), dispatcher_, std::move(*socket_));
    socket_.reset();
    core::log::notice("causewayd {}: JSON-RPC at {}", CAUSEWAY_VERSION, server_->path());
    if (const auto serving = co_await serve_metrics(); !serving) {
        outcome_ = outcome::not_started;
        tell_refusal("--metrics: " + serving.error().text());
        core::detach(close());
    } else if (!options_.wait_for_rpc) {
        cycle_.hold();
        const auto policy =
            options_.strict_config ? rpc::config_replay::on_failure::end : rpc::config_replay::on_failure::keep_trying;
        const auto replayed = co_await replay_.run(std::move(beginning_.calls), policy);
        cycle_.release();
        if (!replayed && !closing_) {
            outcome_ = outcome::not_started;
            tell_refusal(fmt::format("{}: {}", beginning_.source, replayed.error().text()));
            core::detach(close());
        } else if (const auto complete = replay_.check_complete(); !complete) {
            core::log::warning("{}: {}", beginning_.source, complete.error().text());
        }
    }
    if (!closing_)
        service_manager_->ready();
    started_.set();
}

std::string gateway::status_line() const {
    if (cycle_.now() == rpc::state::startup)
        return "starting";
    const auto complete = check_complete();
    return complete ? fmt::format("{} devices, {} subsystems", devices_.all().size(), nvmf_.target->subsystems().size())
                    : complete.error().text();
}

core::task<> gateway::close() {
    if (std::exchange(closing_, true))
        co_return;
    service_manager_->stopping();
    if (outcome_ == outcome::complete && !replay_.check_complete())
        outcome_ = outcome::incomplete;
    dispatcher_.close();
    replay_.stop();
    cycle_.abandon();
    co_await server_->stop(grace);
    if (saver_)  // what is closed now is not removed from the configuration
        co_await saver_->stop(grace);
    co_await cancel_calls();
    co_await core::run_blocking(group_, [this] { metrics_.reset(); });
    core::timer limit(group_.control(), [this] { leave("devices or connections that are still open do not close"); });
    limit.arm_after(closing_limit);
    co_await nvmf_.mirrors.stop();
    if (nvmf_.target)
        co_await nvmf_.target->shutdown();
    co_await close_devices(limit);
    limit.cancel();
    const bool all_ended = co_await end_of_calls(last_grace);
    if (!all_ended)
        leave(fmt::format("{} RPC calls have not finished", dispatcher_.running()));
    if (saver_) {
        const bool stored = co_await saver_->stop(last_grace);
        if (!stored)
            leave("the configuration is still being stored");
    }
    server_.reset();
    end_request_.reset();
    service_manager_.reset();
    runner_.stop();
}

/// Calls that wait for a cluster are cancelled, so that none creates a device after close_devices().
core::task<> gateway::cancel_calls() {
    disks_.cancel_openings();
    for (const auto& c : clusters_.all())
        if (!c.connected)
            co_await clusters_.remove(c.name);
    co_await end_of_calls(last_grace);
}

core::task<> gateway::close_devices(core::timer& limit) {
    limit.arm_after(closing_limit);
    co_await disks_.stop();  // what is being opened now is closed below, or on its thread
    limit.arm_after(closing_limit);
    co_await nvme_controllers_.close(&limit,
                                     closing_limit);  // with their devices: no hot plug brings one back meanwhile
    while (!devices_.all().empty()) {
        limit.arm_after(closing_limit);
        co_await devices_.remove(devices_.all().back()->name());
    }
    for (const auto& c : clusters_.all()) {
        limit.arm_after(closing_limit);
        co_await clusters_.remove(c.name);
    }
}

/// Those of the start, too. False: `limit` was over first.
core::task<bool> gateway::end_of_calls(core::nanoseconds limit) {
    const auto end = clock_.now() + clock_.to_ticks(limit);
    const bool started = co_await started_.wait_for(limit);
    const auto now = clock_.now();
    const bool ended = co_await dispatcher_.calls_ended(clock_.to_nanoseconds(end - std::min(now, end)));
    co_return started&& ended;
}

}  // namespace causeway::gateway
