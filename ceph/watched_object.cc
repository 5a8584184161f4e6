// SPDX-License-Identifier: Apache-2.0
#include "ceph/watched_object.h"

#include "ceph/client_cpus.h"
#include "ceph/deadline_call.h"
#include "ceph/tsan_annotations.h"
#include "core/bulkhead.h"
#include "core/log.h"
#include "core/timer.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <utility>

namespace causeway::ceph {

using namespace std::chrono_literals;

namespace {

// Far more than there are gateways of one image.
constexpr std::uint64_t max_entries = 1000;
/// The OSD counts a message's time limit; this is for one that does not answer at all.
constexpr core::nanoseconds notify_margin = 5s;
constexpr int ours = -ETIME;  ///< the limit that counts here is over

}  // namespace

/// The calls of one object that librados has not ended, and the watches that they have made. Outlives the object, for
/// they do.
struct watched_object::calls {
    void begin() {
        const std::lock_guard lock(mutex);
        ++running;
    }
    void end() {
        const std::lock_guard lock(mutex);
        if (--running == 0)
            none_runs.notify_all();
    }
    /// REQUIRES: may block.
    void wait() {
        std::unique_lock lock(mutex);
        none_runs.wait(lock, [this] { return running == 0; });
    }

    std::mutex mutex;
    std::condition_variable none_runs;
    unsigned running = 0;
    std::vector<std::uint64_t> watches;
};

/// A call of librados, answered when it has ended, or given up here. Then it is librados' alone.
struct watched_object::call {
    explicit call(std::shared_ptr<calls> a) : all(std::move(a)) {}
    virtual ~call() = default;
    virtual void ended(int /*result*/) {}  ///< on a thread of librados'

    void answer(int result) {
        if (!answered.exchange(true))
            outcome.set(result);
    }

    const std::shared_ptr<calls> all;
    std::atomic<bool> answered{false};
    core::one_shot<int> outcome;
};

struct watched_object::read_call final : call {
    using call::call;
    ~read_call() override {
        if (found)
            rados_omap_get_end(found);
        rados_release_read_op(op);
    }
    rados_read_op_t op = rados_create_read_op();
    rados_omap_iter_t found = nullptr;
    unsigned char more = 0;
    int result = 0;
};

struct watched_object::write_call final : call {
    using call::call;
    ~write_call() override { rados_release_write_op(op); }
    rados_write_op_t op = rados_create_write_op();
};

struct watched_object::watch_call final : call {
    using call::call;
    void ended(int result) override {
        if (result < 0)
            return;
        const std::lock_guard lock(all->mutex);
        all->watches.push_back(watch);
    }
    std::uint64_t watch = 0;
};

struct watched_object::notify_call final : call {
    using call::call;
    ~notify_call() override {
        if (reply)
            rados_buffer_free(reply);
    }
    char* reply = nullptr;
    std::size_t length = 0;
};

/// Something that a thread of librados' has heard of.
struct watched_object::event : core::message {
    explicit event(std::weak_ptr<watched_object> o) : of(std::move(o)) {
        handle = [](core::message& m) noexcept {
            const std::unique_ptr<event> e(static_cast<event*>(&m));
            if (const auto o = e->of.lock())
                o->handle(*e);
        };
    }
    const std::weak_ptr<watched_object> of;
    bool is_loss = false;
    std::uint64_t notify = 0, watch = 0;
    std::string text;
};

// ---- Coming and going.

watched_object::watched_object(core::reactor_group& group, std::shared_ptr<client> c, location where)
    : group_(group), client_(std::move(c)), where_(std::move(where)), calls_(std::make_shared<calls>()) {}

core::task<core::result<std::shared_ptr<watched_object>>>
watched_object::open(core::reactor_group& group, std::shared_ptr<client> c, location where) {
    const auto threads = c->threads();
    const std::shared_ptr<watched_object> o(
        new watched_object(group, std::move(c), std::move(where)),
        [threads](watched_object* it) { threads->one_at_a_time().submit([it] { delete it; }); });
    const int r = co_await core::run_on(*threads, [&o] {
        const scoped_cpus here(o->client_->cpus());
        return rados_ioctx_create2(o->client_->handle(), o->where_.pool, &o->io_);
    });
    if (r < 0)
        co_return tl::make_unexpected(o->failure(r, "cannot use the pool"));
    rados_ioctx_set_namespace(o->io_, o->where_.rados_namespace.c_str());
    rados_set_pool_full_try(o->io_);  // a full pool fails it: the default is to wait
    co_return o;
}

watched_object::~watched_object() {
    const scoped_cpus here(client_->cpus());
    if (!io_)
        return;
    calls_->wait();
    for (const std::uint64_t watch : calls_->watches)
        rados_unwatch2(io_, watch);
    rados_watch_flush(client_->handle());  // no callback comes after this
    rados_ioctx_destroy(io_);
}

core::error watched_object::failure(int result, const char* what) const {
    const std::string why = result == ours ? "no OSD has answered in time" : std::strerror(-result);
    return {result == ours ? ETIMEDOUT : -result, std::string(what) + ": " + why, where_.name};
}

// ---- Calls.

void watched_object::ended(rados_completion_t c, void* arg) noexcept {
    const std::unique_ptr<std::shared_ptr<call>> owned(static_cast<std::shared_ptr<call>*>(arg));
    call& mine = **owned;
    tsan_acquire_from_ceph(&mine);
    const int result = rados_aio_get_return_value(c);
    rados_aio_release(c);
    mine.ended(result);
    const auto all = mine.all;
    mine.answer(result);
    all->end();
}

/// `start` gives the call to librados; what it returns below 0 is the end of it.
template <class Start>
core::task<int> watched_object::run(std::shared_ptr<call> c, core::nanoseconds limit, Start start) {
    auto owned = std::make_unique<std::shared_ptr<call>>(c);
    rados_completion_t completion;
    if (const int r = rados_aio_create_completion2(owned.get(), &watched_object::ended, &completion); r < 0)
        co_return r;
    calls_->begin();
    tsan_release_to_ceph(c.get());
    auto* const given = owned.release();  // it may be gone when start() returns
    if (const int r = start(completion); r < 0) {
        delete given;
        rados_aio_release(completion);
        calls_->end();
        co_return r;
    }
    core::timer limit_timer(*core::reactor::current(), [c] { c->answer(ours); });
    limit_timer.arm_after(limit);
    co_return co_await c->outcome;
}

core::task<core::result<watched_object::entries>> watched_object::read() {
    const auto keep = shared_from_this();
    const auto c = std::make_shared<read_call>(calls_);
    rados_read_op_omap_get_vals2(c->op, "", "", max_entries, &c->found, &c->more, &c->result);
    const int r = co_await run(c, call_limit, [&](rados_completion_t done) {
        return rados_aio_read_op_operate(c->op, io_, done, where_.name.c_str(), 0);
    });
    if (r < 0)
        co_return tl::make_unexpected(failure(r, "cannot read the object"));
    if (c->result < 0 || c->more)
        co_return tl::make_unexpected(failure(c->more ? -E2BIG : c->result, "cannot read the object's entries"));
    entries all;
    for (;;) {
        char *name = nullptr, *value = nullptr;
        std::size_t name_length = 0, value_length = 0;
        if (const int next = rados_omap_get_next2(c->found, &name, &value, &name_length, &value_length); next < 0)
            co_return tl::make_unexpected(failure(next, "cannot read the object's entries"));
        if (!name)
            co_return all;
        all.emplace(std::string(name, name_length), value ? std::string(value, value_length) : std::string());
    }
}

core::task<core::result<>> watched_object::write(update u) {
    const auto keep = shared_from_this();
    const auto c = std::make_shared<write_call>(calls_);
    if (const auto& [name, value] = u.if_equal; !name.empty())
        rados_write_op_omap_cmp2(c->op, name.c_str(), LIBRADOS_CMPXATTR_OP_EQ, value.data(), name.size(), value.size(),
                                 nullptr);
    std::vector<const char*> names, values;
    std::vector<std::size_t> name_lengths, value_lengths;
    for (const auto& [name, value] : u.set) {
        names.push_back(name.data());
        name_lengths.push_back(name.size());
        values.push_back(value.data());
        value_lengths.push_back(value.size());
    }
    if (!names.empty())
        rados_write_op_omap_set2(c->op, names.data(), values.data(), name_lengths.data(), value_lengths.data(),
                                 names.size());
    names.clear();
    name_lengths.clear();
    for (const std::string& name : u.remove) {
        names.push_back(name.data());
        name_lengths.push_back(name.size());
    }
    if (!names.empty())
        rados_write_op_omap_rm_keys2(c->op, names.data(), name_lengths.data(), names.size());
    const int r = co_await run(c, call_limit, [&](rados_completion_t done) {
        return rados_aio_write_op_operate(c->op, io_, done, where_.name.c_str(), nullptr, 0);
    });
    if (r == -ECANCELED)
        co_return core::fail(ESTALE, "the object has been changed meanwhile", where_.name);
    if (r < 0)
        co_return tl::make_unexpected(failure(r, "cannot write the object"));
    co_return core::result<>();
}

// ---- Watching, and what is sent.

core::task<core::result<>> watched_object::watch(observer& o) {
    const auto keep = shared_from_this();
    const auto lock = co_await watching_.lock();
    observer_ = &o;
    if (watch_)
        co_return core::result<>();
    const auto made = std::make_shared<write_call>(calls_);
    rados_write_op_create(made->op, LIBRADOS_CREATE_IDEMPOTENT, nullptr);
    int r = co_await run(made, call_limit, [&](rados_completion_t done) {
        return rados_aio_write_op_operate(made->op, io_, done, where_.name.c_str(), nullptr, 0);
    });
    if (r < 0)
        co_return tl::make_unexpected(failure(r, "cannot make the object"));
    lost_watches_.clear();
    const auto c = std::make_shared<watch_call>(calls_);
    const auto seconds = static_cast<std::uint32_t>(client_->watch_timeout().count());
    r = co_await run(c, call_limit, [&](rados_completion_t done) {
        return rados_aio_watch2(io_, where_.name.c_str(), done, &c->watch, notified, lost, seconds, this);
    });
    if (r < 0)
        co_return tl::make_unexpected(failure(r, "cannot watch the object"));
    if (lost_watches_.contains(c->watch))  // it was lost before its making was told here
        co_return core::fail(ENOTCONN, "the watch was lost at once", where_.name);
    watch_ = c->watch;
    co_return core::result<>();
}

void watched_object::notified(void* arg, std::uint64_t notify, std::uint64_t watch, std::uint64_t, void* data,
                              std::size_t length) {
    auto& self = *static_cast<watched_object*>(arg);
    auto e = std::make_unique<event>(self.weak_from_this());
    e->notify = notify;
    e->watch = watch;
    e->text.assign(static_cast<const char*>(data), length);
    self.group_.control().post(*e.release());
}

void watched_object::lost(void* arg, std::uint64_t watch, int) {
    auto& self = *static_cast<watched_object*>(arg);
    auto e = std::make_unique<event>(self.weak_from_this());
    e->is_loss = true;
    e->watch = watch;
    self.group_.control().post(*e.release());
}

void watched_object::handle(event& e) {
    if (e.is_loss) {
        if (e.watch == watch_)
            watch_ = 0;
        else if (watching_.is_locked())
            lost_watches_.insert(e.watch);
        if (observer_)
            observer_->watch_lost();
        return;
    }
    const std::uint64_t id = next_id_++;
    received_[id] = {e.notify, e.watch};
    if (observer_)
        observer_->notified(id, std::move(e.text));
    else
        acknowledge(id, std::string());  // else the sender waits for it
}

void watched_object::acknowledge(std::uint64_t id, std::string reply) {
    const auto it = received_.find(id);
    if (it == received_.end())
        return;
    rados_notify_ack(io_, where_.name.c_str(), it->second.notify, it->second.watch, reply.data(),
                     static_cast<int>(reply.size()));
    received_.erase(it);
}

core::task<core::result<std::vector<std::string>>> watched_object::notify(std::string text,
                                                                          std::chrono::milliseconds limit) {
    const auto keep = shared_from_this();
    const auto c = std::make_shared<notify_call>(calls_);
    const int r = co_await run(c, limit + notify_margin, [&](rados_completion_t done) {
        return rados_aio_notify(io_, where_.name.c_str(), done, text.data(), static_cast<int>(text.size()),
                                static_cast<std::uint64_t>(limit.count()), &c->reply, &c->length);
    });
    const bool some_are_silent = r == -ETIMEDOUT && c->reply;
    if (r < 0 && !some_are_silent)
        co_return tl::make_unexpected(failure(r, "cannot reach who watches the object"));
    notify_ack_t* acks = nullptr;
    notify_timeout_t* silent = nullptr;
    std::size_t acks_count = 0, silent_count = 0;
    const int decoded = rados_decode_notify_response(c->reply, c->length, &acks, &acks_count, &silent, &silent_count);
    if (decoded < 0)
        co_return tl::make_unexpected(failure(decoded, "cannot read the answers of who watches the object"));
    std::vector<std::string> replies;
    for (std::size_t i = 0; i < acks_count; ++i)
        replies.emplace_back(acks[i].payload ? std::string(acks[i].payload, acks[i].payload_len) : std::string());
    rados_free_notify_response(acks, acks_count, silent);
    co_return replies;
}

// ---- The map.

/// `work` blocks, and owns what it uses: monitors that are silent hold its thread for longer than this waits.
core::task<core::result<>> watched_object::ask_monitors(std::string what, std::function<core::result<bool>()> work) {
    core::error too_late{ETIMEDOUT, "no monitor has answered in time", where_.name};
    auto threads = client_->threads();
    deadline_call<bool> asking;
    const auto done =
        co_await asking.run(std::move(threads), std::move(what), call_limit, std::move(too_late), std::move(work));
    if (!done)
        co_return tl::make_unexpected(done.error());
    co_return core::result<>();
}

core::task<core::result<>> watched_object::blocklist(std::vector<std::string> addresses, std::chrono::seconds lasts) {
    const auto keep = shared_from_this();
    std::function<core::result<bool>()> work = [keep, addresses = std::move(addresses), lasts]() -> core::result<bool> {
        const scoped_cpus here(keep->client_->cpus());
        for (const std::string& address : addresses) {
            std::string text = address;
            const int added =
                rados_blocklist_add(keep->client_->handle(), text.data(), static_cast<std::uint32_t>(lasts.count()));
            if (added < 0)
                return core::fail(-added,
                                  std::string("cannot put a client on the blocklist: ") + std::strerror(-added) +
                                      ". Does the user have the monitors' \"profile rbd\"?",
                                  address);
        }
        return true;
    };
    std::string what = where_.name + ": putting clients on the blocklist by " + client_->addresses();
    co_return co_await ask_monitors(std::move(what), std::move(work));
}

core::task<core::result<>> watched_object::wait_for_latest_map() {
    const auto keep = shared_from_this();
    std::function<core::result<bool>()> work = [keep]() -> core::result<bool> {
        const scoped_cpus here(keep->client_->cpus());
        if (const int r = rados_wait_for_latest_osdmap(keep->client_->handle()); r < 0)
            return tl::make_unexpected(keep->failure(r, "cannot get the latest map of the cluster"));
        return true;
    };
    std::string what = where_.name + ": getting the latest map of the cluster by " + client_->addresses();
    co_return co_await ask_monitors(std::move(what), std::move(work));
}

}  // namespace causeway::ceph
