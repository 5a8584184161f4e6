#include "core/reactor.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace causeway::core {

thread_local reactor* reactor::current_ = nullptr;

namespace {

// A busy reactor spends one system call per this long on descriptors that nobody hurries for.
constexpr auto descriptor_check_period = std::chrono::microseconds(500);

int checked(int fd, const char* what) {
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), what);
    return fd;
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

reactor::reactor(reactor_group& group, unsigned index, unsigned cpu, const clock& time,
                 reactor_options options)
    : group_(group), index_(index), cpu_(cpu), name_("reactor_" + std::to_string(index)), time_(time),
      options_(options), now_(time.now()), last_work_(now_),
      busy_poll_ticks_(time.to_ticks(options.busy_poll_window)),
      descriptor_check_ticks_(time.to_ticks(descriptor_check_period)),
      epoll_fd_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      event_fd_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
    epoll_event e{.events = EPOLLIN, .data = {.ptr = nullptr}};
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
    const ticks begin = now_ = time_.now();

    const unsigned messages = mailbox_.drain();
    unsigned events = messages;
    events += run_timers();
    if (!watches_.empty() && begin >= next_descriptor_check_) {
        next_descriptor_check_ = begin + descriptor_check_ticks_;
        events += run_descriptors(0);
    }
    events += run_pollers();

    const ticks end = time_.now();
    (events ? stats_.busy_ticks : stats_.idle_ticks).add(end - begin);
    stats_.turns.add();
    stats_.messages.add(messages);
    current_ = outer;
    return events;
}

unsigned reactor::run_timers() noexcept {
    unsigned count = 0;
    // Only what is due now: a timer that arms itself with no delay waits for the next turn.
    const std::size_t most = timers_.size();
    while (count < most) {
        timer* t = timers_.earliest();
        if (!t || t->due_ > now_)
            break;
        timers_.remove(*t);
        if (t->period_) {
            t->due_ = now_ + t->period_;
            timers_.insert(*t);
        }
        ++count;
        const auto function = t->function_;  // a copy: the function may destroy its timer
        function();
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
            now_ = after;
            events += n;
        }
    }
    for (polling_ = 0; polling_ < pollers_.size(); ++polling_)
        pollers_[polling_].object->flush();
    in_pollers_ = false;
    retired_.clear();
    return events;
}

unsigned reactor::run_descriptors(int timeout_ms) noexcept {
    std::array<epoll_event, 32> ready;
    const int n = epoll_wait(epoll_fd_, ready.data(), ready.size(), timeout_ms);
    unsigned count = 0;
    for (int i = 0; i < n; ++i) {
        if (ready[i].data.ptr == nullptr) {
            std::uint64_t ignored;
            [[maybe_unused]] auto r = ::read(event_fd_, &ignored, sizeof ignored);
            continue;
        }
        // A handler may have destroyed a later watch of this batch.
        const auto it = std::find_if(watches_.begin(), watches_.end(),
                                     [&](const auto& w) { return w.second == ready[i].data.ptr; });
        if (it == watches_.end())
            continue;
        ++count;
        const auto function = it->second->function_;
        function(ready[i].events);
    }
    return count;
}

void reactor::run() noexcept {
    thread_id_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_relaxed);
    last_work_ = time_.now();
    while (!stop_.load(std::memory_order_acquire)) {
        if (turn())
            last_work_ = now_;
        else if (!options_.never_sleep && now_ - last_work_ >= busy_poll_ticks_)
            sleep();
        else
            __builtin_ia32_pause();
    }
}

int reactor::sleep_limit_ms() const noexcept {
    const ticks due = next_timer();
    if (due == std::numeric_limits<ticks>::max())
        return -1;
    const ticks now = time_.now();
    if (due <= now)
        return 0;
    // Rounded up, or the last millisecond would be spent in waits of 0.
    const auto ms = (time_.to_nanoseconds(due - now).count() + 999'999) / 1'000'000;
    return static_cast<int>(std::min<std::int64_t>(ms, 60'000));
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

void reactor::disarm(std::size_t armed) noexcept {
    for (std::size_t i = 0; i < armed && i < pollers_.size(); ++i)
        pollers_[i].object->disarm();
}

void reactor::sleep() noexcept {
    const ticks begin = time_.now();
    reactor* const outer = std::exchange(current_, this);
    if (arm_all()) {
        // The mailbox last: from here on every push wakes us. Stop is looked at after that, for it wakes only once.
        if (mailbox_.arm()) {
            const bool stay = stop_.load(std::memory_order_acquire);
            run_descriptors(stay ? 0 : sleep_limit_ms());
            mailbox_.disarm();
        }
        disarm(pollers_.size());
    }
    current_ = outer;
    const ticks slept = time_.now() - begin;
    stats_.idle_ticks.add(slept);
    stats_.sleep_ticks.add(slept);
    stats_.sleeps.add();
}

void reactor::add(std::string_view name, poller& p) {
    pollers_.push_back({name, &p, std::make_unique<poller_statistics>()});
}

void reactor::remove(poller& p) noexcept {
    const auto it =
        std::find_if(pollers_.begin(), pollers_.end(), [&](const auto& r) { return r.object == &p; });
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

void reactor::watch(int fd, std::uint32_t events, fd_watch& w) {
    epoll_event e{.events = events, .data = {.ptr = &w}};
    const int op = watches_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    checked(epoll_ctl(epoll_fd_, op, fd, &e), "epoll_ctl");
    watches_[fd] = &w;
}

void reactor::unwatch(int fd) noexcept {
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    watches_.erase(fd);
}

poller_registration::poller_registration(reactor& r, std::string_view name, poller& p)
    : reactor_(&r), poller_(&p) {
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
    reactor_.watch(fd_, epoll_events, *this);
}

fd_watch::~fd_watch() {
    reactor_.unwatch(fd_);
}

void fd_watch::set_events(std::uint32_t epoll_events) {
    reactor_.watch(fd_, epoll_events, *this);
}

}  // namespace causeway::core
