// SPDX-License-Identifier: Apache-2.0
#include "core/reactor.h"

#include "core/log_event.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace causeway::core {

constinit thread_local reactor* reactor::current_ = nullptr;

namespace {

// A busy reactor makes one system call per this period for its descriptors, which are not urgent.
constexpr auto descriptor_check_period = std::chrono::microseconds(500);

constexpr auto no_limit = nanoseconds::max();

constexpr std::uint64_t wake_up = 0;  // stands for the eventfd among the numbers of watches

int checked(int fd, const char* what) {
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), what);
    return fd;
}

/// As epoll_wait(), for as long as `timeout` says and not the whole milliseconds around it: where commands wait for a
/// limit, a millisecond is the credit of many. Kernels before 5.11 and valgrind do not know the call.
int wait_precisely(int epoll_fd, epoll_event* ready, int size, nanoseconds timeout) noexcept {
    static std::atomic<bool> missing{false};
    if (!missing.load(std::memory_order_relaxed)) {
        const auto s = std::chrono::floor<std::chrono::seconds>(timeout);
        const timespec limit{static_cast<time_t>(s.count()), static_cast<long>((timeout - s).count())};
        const int n = ::epoll_pwait2(epoll_fd, ready, size, timeout == no_limit ? nullptr : &limit, nullptr);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        missing.store(true, std::memory_order_relaxed);
    }
    // Rounded up, or the last millisecond would be spent in waits of 0.
    const auto ms = timeout == no_limit ? -1 : std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    return ::epoll_wait(epoll_fd, ready, size, static_cast<int>(ms));
}

class posted_function final : public message {
  public:
    explicit posted_function(std::function<void()> f) : message(&run), function_(std::move(f)) {}

  private:
    static void run(message& m) noexcept {
        std::unique_ptr<posted_function> self(static_cast<posted_function*>(&m));
        self->function_();
    }
    std::function<void()> function_;
};

}  // namespace

reactor::reactor(reactor_group& group, unsigned index, unsigned cpu, const clock& time, reactor_options options)
    : group_(group), index_(index), cpu_(cpu), name_("reactor_" + std::to_string(index)), time_(time),
      options_(options), now_(time.now()), last_work_(now_), busy_poll_(time.to_ticks(options.busy_poll_window)),
      descriptor_check_ticks_(time.to_ticks(descriptor_check_period)),
      epoll_fd_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      event_fd_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
    // Edge-triggered, so the eventfd never has to be read.
    epoll_event e{.events = EPOLLIN | EPOLLET, .data = {.u64 = wake_up}};
    checked(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, event_fd_, &e), "epoll_ctl");
}

reactor::~reactor() {
    ::close(event_fd_);
    ::close(epoll_fd_);
}

void reactor::execute(std::function<void()> f) {
    post(*new posted_function(std::move(f)));
}

void reactor::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(event_fd_, &one, sizeof one);  // full means: already woken
}

void reactor::stop() noexcept {
    stop_.store(true, std::memory_order_release);
    wake();
}

ticks reactor::next_timer() const noexcept {
    const timer* t = timers_.earliest();
    return t ? t->due_ : std::numeric_limits<ticks>::max();
}

unsigned reactor::turn() noexcept {
    reactor* const outer = std::exchange(current_, this);
    const ticks begin = time_.now();
    advance(begin);

    unsigned messages = mailbox_.drain(options_.message_budget);
    if (!background_.empty())
        messages += background_.run(options_.background_budget);
    unsigned events = messages;
    events += run_timers();
    if (ready_count_ == 0 && !watches_.empty() && begin >= next_descriptor_check_)
        wait_for_descriptors(nanoseconds(0));
    if (ready_count_)
        events += run_descriptors();
    if (events)
        advance(time_.now());  // or the first busy poller would be charged with all this
    events += run_pollers();

    const ticks end = time_.now();
    (events ? stats_.busy_ticks : stats_.idle_ticks).add(end - begin);
    stats_.turns.add();
    stats_.messages.add(messages);
    advance(end);
    current_ = outer;
    return events;
}

void reactor::record_stall(nanoseconds length) noexcept {
    now_ = time_.now();
    stats_.stalls.add();
    log::report(log::event::reactor_stalled, {{"reactor", name_}, {"ms", length / std::chrono::milliseconds(1)}},
                "{} stalled for {} ms: it does not run writes that it received before, and asks their hosts to retry",
                name_, length / std::chrono::milliseconds(1));
}

unsigned reactor::run_timers() noexcept {
    unsigned count = 0;
    // Only what is armed by now: a timer that arms itself with no delay waits for the next turn.
    const std::uint64_t next_turns = timers_.inserted();
    for (;;) {
        timer* t = timers_.earliest();
        if (!t || t->due_ > now_ || t->sequence_ >= next_turns)
            break;
        timers_.remove(*t);
        if (t->period_) {
            t->due_ = now_ + t->period_;
            timers_.insert(*t);
        }
        ++count;
        t->function_();
    }
    return count;
}

unsigned reactor::run_pollers() noexcept {
    unsigned events = 0;
    in_pollers_ = true;
    for (polling_ = 0; polling_ < pollers_.size(); ++polling_) {
        auto* const stats = pollers_[polling_].stats.get();
        const unsigned n = pollers_[polling_].object->poll(options_.poll_budget);
        stats->runs.add();
        if (n) {
            const ticks after = time_.now();
            stats->busy_runs.add();
            stats->busy_ticks.add(after - now_);
            advance(after);
            events += n;
        }
    }
    for (polling_ = 0; polling_ < pollers_.size(); ++polling_)
        pollers_[polling_].object->flush();
    in_pollers_ = false;
    retired_.clear();
    return events;
}

void reactor::wait_for_descriptors(nanoseconds timeout) noexcept {
    const auto size = static_cast<int>(ready_.size());
    const int n = timeout == nanoseconds(0) ? ::epoll_wait(epoll_fd_, ready_.data(), size, 0)
                                            : wait_precisely(epoll_fd_, ready_.data(), size, timeout);
    ready_count_ = n > 0 ? static_cast<std::size_t>(n) : 0;  // interrupted: as good as nothing
    next_descriptor_check_ = time_.now() + descriptor_check_ticks_;
}

unsigned reactor::run_descriptors() noexcept {
    unsigned count = 0;
    for (std::size_t i = 0; i < ready_count_; ++i) {
        // The watch may be gone: its descriptor was found ready before something else destroyed it.
        // A copy: the struct is packed, and a reference must be aligned.
        const std::uint64_t number = ready_[i].data.u64;
        const auto it = watches_.find(number);
        if (it == watches_.end())
            continue;
        ++count;
        it->second->function_(ready_[i].events);
    }
    ready_count_ = 0;
    return count;
}

void reactor::run() noexcept {
    thread_id_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_relaxed);
    last_work_ = now_ = time_.now();
    stall_ticks_ = time_.to_ticks(options_.stall_limit);
    bool waited = false;
    while (!stop_.load(std::memory_order_acquire)) {
        if (turn()) {
            if (std::exchange(waited, false))
                busy_poll_.worked_after(now_ - last_work_);
            last_work_ = now_;
            continue;
        }
        waited = true;
        if (!options_.never_sleep && now_ - last_work_ >= busy_poll_.limit())
            sleep();
        else
            __builtin_ia32_pause();
    }
    // All that was posted before stop(), however much it is.
    while (has_rest())
        turn();
    turn();
    while (has_rest())
        turn();
    stall_ticks_ = std::numeric_limits<ticks>::max();
}

nanoseconds reactor::sleep_limit() const noexcept {
    // Sleeps are kept below the stall limit, so that a longer one is known to have been a stall. Without pollers
    // nothing arrives that could be out of date.
    const nanoseconds longest = pollers_.empty() ? std::chrono::minutes(1) : options_.stall_limit / 2;
    const ticks due = next_timer();
    if (due == std::numeric_limits<ticks>::max())
        return pollers_.empty() ? no_limit : longest;
    const ticks now = time_.now();
    return due <= now ? nanoseconds(0) : std::min(longest, time_.to_nanoseconds(due - now) + nanoseconds(1));
}

bool reactor::arm_all() noexcept {
    for (std::size_t i = 0; i < pollers_.size(); ++i) {
        if (!pollers_[i].object->arm()) {
            disarm(i);
            return false;
        }
    }
    return true;
}

bool reactor::arm_mailboxes() noexcept {
    if (!mailbox_.arm())
        return false;
    if (background_.arm())
        return true;
    mailbox_.disarm();
    return false;
}

void reactor::disarm(std::size_t armed) noexcept {
    for (std::size_t i = 0; i < armed && i < pollers_.size(); ++i)
        pollers_[i].object->disarm();
}

void reactor::sleep() noexcept {
    const ticks begin = time_.now();
    advance(begin);
    reactor* const outer = std::exchange(current_, this);
    bool slept = false;
    if (arm_all()) {
        // The mailboxes last: from here on every push wakes us.
        if (arm_mailboxes()) {
            slept = true;
            stats_.sleeps.add();
            // Looked at after arming: the wake-up that came with it may have been taken by an earlier wait.
            const bool stopping = stop_.load(std::memory_order_acquire);
            wait_for_descriptors(stopping ? nanoseconds(0) : sleep_limit());
            mailbox_.disarm();
            background_.disarm();
        }
        disarm(pollers_.size());
    }
    current_ = outer;
    const ticks end = time_.now();
    if (pollers_.empty())
        now_ = end;  // as long as it liked
    else
        advance(end);
    stats_.idle_ticks.add(end - begin);
    if (slept) {
        stats_.sleep_ticks.add(end - begin);
    } else {
        last_work_ = end;  // asked again after another window, for arming and disarming costs
    }
}

bool reactor::idle() noexcept {
    if (has_messages() || next_timer() <= time_.now())
        return false;
    reactor* const outer = std::exchange(current_, this);
    const bool agreed = arm_all();
    if (agreed)
        disarm(pollers_.size());
    current_ = outer;
    return agreed;
}

void reactor::add(std::string_view name, poller& p) {
    pollers_.push_back({name, &p, std::make_unique<poller_statistics>()});
}

void reactor::remove(poller& p) noexcept {
    const auto it = std::find_if(pollers_.begin(), pollers_.end(), [&](const auto& r) { return r.object == &p; });
    assert(it != pollers_.end());
    const auto i = static_cast<std::size_t>(it - pollers_.begin());
    if (in_pollers_) {
        retired_.push_back(std::move(*it));  // its statistics may still be written to in this turn
        if (i <= polling_)
            --polling_;  // wraps to the highest value for the first one, and back by the loop's ++
    }
    pollers_.erase(it);
}

std::vector<reactor::poller_view> reactor::pollers() const {
    std::vector<poller_view> all;
    for (const auto& p : pollers_)
        all.push_back({p.name, p.stats->runs.get(), p.stats->busy_runs.get(), p.stats->busy_ticks.get()});
    return all;
}

void reactor::watch(fd_watch& w, std::uint32_t events) {
    w.number_ = ++last_watch_;
    epoll_event e{.events = events, .data = {.u64 = w.number_}};
    checked(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, w.fd_, &e), "epoll_ctl");
    watches_[w.number_] = &w;
}

void reactor::rewatch(fd_watch& w, std::uint32_t events) {
    epoll_event e{.events = events, .data = {.u64 = w.number_}};
    checked(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, w.fd_, &e), "epoll_ctl");
}

void reactor::unwatch(fd_watch& w) noexcept {
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, w.fd_, nullptr);
    watches_.erase(w.number_);
}

poller_registration::poller_registration(reactor& r, std::string_view name, poller& p) : reactor_(&r), poller_(&p) {
    r.add(name, p);
}

poller_registration::poller_registration(poller_registration&& other) noexcept
    : reactor_(std::exchange(other.reactor_, nullptr)), poller_(std::exchange(other.poller_, nullptr)) {}

poller_registration& poller_registration::operator=(poller_registration&& other) noexcept {
    if (this != &other) {
        reset();
        reactor_ = std::exchange(other.reactor_, nullptr);
        poller_ = std::exchange(other.poller_, nullptr);
    }
    return *this;
}

poller_registration::~poller_registration() {
    reset();
}

void poller_registration::reset() noexcept {
    if (reactor_)
        std::exchange(reactor_, nullptr)->remove(*poller_);
}

fd_watch::fd_watch(reactor& r, int fd, std::uint32_t epoll_events, function f)
    : reactor_(r), fd_(fd), function_(std::move(f)) {
    reactor_.watch(*this, epoll_events);
}

fd_watch::~fd_watch() {
    reactor_.unwatch(*this);
}

void fd_watch::set_events(std::uint32_t epoll_events) {
    reactor_.rewatch(*this, epoll_events);
}

}  // namespace causeway::core
