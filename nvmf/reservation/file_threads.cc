// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/file_threads.h"

#include "core/bulkhead.h"
#include "core/log.h"
#include "core/timer.h"

#include <map>
#include <mutex>
#include <optional>
#include <set>

namespace causeway::nvmf::reservation {

/// Any thread. Calls keep it: a file system may answer when the gateway is almost gone.
struct file_threads::state {
    explicit state(core::blocking_executor& t) : threads(t) {}

    core::blocking_executor& threads;
    std::mutex mutex;
    std::set<std::string> busy;                     ///< files of which a call is under way
    std::map<std::string, core::bulkhead> folders;  ///< kept: one that was given up still counts there
};

struct file_threads::call {
    call(std::shared_ptr<state> s, std::string p) : of(std::move(s)), path(std::move(p)) {}

    /// False: it was given up before a thread was free, and never runs.
    bool begin() {
        const std::lock_guard lock(of->mutex);
        return began = !answered;
    }
    void end() {
        std::unique_lock lock(of->mutex);
        of->busy.erase(path);
        if (!std::exchange(answered, true)) {
            lock.unlock();
            done.set(true);
            return;
        }
        lock.unlock();
        core::log::notice("{}: the call for this reservation file that was given up has returned", path);
    }
    void give_up() {
        std::unique_lock lock(of->mutex);
        if (std::exchange(answered, true))
            return;
        if (!began)
            of->busy.erase(path);
        lock.unlock();
        done.set(false);
    }

    const std::shared_ptr<state> of;
    const std::string path;
    core::one_shot<bool> done;
    // With the state's mutex.
    bool began = false, answered = false;
};

file_threads::file_threads(core::blocking_executor& threads) : state_(std::make_shared<state>(threads)) {}

file_threads::~file_threads() = default;

core::task<core::result<>> file_threads::run(std::string path, std::function<void()> work) {
    core::bulkhead* folder = nullptr;
    {
        const std::lock_guard lock(state_->mutex);
        if (!state_->busy.insert(path).second)
            co_return core::fail(EBUSY, "an earlier call for this file hangs: see to its file system", path);
        folder = &state_->folders.try_emplace(folder_of(path), state_->threads, max_running_of_folder).first->second;
    }
    const auto c = std::make_shared<call>(state_, path);
    folder->submit([c, work = std::move(work)] {
        if (!c->begin())
            return;
        work();
        c->end();
    });
    core::timer limit(*core::reactor::current(), [c] { c->give_up(); });
    limit.arm_after(time_limit);
    const bool done = co_await c->done;
    if (!done)
        co_return core::fail(ETIMEDOUT,
                             fmt::format("its file system has not answered within {} s: see to it",
                                         time_limit / std::chrono::seconds(1)),
                             path);
    co_return core::result<>();
}

bool file_threads::hangs(const std::string& path) const {
    const std::lock_guard lock(state_->mutex);
    return state_->busy.contains(path);
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace causeway::nvmf::reservation
