// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"

#include <functional>
#include <memory>
#include <string>

namespace causeway::nvmf::reservation {

/// The threads on which reservation files are read and written. A file system may never answer (NFS, whose server is
/// gone), and the call cannot be stopped. So a call is given up after a while, a file has one call at a time, and the
/// files of one folder hold a bounded number of threads: another folder's do not wait for them.
class file_threads {
  public:
    /// Hosts of Linux give a command 30 s.
    static constexpr core::nanoseconds time_limit = std::chrono::seconds(10);
    static constexpr unsigned max_running_of_folder = 8;

    /// `threads` outlives all calls, those too that were given up.
    explicit file_threads(core::blocking_executor& threads);
    ~file_threads();

    /// Runs `work` on a thread. ETIMEDOUT: it is given up; if it had begun it goes on, and may still have its effect.
    /// EBUSY: an earlier call for this file, which was given up, has not returned. `work` owns what it uses. On a
    /// reactor.
    core::task<core::result<>> run(std::string path, std::function<void()> work);
    /// A call for this file was given up and has not returned. What it has written can be read when this is false.
    bool hangs(const std::string& path) const;

  private:
    struct call;
    struct state;
    const std::shared_ptr<state> state_;
};

/// "/etc/causeway" of "/etc/causeway/vm17.json".
std::string folder_of(const std::string& path);

}  // namespace causeway::nvmf::reservation
