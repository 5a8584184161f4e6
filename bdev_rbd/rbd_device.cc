// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/rbd_device.h"

#include "bdev_rbd/calls.h"
#include "bdev_rbd/status.h"
#include "core/log_event.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace causeway::bdev_rbd {

using namespace std::chrono_literals;
using bdev::op;

namespace {

constexpr std::uint32_t reading = bdev::ops({op::read, op::compare, op::flush});
constexpr std::uint32_t writing = bdev::ops({op::write, op::write_zeroes, op::unmap});
constexpr std::uint32_t comparing = bdev::ops({op::compare_and_write});

// Smaller writes cost a read in the OSD. RADOS does a write within one object whole or not at all.
constexpr std::uint64_t physical_block = 4096;

bdev::device_geometry geometry_of(const image::attributes& about, std::uint32_t block_size) {
    const auto in_blocks = [&](std::uint64_t bytes) { return static_cast<std::uint32_t>(bytes / block_size); };
    bdev::device_geometry g;
    g.block_size = block_size;
    g.blocks = about.bytes / block_size;
    g.physical_block_size = static_cast<std::uint32_t>(
        std::max<std::uint64_t>(block_size, std::min(physical_block, about.layout.stripe_bytes)));
    g.optimal_write_blocks = in_blocks(about.layout.stripe_bytes);
    g.atomic_boundary_blocks = in_blocks(about.layout.stripe_bytes);  // beyond it is another object
    g.optimal_io_boundary_blocks = in_blocks(about.layout.stripe_bytes);
    // librbd discards whole multiples of so much of an object, and leaves the rest of a range as it is.
    const std::uint64_t discard = about.layout.granule(std::min(about.discard_bytes, about.layout.object_bytes));
    g.unmap_granularity_blocks = g.unmap_alignment_blocks = std::max(1u, in_blocks(discard));
    g.atomic_compare_and_write_blocks = 1;
    return g;
}

bdev::device_capabilities capabilities_of(const image::attributes& about, bool read_only, std::uint32_t block_size) {
    bdev::device_capabilities c;
    c.ops = read_only ? reading : reading | writing;
    // Blocks of more than a sector may have to be compared past librbd: past its cache and its journal, too.
    if (!read_only && (block_size <= sector_bytes || (!about.cache && !about.journaling())))
        c.ops |= comparing;
    c.read_only = read_only;
    c.volatile_write_cache = about.cache && !read_only;
    // Of a clone, too: what was discarded hides what its parent has there.
    c.unmap_reads_zeroes = true;
    c.write_zeroes_deallocates = true;  // asked or not, which hosts allow
    return c;
}

/// True: what the host is told holds only if the image is still there. (A flush says no more than the writes before
/// it.)
bool needs_the_image(const bdev::io& i, std::int64_t librbd_result) noexcept {
    return (librbd_result >= 0 || librbd_result == -EILSEQ) && i.operation != op::flush;
}

bool is_zeroing(const bdev::io& i) noexcept {
    return i.operation == op::write_zeroes || i.operation == op::unmap;
}

const char* reason_of(int error, op operation) noexcept {
    switch (error) {
    case ETIMEDOUT:
        return bdev::changes_content(operation)
                   ? "the cluster has not answered in time; what an OSD has of it may still be done, so fence this "
                     "gateway (ceph osd blocklist add) before another one writes to the image"
                   : "the cluster has not answered in time";
    case EROFS: return "another client holds the image's lock exclusively, or the image is a mirror's secondary";
    case ENOENT: return "the image or its pool is gone; delete the device";
    case ENODEV: return "the image is in the trash; restore it, or delete the device";
    case EINTR:
        return "its core has stalled since it arrived, and its host may have given it up: the host must send it again";
    default: return std::strerror(error);
    }
}

constexpr core::log::event failures[] = {core::log::event::image_lost, core::log::event::cluster_silent,
                                         core::log::event::image_io_failed};

/// Which of `failures`.
std::size_t kind_of(int error) noexcept {
    switch (error) {
    case ENOENT:
    case ENODEV: return 0;
    case ETIMEDOUT: return 1;
    default: return 2;
    }
}

}  // namespace

core::result<std::shared_ptr<rbd_device>> rbd_device::create(options o, std::unique_ptr<image>& opened,
                                                             core::core_lease home) {
    const std::uint64_t stripe = opened->info().layout.stripe_bytes;
    if (!std::has_single_bit(o.block_size) || o.block_size < 512 || stripe % o.block_size != 0)
        return core::fail(EINVAL,
                          "the block size is a power of two from 512 up to the image's stripe unit (" +
                              std::to_string(stripe) + "): RADOS writes a larger block in parts",
                          opened->spec().text());
    if (opened->info().bytes < o.block_size)
        return core::fail(EINVAL, "the image is smaller than a block", opened->spec().text());
    const auto g = geometry_of(opened->info(), o.block_size);
    const auto c = capabilities_of(opened->info(), opened->spec().read_only, o.block_size);
    return std::shared_ptr<rbd_device>(new rbd_device(std::move(o), g, c, std::move(opened), std::move(home)));
}

rbd_device::rbd_device(options o, bdev::device_geometry g, bdev::device_capabilities c, std::unique_ptr<image> opened,
                       core::core_lease home)
    : device(home.home().group(), std::move(o.name), g, c, o.id), image_(std::move(opened)), handle_(image_->handle()),
      lease_(std::move(home)), block_shift_(static_cast<unsigned>(std::countr_zero(g.block_size))),
      flush_after_fua_(image_->info().cache), spec_(image_->spec()), info_(image_->info()),
      allocation_(group().control(), [this] { allocated_blocks(); }),
      queue_(
          lease_.home(), image_->owner().operations(),
          [](const bdev::io& i) noexcept { return owner_of(i).cost_of(i); },
          [](bdev::io& i) noexcept { owner_of(i).issue(i); }),
      age_limit_(lease_.home()), journaling_(info_.journaling()), held_(lease_.home()), told_bytes_(bytes(blocks())) {
    if (o.alias)
        add_alias(spec_.text());
    confirm_by_image();
    watch_.device = this;
    watch_.handle = [](core::message& m) noexcept {
        auto& watch = static_cast<header_watch&>(m);
        watch.pending.store(false, std::memory_order_release);
        core::detach(watch.device->read_size());
    };
    fence_notice_.device = this;
    fence_notice_.handle = [](core::message& m) noexcept {
        if (const auto& f = static_cast<fence_notice&>(m).device->on_fenced)
            f();
    };
}

void rbd_device::confirm_by_image() {
    to_confirm_.emplace(image_->existence(), lease_.home(), [](bdev::io& i, int look_result) noexcept {
        owner_of(i).answer(i, look_result < 0 ? look_result : confirmed_result(i));
    });
}

rbd_device::~rbd_device() {
    assert(!image_);
}

// The data path.

void rbd_device::submit(bdev::io& i) noexcept {
    i.back_end = nullptr;
    i.back_end_value = 0;
    if (i.origin == &lease_.home())
        queue_.submit(i);
    else
        queue_at_home(i);
}

void rbd_device::queue_at_home(bdev::io& i) noexcept {
    i.handle = [](core::message& m) noexcept {
        auto& i = static_cast<bdev::io&>(m);
        owner_of(i).queue_.submit(i);
    };
    lease_.home().post(i);
}

/// In RADOS operations: one for each object. Of a long range of zeroes, that of the piece which comes next.
issue_queue::cost rbd_device::cost_of(const bdev::io& i) const noexcept {
    if (i.operation == op::flush)
        return {1, false};
    const std::uint64_t begin = bytes(i.offset_blocks), length = bytes(i.length_blocks);
    const std::uint64_t objects = info_.layout.objects(begin, length);
    if (!is_zeroing(i) || objects <= zero_piece_objects)
        return {static_cast<unsigned>(objects), false};
    return {static_cast<unsigned>(info_.layout.objects(begin + i.back_end_value, zero_piece(i))), true};
}

void rbd_device::issue(bdev::io& i) noexcept {
    if (!handle_.load(std::memory_order_relaxed)) [[unlikely]] {
        queue_.ended(i);
        return held_.add(i);
    }
    if (const int late = refusal(i)) [[unlikely]] {
        // A deallocation that is under way, in a cluster that answers: what it has not come to stays as it is. It is
        // advice, and one that failed would be sent again from its beginning.
        const bool done_in_part = i.operation == op::unmap && i.back_end_value > 0 && late == -ETIMEDOUT;
        return end(i, done_in_part ? 0 : late);
    }
    switch (i.operation) {
    case op::read:
        return call_librbd(i, ended, [&](rbd_image_t image, rbd_completion_t c) {
            return rbd_aio_readv(image, i.data.data(), static_cast<int>(i.data.size()), bytes(i.offset_blocks), c);
        });
    case op::write:
        return call_librbd(i, write_ended, [&](rbd_image_t image, rbd_completion_t c) {
            return rbd_aio_writev(image, i.data.data(), static_cast<int>(i.data.size()), bytes(i.offset_blocks), c);
        });
    case op::flush: return flush(i);
    case op::write_zeroes:
    case op::unmap: return zero(i);
    case op::compare: return compare(i);
    case op::compare_and_write: return compare_and_write(i);
    case op::verify:
    case op::copy: return end(i, -EOPNOTSUPP);  // not among its capabilities
    }
}

/// 0, or why librbd does not get an I/O, or this part of it, any more.
int rbd_device::refusal(const bdev::io& i) noexcept {
    if (age_limit_.is_young(i)) [[likely]]
        return 0;
    // An operator who has disabled the timeout wants I/O to wait.
    return age_limit_.refusal(i, image_->owner().ends_hung_io() ? age_limit::before_issue : age_limit::none);
}

void rbd_device::ended(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    const auto r = result_of(c, i);
    owner_of(i).end(i, r);
}

void rbd_device::write_ended(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    const auto r = result_of(c, i);
    owner_of(i).written(i, r);
}

/// Every operation that changes content comes by here: what must not stay in librbd's memory is flushed.
void rbd_device::written(bdev::io& i, std::int64_t librbd_result) noexcept {
    allocation_.record_change();
    if (librbd_result >= 0 && i.force_unit_access && flush_after_fua_)
        flush(i);
    else
        end(i, librbd_result);
}

void rbd_device::flush(bdev::io& i) noexcept {
    if (capabilities().read_only)
        return end(i, 0);
    call_librbd(i, ended, [&](rbd_image_t image, rbd_completion_t c) { return rbd_aio_flush(image, c); });
}

/// A long range goes to librbd piece by piece, and queues up again for each. `back_end_value` is how many bytes are
/// done.
void rbd_device::zero(bdev::io& i) noexcept {
    const std::uint64_t begin = bytes(i.offset_blocks) + i.back_end_value;
    const std::uint64_t length = zero_piece(i);
    call_librbd(i, zero_ended, [&](rbd_image_t image, rbd_completion_t c) {
        return i.operation == op::unmap ? rbd_aio_discard(image, begin, length, c)
                                        : rbd_aio_write_zeroes(image, begin, length, c, 0, 0);
    });
}

std::uint64_t rbd_device::zero_piece(const bdev::io& i) const noexcept {
    return info_.layout.piece(bytes(i.offset_blocks) + i.back_end_value, bytes(i.length_blocks) - i.back_end_value,
                              zero_piece_objects);
}

void rbd_device::zero_ended(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    auto& self = owner_of(i);
    const auto r = result_of(c, i);
    const std::uint64_t done = i.back_end_value + self.zero_piece(i);
    if (r < 0 || done == self.bytes(i.length_blocks))
        return self.written(i, r);
    self.queue_.ended(i);
    i.back_end_value = done;
    self.queue_at_home(i);
}

/// librbd cannot compare alone: it reads, and we look. Rare, so its memory comes from the heap.
void rbd_device::compare(bdev::io& i) noexcept {
    const std::uint64_t length = bytes(i.length_blocks);
    i.back_end = new (std::nothrow) std::byte[length];
    if (!i.back_end)
        return end(i, -ENOMEM);
    call_librbd(i, compare_ended, [&](rbd_image_t image, rbd_completion_t c) {
        return rbd_aio_read(image, bytes(i.offset_blocks), length, static_cast<char*>(i.back_end), c);
    });
}

void rbd_device::compare_ended(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    auto& self = owner_of(i);
    const auto length = self.bytes(i.length_blocks);
    auto r = result_of(c, i);
    if (r == static_cast<std::int64_t>(length) && !bdev::equal(i.data, static_cast<std::byte*>(i.back_end), length))
        r = -EILSEQ;
    self.end(i, r);
}

/// librbd is done with the I/O. On whatever thread.
void rbd_device::end(bdev::io& i, std::int64_t librbd_result) noexcept {
    if (needs_the_image(i, librbd_result) && !image_->existence().certain(lease_.home().time())) [[unlikely]]
        confirm(i, librbd_result);
    else
        answer(i, librbd_result);
}

/// What was read may be zeroes because the image is gone, and what was written may be nowhere: it is answered after a
/// look. `back_end_value` keeps the result.
void rbd_device::confirm(bdev::io& i, std::int64_t librbd_result) noexcept {
    if (!is_zeroing(i))
        i.back_end_value = static_cast<std::uint64_t>(librbd_result);
    i.handle = [](core::message& m) noexcept {
        auto& i = static_cast<bdev::io&>(m);
        owner_of(i).to_confirm_->add(i);
    };
    lease_.home().post(i);
}

/// Zeroing keeps there how far it has come, which its cost depends on; all of its results are 0.
std::int64_t rbd_device::confirmed_result(const bdev::io& i) noexcept {
    return is_zeroing(i) ? 0 : static_cast<std::int64_t>(i.back_end_value);
}

void rbd_device::record_unanswered(const bdev::io& i) noexcept {
    if (bdev::changes_content(i.operation))
        unanswered_changes_.fetch_add(1, std::memory_order_relaxed);
}

/// The last step of every I/O, on whatever thread.
void rbd_device::answer(bdev::io& i, std::int64_t librbd_result) noexcept {
    queue_.ended(i);
    if (i.operation == op::compare || i.operation == op::compare_and_write)
        delete[] static_cast<std::byte*>(i.back_end);
    if (librbd_result < 0 && librbd_result != -EILSEQ)
        report(i, librbd_result);
    i.complete_from_anywhere(to_status(librbd_result, i.operation, bytes(i.length_blocks)));
}

void rbd_device::report(const bdev::io& i, std::int64_t librbd_result) noexcept {
    if (librbd_result == -ESHUTDOWN)
        announce_fence();
    const auto error = static_cast<int>(-librbd_result);
    const std::size_t kind = kind_of(error);
    core::log::peer_report(
        reports_[kind], failures[kind], {{"device", name()}, {"image", spec_.text()}, {"error", error}},
        "{} ({}): {} of {} blocks at {} failed: {}", name(), spec_.text(), bdev::to_string(i.operation),
        i.length_blocks, i.offset_blocks, reason_of(error, i.operation));
}

/// Any thread, as long as the device is not closed: its end waits for this message.
void rbd_device::announce_fence() noexcept {
    if (!fenced_.exchange(true, std::memory_order_relaxed))
        group().control().post(fence_notice_);
}

// The size, and how much of it is allocated.

/// As far as objects go: a block that was deallocated alone still counts, and so does all that the object map does not
/// know exactly.
std::optional<std::uint64_t> rbd_device::allocated_blocks() {
    if (!info_.fast_diff())
        return std::nullopt;
    if (!closing_ && !swapping_ && !fenced())
        allocation_.refresh(*image_);
    return std::min(allocation_.bytes() >> block_shift_, blocks());
}

core::task<core::result<>> rbd_device::follow_size() {
    auto watching = co_await watch_header(*image_);
    if (watching)
        core::detach(read_size());        // it may have changed since it was opened
    if (allocated_blocks() && !closing_)  // counted when the first host asks
        allocation_.follow();
    co_return watching;
}

core::task<core::result<>> rbd_device::watch_header(image& i) {
    co_return co_await core::run_on(*i.owner().threads(), [this, &i] {
        return i.watch(
            [](void* context) {
                auto& watch = *static_cast<header_watch*>(context);
                if (!watch.pending.exchange(true, std::memory_order_acq_rel))
                    watch.device->group().control().post(watch);
            },
            &watch_);
    });
}

core::task<> rbd_device::read_size() {
    size_changed_again_ = true;
    if (reading_size_ || resizing_ || swapping_)
        co_return;  // the task that runs checks again
    reading_size_ = true;
    while (size_changed_again_ && !closing_) {
        size_changed_again_ = false;
        const auto size = co_await core::run_on(*image_->owner().threads(), [this] {
            auto size = image_->size();  // the first call reads the header again, and says what is wrong
            if (const auto features = image_->features())
                journaling_ = *features & RBD_FEATURE_JOURNALING;
            return size;
        });
        size_read_ = size ? core::result<>() : tl::make_unexpected(size.error());
        if (size)
            take_size(*size);
        else if (size.error().code == ESHUTDOWN)
            announce_fence();  // librbd is notified by its watch, before any host's I/O
        else
            core::log::warning("{}", size.error().text());
    }
    reading_size_ = false;
    work_ended_.notify_all();
}

void rbd_device::take_size(std::uint64_t size) {
    set_blocks(size >> block_shift_);
    const std::uint64_t now = bytes(blocks());
    if (const std::uint64_t before = std::exchange(told_bytes_, now); now < before && on_shrunk)
        on_shrunk(before, now);
}

core::task<core::result<>> rbd_device::refresh_size() {
    if (capabilities().read_only)
        co_return core::fail(
            ENOTSUP,
            "the image is open read-only, and librbd reads no size again then: delete the device, and create it again",
            name());
    // A resize reads the size when it has ended, which may take years: nobody waits for that here.
    const auto busy = [this] { return closing_ || swapping_ || resizing_; };
    if (!busy()) {
        co_await read_size();
        // Another task may be at it: whoever it is reads once more before it ends.
        co_await work_ended_.wait([&] { return busy() || (!reading_size_ && !size_changed_again_); });
    }
    if (busy())
        co_return core::fail(EBUSY, "the device is being closed, resized, or reopened after a fence: try again",
                             name());
    co_return size_read_;
}

core::task<core::result<>> rbd_device::resize(resize_request wanted) {
    if (capabilities().read_only)
        co_return core::fail(EROFS, "the image is open read-only", name());
    co_await work_ended_.wait([this] {
        if (!resizing_ || closing_)
            return true;
        cancel_resize_ = true;  // also of one that has waited before this, and begins now
        return false;
    });
    if (closing_ || swapping_)
        co_return core::fail(EBUSY, "the device is being closed, or reopened after a fence", name());
    resizing_ = true;
    cancel_resize_ = false;
    co_await work_ended_.wait([this] { return !reading_size_; });
    auto done = co_await resize_checked(wanted);
    resizing_ = false;
    work_ended_.notify_all();
    co_await read_size();
    co_return done;
}

core::task<core::result<>> rbd_device::resize_checked(resize_request wanted) {
    const auto threads = image_->owner().threads();
    const std::uint64_t cluster_bytes = co_await core::run_on(*threads, [this] { return image_->owner().capacity(); });
    if (const auto may = check_resize(wanted, bytes(blocks()), cluster_bytes, name()); !may)
        co_return may;
    if (wanted.bytes >> block_shift_ < blocks())
        set_blocks(wanted.bytes >> block_shift_);  // no host may begin there any more
    co_return co_await core::run_on(*threads, [this, wanted] { return image_->resize(wanted.bytes, cancel_resize_); });
}

core::task<> rbd_device::close() {
    closing_ = true;
    on_fenced = nullptr;
    cancel_resize_ = true;
    allocation_.unfollow();  // here, on the core of its timer: any thread may drop the last reference
    co_await drained();
    co_await allocation_.stop();
    co_await work_ended_.wait([this] { return !reading_size_ && !resizing_ && !swapping_; });
    if (image_) {
        const auto threads = image_->owner().threads();
        co_await core::run_on(*threads, [this] { return image_.reset(), true; });
    }
    lease_.release();
    if (auto f = std::exchange(on_closed, nullptr))
        f();
}

}  // namespace causeway::bdev_rbd
