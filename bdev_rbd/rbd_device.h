// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "bdev_rbd/age_limit.h"
#include "bdev_rbd/allocation.h"
#include "bdev_rbd/held_io.h"
#include "bdev_rbd/image.h"
#include "bdev_rbd/issue_queue.h"
#include "bdev_rbd/resize_rules.h"
#include "core/condition_variable.h"
#include "core/log.h"
#include "core/placement.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace causeway::bdev_rbd {

/// An RBD image as a block device.
///
/// Its *main thread* is its home reactor: I/O from other cores comes there by one mailbox push, and only the home calls
/// librbd. librbd ends each I/O on a thread of its own, from where it goes straight back to the core that issued it.
/// Nothing of ours allocates on the way of a read or a write; librbd does as it likes.
///
/// Control reactor, but for the data path. REQUIRES: close() before the last reference goes.
class rbd_device final : public bdev::device {
  public:
    /// What the image is called and looks like to others.
    struct options {
        std::string name;
        std::uint32_t block_size = 512;
        bdev::uuid id{};
        bool alias = true;  ///< "pool/image" finds it, too
    };

    /// EINVAL (the block size does not suit the image); `opened` is taken only if all is well.
    static core::result<std::shared_ptr<rbd_device>> create(options o, std::unique_ptr<image>& opened,
                                                            core::core_lease home);
    ~rbd_device() override;

    std::string_view product_name() const noexcept override { return "Ceph Rbd Disk"; }
    core::reactor* home() const noexcept override { return &lease_.home(); }
    std::optional<std::uint64_t> allocated_blocks() override;
    const bdev_rbd::image_spec& spec() const noexcept { return spec_; }
    const image::attributes& info() const noexcept { return info_; }
    /// True: the cluster has blocklisted the image's client, and the image has not been reopened on another. Any
    /// thread.
    bool fenced() const noexcept { return fenced_.load(std::memory_order_relaxed); }
    /// The client that the image is open on: client::id(). REQUIRES: not closed.
    std::uint64_t client_id() const noexcept { return image_->owner().id(); }
    bool closing() const noexcept { return closing_; }
    /// How often the image was reopened after a fence. Any thread.
    unsigned reopened() const noexcept { return reopened_.load(std::memory_order_relaxed); }

    /// How many changes of content went to the cluster and ended without its answer. Each may still be made: before
    /// whatever else this client sends to the same object, but in any order with what other clients send. Any thread.
    std::uint64_t unanswered_changes() const noexcept { return unanswered_changes_.load(std::memory_order_relaxed); }
    /// An I/O that librbd, or librados, has given up. For what ends I/O; any thread.
    void record_unanswered(const bdev::io& i) noexcept;

    /// Begins to follow changes of the image's size that others make.
    core::task<core::result<>> follow_size();
    /// EROFS, EBUSY (closing), check_resize()'s. A shrink takes the blocks from hosts first, and goes on until it is
    /// done; the next resize, and close(), cancel it: ECANCELED. Ends when the cluster has done it.
    core::task<core::result<>> resize(resize_request wanted);
    /// Reads the size again, which others may have changed. Ends when blocks() has what was read then. ENOTSUP
    /// (read-only: librbd watches no header then), EBUSY (closing, being resized or reopened), what librbd answers.
    core::task<core::result<>> refresh_size();
    /// Called when the image has become smaller, with the sizes in bytes; may be empty. Hosts lose the blocks at the
    /// end as soon as a resize() begins, and get them back if that fails: then nothing is called.
    std::function<void(std::uint64_t before, std::uint64_t now)> on_shrunk;

    /// Where the image's header is, and the client that the image is open on.
    struct header_location {
        std::shared_ptr<ceph::client> client;
        std::int64_t pool = 0;
    };
    /// REQUIRES: not closed.
    header_location header() const { return {image_->shared_owner(), image_->pool_id()}; }
    /// Called in resume(), when librbd has finished all I/O of the client before, and ends before the fresh one gets
    /// any. Its error leaves the device inaccessible. While it is set nothing that was held continues: what may be
    /// done with the image may have changed.
    std::function<core::task<core::result<>>(header_location fresh)> before_resume;

    /// Called when the cluster has first refused something because the image's client is on its blocklist.
    std::function<void()> on_fenced;
    /// Makes the image inaccessible: librbd gets no more I/O. What comes is held for up to held_io::max_wait, and then
    /// ends with a path error; what librbd has already ends as librbd says.
    core::task<> suspend();
    /// Continues with another handle of the same image, once librbd has finished all I/O on the old one. That is closed
    /// then. Reads and flushes that were held go on; what changes content ends with a path error, because it may be out
    /// of date. EINVAL (not the same disk any more), ECANCELED (closing); then `fresh` is closed. REQUIRES: suspended.
    core::task<core::result<>> resume(std::unique_ptr<image> fresh);

    /// Ends when librbd has finished all I/O and closed the image. While an OSD hangs this may take long, and delays
    /// nothing else.
    core::task<> close() override;
    /// Called at the end of close().
    std::function<void()> on_closed;

  private:
    /// A longer range of zeroes goes to librbd in pieces of so many objects.
    static constexpr unsigned zero_piece_objects = 8;

    struct header_watch : core::message {
        rbd_device* device = nullptr;
        std::atomic<bool> pending{false};
    };
    struct fence_notice : core::message {
        rbd_device* device = nullptr;
    };

    rbd_device(options o, bdev::device_geometry g, bdev::device_capabilities c, std::unique_ptr<image> opened,
               core::core_lease home);

    // The way of an I/O, a function for each step. Those with a completion run on a thread of librbd's.
    void submit(bdev::io& i) noexcept override;
    void queue_at_home(bdev::io& i) noexcept;
    issue_queue::cost cost_of(const bdev::io& i) const noexcept;
    void issue(bdev::io& i) noexcept;
    int refusal(const bdev::io& i) noexcept;
    void zero(bdev::io& i) noexcept;
    std::uint64_t zero_piece(const bdev::io& i) const noexcept;
    void compare(bdev::io& i) noexcept;
    void compare_and_write(bdev::io& i) noexcept;  // these five in compare_and_write.cc
    void compare_and_write_by_librbd(bdev::io& i) noexcept;
    void compare_and_write_in_two_steps(bdev::io& i) noexcept;
    void make_object_current(bdev::io& i) noexcept;
    void compare_and_write_object(bdev::io& i) noexcept;
    void flush(bdev::io& i) noexcept;
    void end(bdev::io& i, std::int64_t librbd_result) noexcept;
    void confirm(bdev::io& i, std::int64_t librbd_result) noexcept;
    static std::int64_t confirmed_result(const bdev::io& i) noexcept;
    void answer(bdev::io& i, std::int64_t librbd_result) noexcept;
    template <class Call>
    void call_librbd(bdev::io& i, rbd_callback_t done, Call call) noexcept;
    static void ended(rbd_completion_t c, void* arg) noexcept;
    static void write_ended(rbd_completion_t c, void* arg) noexcept;
    static void zero_ended(rbd_completion_t c, void* arg) noexcept;
    static void compare_ended(rbd_completion_t c, void* arg) noexcept;
    static void librbd_compared(rbd_completion_t c, void* arg) noexcept;
    static void object_is_current(rbd_completion_t c, void* arg) noexcept;
    static void object_compared(rados_completion_t c, void* arg) noexcept;
    void written(bdev::io& i, std::int64_t librbd_result) noexcept;
    void report(const bdev::io& i, std::int64_t librbd_result) noexcept;
    void announce_fence() noexcept;

    std::uint64_t bytes(std::uint64_t blocks) const noexcept { return blocks << block_shift_; }
    core::task<> read_size();
    void take_size(std::uint64_t size);
    core::task<core::result<>> watch_header(image& i);
    core::task<core::result<>> swap(std::unique_ptr<image>& fresh);
    void resume_held_io() noexcept;
    core::task<bool> wait_for_librbd();
    void confirm_by_image();
    core::task<core::result<>> resize_checked(resize_request wanted);

    std::unique_ptr<image> image_;
    std::atomic<rbd_image_t> handle_;  ///< nullptr: inaccessible. Written on the home reactor
    core::core_lease lease_;           ///< until close() has ended
    const unsigned block_shift_;
    const bool flush_after_fua_;  ///< librbd may keep a write in memory
    const image_spec spec_;
    const image::attributes info_;
    bdev_rbd::allocation allocation_;
    issue_queue queue_;
    age_limit age_limit_;
    std::optional<io_to_confirm> to_confirm_;

    std::atomic<bool> fenced_{false};
    std::atomic<bool> journaling_;  ///< the image's writes are recorded for a mirror, which only librbd's own are
    fence_notice fence_notice_;
    held_io held_;
    std::atomic<unsigned> reopened_{0};
    std::atomic<std::uint64_t> unanswered_changes_{0};
    /// Of failed I/O, for each kind of event: no other image, and no other kind, holds a report of this one back.
    std::array<core::log::limiter, 3> reports_;
    bool swapping_ = false;
    header_watch watch_;
    std::uint64_t told_bytes_;  ///< the size that on_shrunk's listener knows
    bool reading_size_ = false;
    bool size_changed_again_ = false;
    core::result<> size_read_;  ///< how the last reading ended
    bool resizing_ = false;
    std::atomic<bool> cancel_resize_{false};
    bool closing_ = false;
    core::condition_variable work_ended_;  ///< reading_size_, resizing_ or swapping_ is false again
};

}  // namespace causeway::bdev_rbd
