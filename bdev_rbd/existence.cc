#include "bdev_rbd/existence.h"

#include "bdev_rbd/hand_over.h"
#include "core/log.h"

#include <cerrno>
#include <cstring>
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

int result_of(rados_completion_t c, void* owner) noexcept {
    take_from_librbd(owner);
    const int result = rados_aio_get_return_value(c);
    rados_aio_release(c);
    return result;
}

}  // namespace

existence::existence(rados_ioctx_t io, std::string header_object, const std::string& id)
    : io_(io), header_(std::move(header_object)), id_argument_(id.empty() ? "" : encoded(id)) {
    watch();
}

void existence::watch() {
    // librbd's clients notify all who watch, and wait until each has answered.
    const auto notified = [](void* arg, std::uint64_t notify, std::uint64_t cookie, std::uint64_t, void*, std::size_t) {
        const auto& self = *static_cast<existence*>(arg);
        rados_notify_ack(self.io_, self.header_.c_str(), notify, cookie, nullptr, 0);
    };
    const auto lost = [](void* arg, std::uint64_t, int) { static_cast<existence*>(arg)->watched_ = false; };
    if (const int r = rados_watch2(io_, header_.c_str(), &watch_, notified, lost, this); r < 0)
        core::log::info("{}: cannot watch the image ({}): each read is answered after a look whether it still exists",
                        header_, std::strerror(-r));
    else
        watched_ = true;
}

existence::~existence() {
    if (watch_)
        rados_unwatch2(io_, watch_);
    rados_watch_flush(rados_ioctx_get_cluster(io_));  // no callback comes after this
}

bool existence::certain() const noexcept {
    if (!watched_)
        return false;
    const int age_ms = rados_watch_check(io_, watch_);
    return age_ms >= 0 && age_ms < confirmed_within_ms;
}

void existence::look(seen done, void* context) noexcept {
    done_ = done;
    context_ = context;
    if (id_argument_.empty())
        look_for_header();
    else
        look_into_trash();
}

/// Calls librados; `ended` is called on a thread of librados' when it has finished.
template <class Call>
void existence::call_librados(rados_callback_t ended, Call call) noexcept {
    rados_completion_t c;
    if (const int r = rados_aio_create_completion2(this, ended, &c); r < 0)
        return found(r);
    give_to_librbd(this);
    if (const int r = call(c); r < 0) {
        rados_aio_release(c);
        found(r);
    }
}

void existence::look_into_trash() noexcept {
    const auto ended = [](rados_completion_t c, void* arg) {
        auto& self = *static_cast<existence*>(arg);
        const int r = result_of(c, &self);
        if (r == -ENOENT)
            self.look_for_header();  // in this order: a removal that both looks miss began after the first
        else
            self.found(r >= 0 || r == -ERANGE ? -ENODEV : r);
    };
    call_librados(ended, [this](rados_completion_t c) {
        return rados_aio_exec(io_, trash_object, c, "rbd", "trash_get", id_argument_.data(), id_argument_.size(),
                              trash_entry_.data(), trash_entry_.size());
    });
}

void existence::look_for_header() noexcept {
    const auto ended = [](rados_completion_t c, void* arg) {
        auto& self = *static_cast<existence*>(arg);
        const int r = result_of(c, &self);
        self.found(r);
    };
    call_librados(ended, [this](rados_completion_t c) {
        return rados_aio_stat(io_, header_.c_str(), c, &header_bytes_, &header_time_);
    });
}

reads_to_confirm::reads_to_confirm(existence& image, core::reactor& home, confirmed end) noexcept
    : image_(image), home_(home), end_(end) {
    answer_.owner = this;
    answer_.handle = [](core::message& m) noexcept { static_cast<answer&>(m).owner->looked(); };
}

void reads_to_confirm::add(bdev::io& i) noexcept {
    i.next = std::exchange(waiting_, &i);
    if (!looked_for_)
        look();
}

void reads_to_confirm::look() noexcept {
    looked_for_ = std::exchange(waiting_, nullptr);
    image_.look(
        [](void* context, int result) noexcept {
            auto& self = *static_cast<reads_to_confirm*>(context);
            self.answer_.result = result;
            self.home_.post(self.answer_);
        },
        this);
}

void reads_to_confirm::looked() noexcept {
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
