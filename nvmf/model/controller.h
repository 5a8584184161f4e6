// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "nvmf/model/ana_states.h"
#include "nvmf/model/async_events.h"
#include "nvmf/model/auth_exchange.h"
#include "nvmf/model/changed_namespaces.h"
#include "nvmf/model/controller_properties.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/error_log.h"
#include "nvmf/model/feature_values.h"
#include "nvmf/model/host_numbers.h"
#include "nvmf/model/keep_alive.h"
#include "nvmf/model/reservation_notices.h"
#include "nvmf/transport.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf {

class nvm_namespace;
class queue_authentication;

/// The association of one host with one subsystem: an admin queue and its I/O queues, with the state that the host
/// sets. Control reactor, but for what says otherwise.
///
/// Made by an admin queue's Connect; its subsystem lists it until that queue has gone or end() was called.
/// Queue pairs share it, so that it lives until the last of them has finished its commands.
class controller final : public std::enable_shared_from_this<controller> {
  public:
    struct identity {
        std::uint16_t cntlid = 0;
        std::string host_nqn;
        std::string subnqn;  ///< by which the host has connected: one of subsystem::nqns()
        std::array<std::uint8_t, 16> host_id{};
        host_identity proved = host_identity::unproven;  ///< by the connection of the admin queue
    };

    controller(std::shared_ptr<nvmf::subsystem> s, transport& fabric, core::reactor& admin_queue, identity id);
    ~controller();

    std::uint16_t cntlid() const noexcept { return id_.cntlid; }
    const std::string& host_nqn() const noexcept { return id_.host_nqn; }
    const std::string& subnqn() const noexcept { return id_.subnqn; }    ///< by which the host has connected
    std::uint64_t host_number() const noexcept { return host_number_; }  ///< see host_numbers; any reactor
    const std::array<std::uint8_t, 16>& host_id() const noexcept { return id_.host_id; }
    /// What its admin queue has proved of the host: its I/O queues prove the same.
    host_identity proved_identity() const noexcept { return id_.proved; }
    bool is_discovery() const noexcept { return is_discovery_; }
    nvmf::subsystem& subsystem() const noexcept { return *subsystem_; }
    transport& fabric() const noexcept { return fabric_; }
    std::uint8_t trtype() const noexcept { return trtype_; }  ///< as the discovery log spells it; any reactor

    struct authentication_view {
        auth_exchange::state state;
        std::optional<auth::auth_hash> digest;
        std::optional<auth::auth_dhgroup> dhgroup;
    };
    /// A line of nvmf_subsystem_get_qpairs.
    struct qpair_view {
        std::uint16_t qid;
        qpair::state phase;
        unsigned reactor;
        transport_address listen_address, peer_address;
        std::optional<authentication_view> authentication;  ///< nullopt: the host has not been asked for it
        bool waits_for_authentication;
    };
    std::vector<qpair_view> qpairs() const;

    // ---- Queues.

    struct queue {
        nvmf::qpair* qpair;
        std::uint16_t qid;
        qpair::state phase;
        transport_address local, peer;
        std::shared_ptr<const port> by;  ///< that accepted its connection
        std::shared_ptr<queue_authentication> auth{};
    };
    void attach(queue q);
    /// Its connection closes. A controller ends with its admin queue.
    void remove(qpair& q);
    /// None of its commands executes any more.
    void drained(std::uint16_t qid, const qpair::io_counts& counts);
    const queue* find_queue(std::uint16_t qid) const noexcept;
    /// Whether a queue of it came in by this port.
    bool came_by(const port& p) const noexcept;
    bool has_queues() const noexcept { return !queues_.empty(); }
    /// Ends when it has no queue of this number, or `limit` is over. Whether it has none.
    core::task<bool> lacks_queue(std::uint16_t qid, core::nanoseconds limit);
    /// Ends when it has no queue.
    core::task<> without_queues();
    bool has_io_queues() const noexcept { return io_queues_ != 0; }

    // ---- Authentication.

    /// From its Connect on, commands of the host wait until it has authenticated. REQUIRES: attached.
    void require_authentication(const qpair& q);
    /// nullptr: the queue pair is not attached any more, or the host has no key.
    std::shared_ptr<queue_authentication> authentication_of(const qpair& q);
    /// Its time is over.
    void close_unauthenticated(const qpair& q);

    /// Closes every queue and leaves the subsystem. More than once is fine.
    void end(disconnect_reason why);
    bool ended() const noexcept { return ended_; }

    // ---- Properties.

    nvme::cap cap() const noexcept;
    nvme::cc cc() const noexcept { return properties_.cc(); }
    nvme::csts csts() const noexcept { return properties_.csts(); }
    void set_cc(nvme::cc value);
    /// Any reactor: enabled, commands run.
    bool ready() const noexcept { return properties_.ready(); }

    // ---- Keep alive.

    void refresh_keep_alive() noexcept { keep_alive_.refresh(); }  ///< any reactor
    void traffic() noexcept { keep_alive_.traffic(); }             ///< any reactor
    /// As Connect or Set Features has it; rounded up as KAS says. It counts while the controller is enabled and not
    /// shutting down. Before and after, any command is a sign of life, and the host has time to see CAP.TO through.
    void set_kato(std::uint32_t kato_ms);
    std::uint32_t kato_ms() const noexcept { return kato_ms_; }
    keep_alive& keep_alive_timer() noexcept { return keep_alive_; }
    void on_keep_alive_timeout();

    // ---- The rest of what the host has set or may ask for.

    feature_values& features() noexcept { return features_; }
    const feature_values& features() const noexcept { return features_; }
    async_events& events() noexcept { return events_; }
    error_log& errors() noexcept { return errors_; }  ///< any reactor
    /// For a discovery controller; nullptr for others. It is released when the controller ends.
    void read_discovery_log(std::unique_ptr<discovery_log::reader> reader) { discovery_ = std::move(reader); }
    discovery_log::reader* discovery() noexcept { return discovery_.get(); }
    /// True: there was a change, which is reported to the host if it has enabled the event.
    bool notify_discovery_change();
    /// The ANA states of the listener that its admin queue came by. Before it gets its first queue.
    void read_ana_states(std::shared_ptr<ana_states> of) { ana_.emplace(std::move(of)); }
    /// nullptr: its subsystem does not report ANA. Any reactor.
    ana_reader* ana() noexcept { return ana_ ? &*ana_ : nullptr; }
    const ana_reader* ana() const noexcept { return ana_ ? &*ana_ : nullptr; }
    void namespace_changed(std::uint32_t nsid);
    void reservation_changed(const nvm_namespace& ns, nvme::reservation_notice what);
    nvmf::reservation_notices& reservation_notices() noexcept { return reservation_notices_; }
    const nvmf::changed_namespaces& changed_namespaces() const noexcept { return changed_namespaces_; }
    /// The host has read it, RAE clear: its event is armed again, and what it lists starts anew.
    void log_page_read(nvme::lid page);

    struct totals {
        std::uint64_t read_commands = 0, write_commands = 0, read_units = 0, write_units = 0;
    };
    totals io_totals() const noexcept;  ///< of all its queues, gone ones too
    std::uint64_t age_hours() const noexcept;

    unsigned aborts_running = 0;

  private:
    queue* find_queue(const nvmf::qpair& q) noexcept;
    void close(queue& q, disconnect_reason why);
    void close_io_queues(disconnect_reason why);
    void lose_state();
    void settle();
    void follow_keep_alive();
    void start_keep_alive();

    const std::shared_ptr<nvmf::subsystem> subsystem_;
    transport& fabric_;
    const identity id_;
    const host_numbers::lease host_number_lease_;
    const std::uint64_t host_number_;
    const bool is_discovery_;
    const std::uint8_t trtype_;
    const core::ticks born_;

    std::vector<queue> queues_;
    core::condition_variable queue_removed_;
    unsigned io_queues_ = 0;  ///< attached, or gone and not drained
    totals past_;             ///< of queues that are gone
    bool ended_ = false;

    controller_properties properties_;
    keep_alive keep_alive_;
    std::uint32_t kato_ms_ = 0;
    bool keep_alive_active_ = false;
    feature_values features_;
    async_events events_;
    error_log errors_;
    std::unique_ptr<discovery_log::reader> discovery_;
    std::optional<ana_reader> ana_;
    nvmf::changed_namespaces changed_namespaces_;
    nvmf::reservation_notices reservation_notices_;
};

}  // namespace causeway::nvmf
