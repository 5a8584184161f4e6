// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/keyring.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/model/ports.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf {

class target;
struct environment;

struct subsystem_options {
    std::string nqn;
    bool discovery = false;
    std::string serial_number{};  ///< empty: made of the NQN, the same on every gateway
    std::string model_number = "Causeway Controller";
    std::uint32_t max_namespaces = 32;
    bool allow_any_host = false;
    std::uint16_t min_cntlid = 1;
    std::uint16_t max_cntlid = 0xffef;
    std::uint32_t dmrsl = 2097152;  ///< blocks of one discard range
    std::uint8_t wzsl = 12;         ///< write zeroes size limit, 2^n x 4 KiB
    std::string admin_label;
};

struct namespace_params {
    std::string bdev_name;
    std::uint32_t nsid = 0;  ///< 0: the lowest free one
    std::optional<nvmf::nguid> nguid;
    std::optional<nvmf::eui64> eui64;
    std::optional<bdev::uuid> uuid;  ///< of the namespace; the device's own where absent
};

/// One NVM subsystem: its namespaces, the hosts that may use it, where it can be reached, and its
/// controllers. Control reactor; each core has its own table of namespaces for the data path.
///
/// Nothing here waits for a device, except the end of a removal. What an operator removes disappears at once for hosts
/// and for management clients. I/O that is still in flight ends in the background; if it hangs, it delays nothing else.
class subsystem : public std::enable_shared_from_this<subsystem> {
  public:
    subsystem(nvmf::environment& shared, subsystem_options options);
    ~subsystem();

    const subsystem_options& options() const noexcept { return options_; }
    const std::string& nqn() const noexcept { return options_.nqn; }
    bool is_discovery() const noexcept { return options_.discovery; }

    // ---- Namespaces.

    /// The nsid. ENODEV (no such device), EBUSY (claimed), EEXIST (nsid or an identifier is taken), ENOSPC,
    /// EINVAL.
    core::task<core::result<std::uint32_t>> add_namespace(namespace_params p);
    /// Hosts and namespaces() no longer have it when the task first suspends. Ends when the device's claim is
    /// released, or after a second if the device hangs: the claim is released later then. ENODEV.
    core::task<core::result<>> remove_namespace(std::uint32_t nsid);
    /// By nsid.
    const std::map<std::uint32_t, std::shared_ptr<nvm_namespace>>& namespaces() const noexcept { return namespaces_; }
    bool has_volatile_write_cache() const noexcept;
    /// There are namespaces, and the devices of all of them serve `o`.
    bool all_serve(bdev::op o) const noexcept;

    // ---- Listeners.

    /// One address of this subsystem, and what it requires from hosts.
    struct listener {
        transport_address at;
        listen_options options;
        port_lease port{};  ///< empty until the target has one for it
    };

    /// EEXIST; ENODEV (no such transport); EINVAL (not an address, no secure channel there, or others share the address
    /// and do not agree on it); and listen()'s.
    core::task<core::result<>> add_listener(transport_address at, listen_options options = {});
    /// Hosts that came in by it are sent away, and those of other listeners stay. Ends when their connections are gone
    /// and no listener at this address any more, unless other subsystems do. ENOENT; EINVAL: not an address.
    core::task<core::result<>> remove_listener(transport_address at);
    const std::vector<std::shared_ptr<listener>>& listeners() const noexcept { return listeners_; }
    /// Whether a connection that `p` has accepted came in by a listener of this subsystem. The discovery subsystem is
    /// behind every port.
    bool listens_on(const port* p) const noexcept;

    // ---- Hosts.

    /// `psk`: the key by which the host authenticates where there is a secure channel; nullptr: it cannot connect
    /// there. A host with a key must always prove it, and connections under its NQN that have not are closed. EEXIST,
    /// EINVAL.
    core::result<> add_host(std::string nqn, std::shared_ptr<const key> psk = nullptr);
    core::task<core::result<>> remove_host(std::string nqn);  ///< ENOENT; ends when its connections are gone
    core::task<> set_allow_any_host(bool allow);
    bool allow_any_host() const noexcept { return options_.allow_any_host; }
    /// Their names and pre-shared keys.
    const std::map<std::string, std::shared_ptr<const key>>& hosts() const noexcept { return hosts_; }
    bool allows(std::string_view host_nqn) const noexcept;
    /// Whether that host has a key for this subsystem, which it must prove.
    bool has_key(std::string_view host_nqn) const noexcept;

    // ---- Controllers.

    /// Those that are connected now, by cntlid.
    const std::map<std::uint16_t, std::shared_ptr<controller>>& controllers() const noexcept { return controllers_; }

    /// nullptr: no cntlid is free. For Connect.
    std::shared_ptr<controller> make_controller(transport& fabric, core::reactor& admin_queue, std::string host_nqn,
                                                const std::array<std::uint8_t, 16>& host_id, host_identity proved);
    bool closing() const noexcept { return closing_; }

    nvmf::environment& environment() const noexcept { return environment_; }
    /// This core's, which `on_core` indexes.
    const namespace_table& table(std::size_t on_core) const noexcept { return tables_.on(on_core); }

  private:
    friend class target;
    friend class controller;
    friend class nvm_namespace;

    core::result<nvm_namespace::identity> identify_namespace(const namespace_params& p, const bdev::device& d) const;
    core::result<> check_identifiers(const nvm_namespace::identity& id, const bdev::device& d) const;
    std::uint32_t free_nsid() const noexcept;
    std::shared_ptr<nvm_namespace> begin_removal(std::uint32_t nsid);
    core::task<> tear_down_namespace(std::shared_ptr<nvm_namespace> ns);
    core::task<> wait_for_removals(std::vector<std::shared_ptr<nvm_namespace>> going) const;
    void namespace_changed(std::uint32_t nsid);
    void health_changed();

    void remove_controller(const controller& c);
    /// Ends the controllers that `which` picks, and waits until their connections are gone.
    template <class Which>
    core::task<> end_controllers(Which which, disconnect_reason why);
    core::task<> close(disconnect_reason why);

    nvmf::environment& environment_;
    subsystem_options options_;
    std::map<std::uint32_t, std::shared_ptr<nvm_namespace>> namespaces_;
    core::per_core<namespace_table> tables_;
    std::vector<std::shared_ptr<listener>> listeners_;
    std::map<std::string, std::shared_ptr<const key>> hosts_;
    std::map<std::uint16_t, std::shared_ptr<controller>> controllers_;
    std::uint16_t next_cntlid_ = 0;
    bool closing_ = false;
};

}  // namespace causeway::nvmf
