#pragma once

#include "bdev/io.h"
#include "core/reactor.h"

#include <array>
#include <atomic>
#include <memory>
#include <rados/librados.h>
#include <string>

namespace causeway::bdev_rbd {

/// Whether an image that is open read-only still exists. Its data does not say: an object that is gone reads as zeroes.
///
/// librbd watches what it may write, and nobody can remove a watched image. What is open read-only is watched here,
/// where the user's capabilities allow that: to an OSD a watch is a write. Elsewhere each read is answered after a look
/// that began when the read had ended: `rbd rm` puts an image into the trash before it touches its data, and takes the
/// header last.
///
/// Making and destroying block: on plain threads only.
class existence {
  public:
    /// `id` is empty for images of the first format, which have no trash. `io` outlives this.
    existence(rados_ioctx_t io, std::string header_object, const std::string& id);
    ~existence();
    existence(const existence&) = delete;

    /// True: nobody could have removed the image until now. Any thread; does not block.
    bool certain() const noexcept;

    /// What a look finds: 0 (the image is there), -ENOENT (removed), -ENODEV (in the trash), or why it saw nothing.
    using seen = void (*)(void* context, int result) noexcept;
    /// Looks once, and calls `done` on a thread of librados'. Any thread, one look at a time; does not block.
    void look(seen done, void* context) noexcept;

  private:
    /// OSDs forget who has been silent for osd_client_watch_timeout, 30 s; librados asks every 5 s.
    static constexpr int confirmed_within_ms = 15000;

    void watch();
    void look_into_trash() noexcept;
    void look_for_header() noexcept;
    void found(int result) noexcept { done_(context_, result); }
    template <class Call>
    void call_librados(rados_callback_t ended, Call call) noexcept;

    const rados_ioctx_t io_;
    const std::string header_;
    std::string id_argument_;  ///< of the class method; empty: no trash
    std::uint64_t watch_ = 0;
    std::atomic<bool> watched_{false};

    // Of the look that is under way.
    seen done_ = nullptr;
    void* context_ = nullptr;
    std::array<char, 1024> trash_entry_{};
    std::uint64_t header_bytes_ = 0;
    std::time_t header_time_ = 0;
};

/// Reads that have ended and wait for a look that begins after that. Many wait for one. Lives on the image's home core.
class reads_to_confirm {
  public:
    using confirmed = void (*)(bdev::io& i, int look_result) noexcept;

    /// `end` is called on the home core.
    reads_to_confirm(existence& image, core::reactor& home, confirmed end) noexcept;

    /// On the home core. Uses `i.next`.
    void add(bdev::io& i) noexcept;

  private:
    struct answer : core::message {
        reads_to_confirm* owner = nullptr;
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
