#pragma once

#include "nvmf/transport.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace causeway::nvmf {

class name_space;
class target;

struct subsystem_options {
    std::string nqn;
    bool discovery = false;
    std::string serial_number = "00000000000000000000";
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
    std::optional<std::array<std::uint8_t, 16>> nguid;
    std::optional<std::array<std::uint8_t, 8>> eui64;
    std::optional<bdev::uuid> uuid;  ///< of the namespace; the device's own where absent
};

/// One NVM subsystem: its namespaces, the hosts that may use it, where it can be reached, and its controllers.
/// Control reactor; each core has its own table of namespaces for the data path.
class subsystem {
  public:
    subsystem(target& t, subsystem_options options);
    ~subsystem();

    const subsystem_options& options() const noexcept { return options_; }
    const std::string& nqn() const noexcept { return options_.nqn; }
    bool is_discovery() const noexcept { return options_.discovery; }

    core::task<core::result<std::uint32_t>> add_namespace(namespace_params p);  ///< the nsid
    core::task<core::result<>> remove_namespace(std::uint32_t nsid);            ///< ENODEV
    /// By nsid.
    const std::map<std::uint32_t, std::unique_ptr<name_space>>& namespaces() const noexcept { return namespaces_; }

    core::task<core::result<>> add_listener(transport_address at);     ///< EEXIST, ENODEV (no such transport), listen()'s
    core::task<core::result<>> remove_listener(transport_address at);  ///< ENOENT
    const std::vector<transport_address>& listeners() const noexcept { return listeners_; }

    core::result<> add_host(std::string nqn);                      ///< EEXIST, EINVAL
    core::task<core::result<>> remove_host(std::string nqn);       ///< ENOENT; ends when its connections are gone
    core::task<> set_allow_any_host(bool allow);
    bool allow_any_host() const noexcept { return options_.allow_any_host; }
    const std::set<std::string>& hosts() const noexcept { return hosts_; }
    bool allows(std::string_view host_nqn) const noexcept;

    /// Those that are connected now, by cntlid.
    const std::map<std::uint16_t, std::shared_ptr<controller>>& controllers() const noexcept { return controllers_; }

    target& owner() const noexcept { return target_; }

  private:
    friend class target;
    friend class controller;
    target& target_;
    subsystem_options options_;
    std::map<std::uint32_t, std::unique_ptr<name_space>> namespaces_;
    std::vector<transport_address> listeners_;
    std::set<std::string> hosts_;
    std::map<std::uint16_t, std::shared_ptr<controller>> controllers_;
    std::uint16_t next_cntlid_ = 0;
};

}  // namespace causeway::nvmf
