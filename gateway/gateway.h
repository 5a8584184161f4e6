// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "bdev_nvme/controllers.h"
#include "bdev_rbd/disks.h"
#include "ceph/clusters.h"
#include "core/blocking_pool.h"
#include "core/event.h"
#include "core/lcore_runner.h"
#include "core/placement.h"
#include "core/reactor_group.h"
#include "core/timer.h"
#include "gateway/options.h"
#include "gateway/service_manager.h"
#include "gateway/signals.h"
#include "gateway/state_file.h"
#include "metrics/collect.h"
#include "metrics/server.h"
#include "net/unix_listener.h"
#include "rpc/bdev_nvme_service.h"
#include "rpc/bdev_rbd_service.h"
#include "rpc/bdev_service.h"
#include "rpc/config_replay.h"
#include "rpc/config_saver.h"
#include "rpc/nvmf_service.h"
#include "rpc/server.h"

#include <memory>
#include <optional>
#include <vector>

namespace causeway::gateway {

/// Everything that a gateway is made of, put together. Made and destroyed on the main thread, which runs the control
/// reactor in between.
class gateway {
  public:
    /// What it begins with.
    struct beginning {
        std::vector<rpc::config_call> calls;
        std::string source;                 ///< where the calls come from; empty: there are none
        std::optional<state_folder> state;  ///< where changes are stored
    };
    /// `spare_cpus`: where threads that may block run; empty: anywhere.
    gateway(const options& o, const core::environment& env, std::vector<unsigned> spare_cpus, net::unix_listener socket,
            beginning b);
    gateway(const gateway&) = delete;
    gateway& operator=(const gateway&) = delete;
    ~gateway();

    /// How the process ends.
    enum class outcome : int {
        complete = 0,
        not_started = 1,  ///< stderr says why
        incomplete = 3,   ///< calls of the configuration that had failed were still failing when it was asked to end
    };
    /// Returns when the gateway has been asked to end and everything is closed.
    outcome run();

  private:
    void add_methods();
    void keep_state();
    core::result<> check_complete() const;
    std::string status_line() const;
    core::task<> start_up();
    core::task<core::result<>> serve_metrics();
    metrics::sources sources_of_metrics();
    core::task<core::result<>> initialize();
    core::task<> close();
    core::task<> close_devices(core::timer& limit);
    core::task<> cancel_calls();
    core::task<bool> end_of_calls(core::nanoseconds limit);
    [[noreturn]] void leave(std::string_view why);
    static void tell_refusal(const std::string& why);

    const options options_;
    std::optional<net::unix_listener> socket_;  ///< until the server has it
    beginning beginning_;

    core::tsc_clock clock_;
    core::blocking_pool blocking_;         ///< for what is bound to end
    core::blocking_pool cluster_threads_;  ///< for what waits for Ceph clusters, which may never answer
    core::blocking_pool file_threads_;     ///< for reservation files, whose file systems may not answer either
    core::reactor_group group_;
    core::lcore_runner runner_;

    core::placement homes_;
    bdev::registry devices_;
    core::counter_registration counted_reactors_;
    ceph::clusters clusters_;
    bdev_rbd::disks disks_;
    const std::unique_ptr<bdev_nvme::bus> pci_;
    bdev_nvme::controllers nvme_controllers_{devices_, *pci_};
    rpc::nvmf_service nvmf_;

    rpc::device_kinds kinds_;
    rpc::bdev_service bdev_{devices_, homes_, kinds_};
    rpc::bdev_rbd_service bdev_rbd_{disks_, clusters_};
    rpc::bdev_nvme_service bdev_nvme_{nvme_controllers_, group_};
    rpc::saved_config config_;
    rpc::method_table methods_;
    rpc::lifecycle cycle_;
    rpc::dispatcher dispatcher_;
    rpc::config_replay replay_;
    std::optional<rpc::config_saver> saver_;
    std::unique_ptr<rpc::server> server_;
    const metrics::sources metrics_sources_;
    std::unique_ptr<metrics::server> metrics_;
    std::optional<end_request> end_request_;
    std::optional<service_manager> service_manager_;

    core::event started_;
    bool closing_ = false;
    outcome outcome_ = outcome::complete;
};

}  // namespace causeway::gateway
