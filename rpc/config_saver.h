// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "core/gate.h"
#include "core/reactor_group.h"
#include "core/timer.h"
#include "rpc/saved_config.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace causeway::rpc {

/// False for methods that only answer: they have "_get_" or "_wait_" in their names. Of any other it is found out by
/// comparing whether it has changed the configuration.
bool may_change_configuration(std::string_view method) noexcept;

/// Keeps the configuration stored: each change that a client hears of with success is stored before.
///
/// Changes that come while one is being stored are stored together, so there is one write at a time, and one thread
/// that waits for the medium. What could not be stored is tried again, after 1 s and at last every 60 s.
///
/// Lives on the control reactor, outlives every task of it.
class config_saver {
  public:
    /// Stores a configuration, as it is in a configuration file, in the place of the last one: whole or not at all, and
    /// for good when it returns. Blocks.
    using store = std::function<core::result<>(const std::string& text)>;

    config_saver(core::reactor_group& group, const saved_config& config, store s);

    /// From now on the configuration is complete: what was stored before is in it, made or not yet. Until then save()
    /// waits, so that a part does not take the place of the whole.
    void begin();
    /// Ends when all that is there at this call is stored. The store's errors: it is not, and will be tried again.
    /// ECANCELED: stop().
    core::task<core::result<>> save();
    /// Nothing is stored any more, because things are closed. True: no write is under way; false: `limit` was over
    /// first. May be called again.
    core::task<bool> stop(core::nanoseconds limit);

    /// Ok, or the error of the last write.
    core::result<> check_stored() const;

  private:
    core::task<> write_until_stored();
    void arm_retry();

    core::reactor_group& group_;
    const saved_config& config_;
    const store store_;
    core::gate writes_;
    core::condition_variable progress_;
    core::timer retry_timer_;
    std::string stored_text_;      ///< what the store holds; empty: unknown
    std::uint64_t wanted_ = 0;     ///< number of save() calls
    std::uint64_t attempted_ = 0;  ///< those of them that a write has followed
    std::uint64_t stored_ = 0;     ///< those of them that are stored
    core::result<> last_;
    unsigned failures_ = 0;  ///< in a row
    bool began_ = false;
    bool stopped_ = false;
};

}  // namespace causeway::rpc
