// SPDX-License-Identifier: Apache-2.0
// How a device leaves a client that the cluster has blocklisted, and continues with another.

#include "bdev_rbd/rbd_device.h"

#include <utility>

namespace causeway::bdev_rbd {

using namespace std::chrono_literals;

namespace {

constexpr auto drain_check_period = 1ms;

/// What hosts were told at first still holds.
bool same_disk(const image::attributes& a, const image::attributes& b) noexcept {
    return a.identity == b.identity && a.layout == b.layout && a.cache == b.cache;
}

}  // namespace

core::task<> rbd_device::suspend() {
    fenced_.store(true, std::memory_order_relaxed);
    co_await core::switch_to(lease_.home());
    handle_.store(nullptr, std::memory_order_relaxed);
    co_await core::switch_to(group().control());
}

core::task<core::result<>> rbd_device::resume(std::unique_ptr<image> fresh) {
    swapping_ = true;
    auto swapped = co_await swap(fresh);
    swapping_ = false;
    work_ended_.notify_all();
    if (fresh)
        close_on_cluster_threads(std::move(fresh));
    if (swapped)
        core::detach(read_size());  // it was not followed meanwhile
    co_return swapped;
}

/// Takes `fresh` unless it is refused.
core::task<core::result<>> rbd_device::swap(std::unique_ptr<image>& fresh) {
    if (!same_disk(info_, fresh->info()))
        co_return core::fail(EINVAL, "not the same image as before: delete the device and create it again",
                             spec_.text());
    co_await allocation_.stop();
    for (bool idle = false; !idle;) {
        const bool librbd_idle = co_await wait_for_librbd();
        if (closing_)
            co_return core::fail(ECANCELED, "the device is being closed", name());
        idle = librbd_idle && !reading_size_ && !resizing_;
        if (!idle)
            co_await core::sleep_for(drain_check_period);
    }
    // A visit to every core: whatever ended there happened before what comes next.
    co_await core::for_each_reactor(group(), [](core::reactor&) {});
    auto watching = co_await watch_header(*fresh);
    if (!watching)
        co_return watching;
    // From here nothing is waited for if nobody has to be asked: who comes meanwhile would refer to the old image.
    if (before_resume) {
        header_location at{fresh->shared_owner(), fresh->pool_id()};
        auto may_serve = co_await before_resume(std::move(at));
        if (may_serve && closing_)
            may_serve = core::fail(ECANCELED, "the device is being closed", name());
        if (!may_serve) {
            // While close() waits for this, as below.
            co_await core::run_on(*fresh->owner().threads(), [&fresh] { return fresh->unwatch(), true; });
            co_return may_serve;
        }
    }
    auto old = std::exchange(image_, std::move(fresh));

    co_await core::switch_to(lease_.home());
    confirm_by_image();
    handle_.store(image_->handle(), std::memory_order_relaxed);
    fenced_.store(false, std::memory_order_relaxed);
    resume_held_io();
    co_await core::switch_to(group().control());
    // While close() waits for this: a callback of the old watch must not outlive the device.
    co_await core::run_on(*old->owner().threads(), [&old] { return old->unwatch(), true; });
    close_on_cluster_threads(std::move(old));
    reopened_.fetch_add(1, std::memory_order_relaxed);
    co_return core::result<>();
}

/// The client that fenced us may have written newer data meanwhile: a change of content that was held would land on
/// newer data. Its host repeats it, here or elsewhere. So it does with a read that is refused by now, perhaps.
void rbd_device::resume_held_io() noexcept {
    for (bdev::io* i = held_.take(); i;) {
        bdev::io* const next = i->next;
        if (before_resume || bdev::changes_content(i->operation))
            i->complete_from_anywhere(nvme::sc::internal_path_error);
        else
            queue_.submit(*i);
        i = next;
    }
}

/// Of the I/Os that have not ended, all are held, or on their way there. REQUIRES: suspended.
core::task<bool> rbd_device::wait_for_librbd() {
    co_await core::switch_to(lease_.home());
    const bool none = in_flight() == held_.size();
    co_await core::switch_to(group().control());
    co_return none;
}

}  // namespace causeway::bdev_rbd
