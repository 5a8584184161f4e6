// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "core/reactor.h"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <rados/librados.h>
#include <string>
#include <vector>

namespace causeway::bdev_rbd {

/// Whether an image still exists. Its data does not say: an object that is gone reads as zeroes, and a write makes it
/// anew.
///
/// Nobody can remove an image that is watched, and an OSD keeps the watch of a client that it does not hear from for a
/// stated time. librbd watches what it may write, too; but it does not say how long ago an OSD has confirmed that, so a
/// gateway that was cut off would learn too late that its image was removed meanwhile.
///
/// While the watch here is confirmed, I/O is answered as it ends. Where it is not (the OSD has been silent, or the
/// user's capabilities allow no watch: to an OSD it is a write), each I/O is answered after a look that began when it
/// had ended: `rbd rm` puts an image into the trash before it touches its data, and takes the header last. A watch
/// counts from the first look under it that has found the image, for one that came after a removal had begun stops
/// nothing; one that was lost is taken again after a look that has found the image.
///
/// Making and destroying block: on plain threads only.
class existence {
  public:
    /// `id` is empty for images of the first format, which have no trash. `io` outlives this. `watch_timeout`: for how
    /// long an OSD keeps the watch of a silent client.
    existence(rados_ioctx_t io, std::string header_object, const std::string& id, std::chrono::seconds watch_timeout);
    ~existence();
    existence(const existence&) = delete;

    /// True: nobody could have removed the image until now. Any thread; does not block, and asks librados every few
    /// seconds only.
    bool certain(const core::clock& time) noexcept {
        const core::ticks now = time.now();
        return now < certain_until_.load(std::memory_order_relaxed) || is_confirmed(time, now);
    }

    /// What a look finds: 0 (the image is there), -ENOENT (removed), -ENODEV (in the trash), or why it saw nothing.
    using seen = void (*)(void* context, int result) noexcept;
    /// Looks once, and calls `done` on a thread of librados'. Any thread, one look at a time; does not block.
    void look(seen done, void* context) noexcept;

  private:
    /// Of the time for which an OSD keeps a silent client's watch: so much of it counts. The rest is margin.
    static constexpr int confirmed_quarters = 3;

    static void notified(void* arg, std::uint64_t notify, std::uint64_t watch, std::uint64_t, void*, std::size_t);
    static void lost(void* arg, std::uint64_t watch, int error);
    bool is_confirmed(const core::clock& time, core::ticks now) noexcept;
    bool holds(std::uint64_t watch) const noexcept { return watch && rados_watch_check(io_, watch) >= 0; }
    void look_now();
    void watch_again() noexcept;
    void watched_again(int result) noexcept;
    void check_trash() noexcept;
    void check_header() noexcept;
    void found(int result) noexcept;
    template <class Call>
    void call_librados(rados_callback_t ended, Call call) noexcept;

    const rados_ioctx_t io_;
    const std::string header_;
    std::string id_argument_;  ///< of the class method; empty: no trash
    const std::chrono::seconds watch_timeout_;

    std::atomic<std::uint64_t> watch_{0};          ///< the latest; 0: none
    std::atomic<std::uint64_t> found_under_{0};    ///< the watch under which a look has found the image
    std::atomic<core::ticks> certain_until_{0};    ///< as is_confirmed() has found out last
    std::atomic<bool> may_watch_{true};            ///< the user's capabilities have not forbidden it
    rados_completion_t watching_again_ = nullptr;  ///< of the last watch_again(); nullptr: none
    std::atomic<bool> is_watching_again_{false};   ///< it has not ended
    std::uint64_t next_watch_ = 0;                 ///< it makes this one
    std::vector<std::uint64_t> lost_;              ///< watches that were replaced

    // Of the look that is under way.
    seen done_ = nullptr;
    void* context_ = nullptr;
    std::uint64_t looked_under_ = 0;  ///< the watch that held when it began
    std::array<char, 1024> trash_entry_{};
    std::uint64_t header_bytes_ = 0;
    std::time_t header_time_ = 0;
};

/// I/O that has ended and waits for a look that begins after that. Many wait for one. Lives on the image's home core.
class io_to_confirm {
  public:
    using confirmed = void (*)(bdev::io& i, int look_result) noexcept;

    /// `end` is called on the home core.
    io_to_confirm(existence& image, core::reactor& home, confirmed end) noexcept;

    /// On the home core. Uses `i.next`.
    void add(bdev::io& i) noexcept;

  private:
    struct answer : core::message {
        io_to_confirm* owner = nullptr;
        int result = 0;
    };

    void look() noexcept;
    void looked() noexcept;

    existence& image_;
    core::reactor& home_;
    const confirmed end_;
    bdev::io* waiting_ = nullptr;     ///< for the next look
    bdev::io* looked_for_ = nullptr;  ///< by the look that is under way
    answer answer_;
};

}  // namespace causeway::bdev_rbd
