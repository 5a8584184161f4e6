// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "core/counter_registry.h"
#include "core/reactor_group.h"
#include "nvmf/transport.h"
#include "transport/loop/data_buffers.h"
#include "transport/loop/link.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace causeway::loop {

/// How data moves between host and target.
enum class data_path : std::uint8_t {
    borrow,        ///< the target works in the host's own memory
    copy,          ///< through buffers of the target's core, as fabrics do that have no access to the host's memory
    copy_checked,  ///< likewise, and use of a released buffer is detected
};

/// A fabric without a network: hosts in the same process, commands and answers as messages between reactors. What
/// tests, simulations and benchmarks reach a target through.
class loop_transport final : public nvmf::transport {
  public:
    /// ENOMEM.
    static core::result<std::unique_ptr<loop_transport>> create(nvmf::target& t, nvmf::transport_options options = {},
                                                                data_path path = data_path::borrow);
    ~loop_transport() override;

    std::string_view trtype() const noexcept override { return "LOOP"; }
    const nvmf::transport_options& options() const noexcept override { return options_; }
    core::task<core::result<>> listen(std::shared_ptr<const nvmf::port> at) override;
    core::task<> stop_listening(std::shared_ptr<const nvmf::port> at) override;
    core::task<> stop() override;
    std::uint64_t pending_data_buffers(std::size_t core) const override { return core_(core).pending.get(); }
    std::uint32_t sgls() const noexcept override;
    std::uint8_t msdbd() const noexcept override { return 1; }

    nvmf::target& target() const noexcept { return target_; }
    data_path path() const noexcept { return path_; }

    /// Control reactor: called when the target holds nothing of a connection any more. For tests.
    std::function<void(std::uint64_t number)> on_connection_gone;
    /// Control reactor: where it listens.
    const std::vector<std::shared_ptr<const nvmf::port>>& ports() const noexcept { return ports_; }
    /// Control reactor: connections that exist, those that are parting included.
    std::size_t connections() const noexcept { return links_.size(); }

    // What the two ends of a link call.

    /// Control reactor. ECONNREFUSED: no listener at this address. EINVAL: deeper than the transport allows.
    core::result<link*> make_link(host_end& host, core::reactor& host_home, const nvmf::transport_address& at,
                                  std::uint16_t qid, std::uint16_t entries);
    void remove_link(link& l) noexcept;

    /// What a core counts. Written by that core, read by any thread.
    struct core_counts {
        core::counter pending;  ///< commands that wait for a buffer
        core::counter commands, answers, refused, dropped;
        core::counter broken;  ///< rules of the seam that the target has broken: answered twice, or unasked
    };
    /// What a core has. Touched by that core.
    struct core_state : core_counts {
        std::optional<data_buffers> buffers;
        loop_qpair* qpairs = nullptr;
        bool stopping = false;  ///< a connection that only now comes here is closed
    };
    core_state& local() noexcept { return cores_.local(); }
    /// While the core does not run.
    core_state& on(std::size_t core) noexcept { return cores_.on(core); }

  private:
    loop_transport(nvmf::target& t, nvmf::transport_options options, data_path path);
    const core_state& core_(std::size_t i) const noexcept { return cores_.on(i); }

    nvmf::target& target_;
    const nvmf::transport_options options_;
    const data_path path_;
    std::vector<std::shared_ptr<const nvmf::port>> ports_;
    std::vector<std::unique_ptr<link>> links_;
    core::condition_variable link_gone_;
    std::uint64_t links_made_ = 0;
    core::per_core<core_state> cores_;
    core::counter_registration counted_;
};

}  // namespace causeway::loop
