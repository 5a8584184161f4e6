// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/existence.h"

#include "ceph/tsan_annotations.h"
#include "core/log.h"

#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

namespace causeway::bdev_rbd {

namespace {

constexpr const char* trash_object = "rbd_trash";

/// A string as Ceph's class methods take it: its length in four bytes, little-endian, then its bytes.
std::string encoded(const std::string& text) {
    std::string to;
    for (unsigned shift = 0; shift < 32; shift += 8)
        to.push_back(static_cast<char>(text.size() >> shift));
    return to + text;
}

bool is_denial(int result) noexcept {
    return result == -EPERM || result == -EACCES;
}

std::uint32_t seconds(std::chrono::seconds s) noexcept {
    return static_cast<std::uint32_t>(s.count());
}

int result_of(rados_completion_t c, void* owner) noexcept {
    ceph::tsan_acquire_from_ceph(owner);
    const int result = rados_aio_get_return_value(c);
    rados_aio_release(c);
    return result;
}

}  // namespace

existence::existence(rados_ioctx_t io, std::string header_object, const std::string& id,
                     std::chrono::seconds watch_timeout)
    : io_(io), header_(std::move(header_object)), id_argument_(id.empty() ? "" : encoded(id)),
      watch_timeout_(watch_timeout) {
    std::uint64_t watch = 0;
    if (const int r = rados_watch3(io_, header_.c_str(), &watch, notified, lost, seconds(watch_timeout_), this);
        r < 0) {
        core::log::info("{}: cannot watch the image ({}): each I/O is answered after a look whether it still exists",
                        header_, std::strerror(-r));
        may_watch_ = !is_denial(r);
    } else {
        watch_ = watch;
        look_now();
    }
}

/// REQUIRES: may block.
void existence::look_now() {
    std::promise<void> looked;
    look([](void* context, int) noexcept { static_cast<std::promise<void>*>(context)->set_value(); }, &looked);
    looked.get_future().wait();
}

existence::~existence() {
    if (watching_again_) {
        rados_aio_wait_for_complete_and_cb(watching_again_);
        rados_aio_release(watching_again_);
    }
    if (watch_)
        lost_.push_back(watch_);
    for (const std::uint64_t each : lost_)
        rados_unwatch2(io_, each);
    rados_watch_flush(rados_ioctx_get_cluster(io_));  // no callback comes after this
}

/// librbd's clients notify all watchers, and wait until each has responded.
void existence::notified(void* arg, std::uint64_t notify, std::uint64_t watch, std::uint64_t, void*, std::size_t) {
    const auto& self = *static_cast<existence*>(arg);
    rados_notify_ack(self.io_, self.header_.c_str(), notify, watch, nullptr, 0);
}

void existence::lost(void* arg, std::uint64_t, int) {
    static_cast<existence*>(arg)->certain_until_ = 0;
}

bool existence::is_confirmed(const core::clock& time, core::ticks now) noexcept {
    const std::uint64_t watch = watch_;
    if (!watch || found_under_ != watch)
        return false;
    const std::chrono::milliseconds age(rados_watch_check(io_, watch)), lasts = watch_timeout_ * confirmed_quarters / 4;
    if (age.count() < 0 || age >= lasts)
        return false;
    certain_until_ = now + time.to_ticks(lasts - age);
    return true;
}

void existence::look(seen done, void* context) noexcept {
    done_ = done;
    context_ = context;
    const std::uint64_t watch = watch_;
    looked_under_ = holds(watch) ? watch : 0;
    if (id_argument_.empty())
        check_header();
    else
        check_trash();
}

/// Calls librados; `ended` is called on a thread of librados' when it has finished.
template <class Call>
void existence::call_librados(rados_callback_t ended, Call call) noexcept {
    rados_completion_t c;
    if (const int r = rados_aio_create_completion2(this, ended, &c); r < 0)
        return found(r);
    ceph::tsan_release_to_ceph(this);
    if (const int r = call(c); r < 0) {
        rados_aio_release(c);
        found(r);
    }
}

void existence::check_trash() noexcept {
    const auto ended = [](rados_completion_t c, void* arg) {
        auto& self = *static_cast<existence*>(arg);
        const int r = result_of(c, &self);
        if (r == -ENOENT || is_denial(r))
            self.check_header();  // in this order: a removal that both looks miss began after the first
        else
            self.found(r >= 0 || r == -ERANGE ? -ENODEV : r);
    };
    call_librados(ended, [this](rados_completion_t c) {
        return rados_aio_exec(io_, trash_object, c, "rbd", "trash_get", id_argument_.data(), id_argument_.size(),
                              trash_entry_.data(), trash_entry_.size());
    });
}

void existence::check_header() noexcept {
    const auto ended = [](rados_completion_t c, void* arg) {
        auto& self = *static_cast<existence*>(arg);
        self.found(result_of(c, &self));
    };
    call_librados(ended, [this](rados_completion_t c) {
        return rados_aio_stat(io_, header_.c_str(), c, &header_bytes_, &header_time_);
    });
}

void existence::found(int result) noexcept {
    if (result == 0 && looked_under_)
        found_under_ = looked_under_;
    else if (result == 0 && may_watch_ && !is_watching_again_)
        watch_again();
    done_(context_, result);
}

/// The image was there a moment ago, and its watch is not. REQUIRES: no try is under way.
void existence::watch_again() noexcept {
    if (watching_again_)
        rados_aio_release(std::exchange(watching_again_, nullptr));
    const auto ended = [](rados_completion_t c, void* arg) {
        auto& self = *static_cast<existence*>(arg);
        ceph::tsan_acquire_from_ceph(&self.next_watch_);
        self.watched_again(rados_aio_get_return_value(c));
    };
    if (rados_aio_create_completion2(this, ended, &watching_again_) < 0)
        return;  // the next look tries again
    is_watching_again_ = true;
    ceph::tsan_release_to_ceph(&next_watch_);
    if (const int r = rados_aio_watch2(io_, header_.c_str(), watching_again_, &next_watch_, notified, lost,
                                       seconds(watch_timeout_), this);
        r < 0) {
        rados_aio_release(std::exchange(watching_again_, nullptr));
        watched_again(r);
    }
}

void existence::watched_again(int result) noexcept {
    if (result < 0)
        may_watch_ = !is_denial(result);
    else if (const std::uint64_t old = watch_.exchange(next_watch_))
        lost_.push_back(old);  // whoever asks about it now must still find it
    is_watching_again_ = false;
}

io_to_confirm::io_to_confirm(existence& image, core::reactor& home, confirmed end) noexcept
    : image_(image), home_(home), end_(end) {
    answer_.owner = this;
    answer_.handle = [](core::message& m) noexcept { static_cast<answer&>(m).owner->looked(); };
}

void io_to_confirm::add(bdev::io& i) noexcept {
    i.next = std::exchange(waiting_, &i);
    if (!looked_for_)
        look();
}

void io_to_confirm::look() noexcept {
    looked_for_ = std::exchange(waiting_, nullptr);
    image_.look(
        [](void* context, int result) noexcept {
            auto& self = *static_cast<io_to_confirm*>(context);
            self.answer_.result = result;
            self.home_.post(self.answer_);
        },
        this);
}

void io_to_confirm::looked() noexcept {
    bdev::io* i = std::exchange(looked_for_, nullptr);
    const int result = answer_.result;
    if (waiting_)
        look();
    while (i) {
        bdev::io* const next = std::exchange(i->next, nullptr);
        end_(*i, result);  // the device may close as soon as its last one has ended
        i = next;
    }
}

}  // namespace causeway::bdev_rbd
