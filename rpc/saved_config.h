// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <optional>
#include <string_view>
#include <vector>

namespace causeway::rpc {

/// What comes first when a configuration is replayed.
enum class config_phase : std::uint8_t {
    settings,  ///< options and limits
    modules,   ///< transports; registered clusters
    objects,   ///< devices; subsystems with their hosts, namespaces and listeners
    policies,  ///< what is laid upon objects: quality of service
    unmade,    ///< what the configuration asked for and could not be made
};

/// The calls that bring back what is there now, by subsystem ("bdev", "nvmf"): what framework_get_subsystems and
/// framework_get_config answer. Each group of methods adds the writer of what it can make. Control reactor.
class saved_config {
  public:
    using writer = std::function<void(json& calls)>;

    /// In the order in which a configuration is replayed.
    void add_subsystem(std::string_view name, std::vector<std::string_view> depends_on);
    /// REQUIRES: the subsystem is there.
    void add_writer(std::string_view subsystem, config_phase phase, writer w);

    struct section {
        std::string_view name;
        std::vector<std::string_view> depends_on;
        std::vector<std::pair<config_phase, writer>> writers;
    };
    const std::vector<section>& sections() const noexcept { return sections_; }
    /// nullopt: no such subsystem. Null: it has nothing to say, ever.
    std::optional<json> of(std::string_view subsystem) const;
    /// All of them, as a configuration file has them: {"subsystems": [{"subsystem": …, "config": […]}]}.
    json all() const;

    /// {"method": …, "params": …}
    static json call(std::string_view method, json params);

  private:
    std::vector<section> sections_;
};

}  // namespace causeway::rpc
