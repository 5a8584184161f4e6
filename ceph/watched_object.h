// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/client.h"
#include "core/async_mutex.h"
#include "core/task.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace causeway::ceph {

/// An object whose entries (its omap) several clients change by compare-and-set, and by which they send each other
/// messages.
///
/// Control reactor. Nothing here blocks it; what no OSD, or no monitor, answers within `call_limit` ends with
/// ETIMEDOUT, and may still have an effect. The last reference may go on any thread: what is left of it is destroyed
/// where that may block.
class watched_object : public std::enable_shared_from_this<watched_object> {
  public:
    using entries = std::map<std::string, std::string>;

    static constexpr core::nanoseconds call_limit = std::chrono::seconds(10);

    struct location {
        std::int64_t pool = 0;
        std::string rados_namespace;
        std::string name;
    };
    /// If `if_equal` is not empty: only if that entry has that value, "" where there is none.
    struct update {
        std::pair<std::string, std::string> if_equal;
        entries set;
        std::vector<std::string> remove;
    };
    /// Who is called when a message has come. On the control reactor.
    class observer {
      public:
        virtual ~observer() = default;
        virtual void notified(std::uint64_t id, std::string text) = 0;  ///< to be answered by acknowledge()
        virtual void watch_lost() = 0;
    };

    /// The pool's errors.
    static core::task<core::result<std::shared_ptr<watched_object>>> open(core::reactor_group& group,
                                                                          std::shared_ptr<client> c, location where);
    ~watched_object();
    watched_object(const watched_object&) = delete;

    const client& owner() const noexcept { return *client_; }

    /// Makes the object where there is none. What is sent after its end is heard of, until the watch is lost.
    core::task<core::result<>> watch(observer& o);
    /// ENOENT: there is no object.
    core::task<core::result<entries>> read();
    /// ESTALE: the entry is not equal.
    core::task<core::result<>> write(update u);
    /// Ends when all who watch have acknowledged, or `limit` is over by the OSD's clock: their answers.
    core::task<core::result<std::vector<std::string>>> notify(std::string text, std::chrono::milliseconds limit);
    void acknowledge(std::uint64_t id, std::string reply);
    /// Puts those clients on the blocklist, and ends when the own client has the map that says so. EBUSY: an earlier
    /// call hangs.
    core::task<core::result<>> blocklist(std::vector<std::string> addresses, std::chrono::seconds lasts);
    /// EBUSY: likewise.
    core::task<core::result<>> wait_for_latest_map();
    /// The observer is not called any more.
    void close() noexcept { observer_ = nullptr; }

  private:
    struct call;
    struct calls;
    struct read_call;
    struct write_call;
    struct watch_call;
    struct notify_call;
    struct event;

    watched_object(core::reactor_group& group, std::shared_ptr<client> c, location where);
    template <class Start>
    core::task<int> run(std::shared_ptr<call> c, core::nanoseconds limit, Start start);
    core::error failure(int result, const char* what) const;
    core::task<core::result<>> ask_monitors(std::string what, std::function<core::result<bool>()> work);
    void handle(event& e);

    static void ended(rados_completion_t c, void* arg) noexcept;
    static void notified(void* arg, std::uint64_t notify, std::uint64_t watch, std::uint64_t, void* data,
                         std::size_t length);
    static void lost(void* arg, std::uint64_t watch, int error);

    core::reactor_group& group_;
    const std::shared_ptr<client> client_;
    const location where_;
    rados_ioctx_t io_ = nullptr;
    const std::shared_ptr<calls> calls_;
    observer* observer_ = nullptr;
    core::async_mutex watching_;
    std::uint64_t watch_ = 0;               ///< the one that holds; 0: none
    std::set<std::uint64_t> lost_watches_;  ///< since watch() has begun to make one
    struct received {
        std::uint64_t notify, watch;
    };
    std::map<std::uint64_t, received> received_;  ///< and not acknowledged
    /// Of all objects: what was received by one is not acknowledged by the object that replaces it.
    static inline std::uint64_t next_id_ = 1;
};

}  // namespace causeway::ceph
