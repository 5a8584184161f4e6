#include "core/buffer_pool.h"

#include <cassert>
#include <utility>

namespace causeway::core {

namespace {

/// Pages of their own for buffers of at least a page, cache lines of their own for the others.
constexpr std::uint64_t alignment_of(std::uint64_t bytes) noexcept {
    return bytes >= 4096 ? 4096 : 64;
}

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t to) noexcept {
    return (n + to - 1) / to * to;
}

}  // namespace

result<buffer_pool> buffer_pool::create(std::span<const size_class> classes) {
    if (classes.empty() || classes.size() > most_classes)
        return fail(EINVAL, "a buffer pool has one to four sizes");
    std::uint64_t total = 0;
    std::uint32_t previous = 0;
    for (const auto& c : classes) {
        if (c.bytes <= previous || c.count == 0)
            return fail(EINVAL, "sizes of buffers must ascend, and there must be some of each");
        previous = c.bytes;
        total = round_up(total, alignment_of(c.bytes)) + c.count * round_up(c.bytes, alignment_of(c.bytes));
    }

    buffer_pool pool;
    auto memory = dma_memory::allocate(total);
    if (!memory)
        return tl::make_unexpected(std::move(memory.error()));
    pool.memory_ = std::move(*memory);
    std::uint64_t offset = 0;
    for (const auto& c : classes) {
        stock& s = pool.classes_[pool.count_++];
        s.bytes = c.bytes;
        s.free.resize(c.count);
        s.left = c.count;
        offset = round_up(offset, alignment_of(c.bytes));
        for (std::uint32_t i = c.count; i-- > 0; offset += round_up(c.bytes, alignment_of(c.bytes)))
            s.free[i] = pool.memory_.data() + offset;  // taken from the back: the lowest address first
    }
    return pool;
}

buffer_pool::buffer_pool(buffer_pool&& other) noexcept {
    *this = std::move(other);
}

buffer_pool& buffer_pool::operator=(buffer_pool&& other) noexcept {
    for (std::size_t i = 0; i < most_classes; ++i)
        assert(!classes_[i].first && !other.classes_[i].first);
    std::swap(memory_, other.memory_);
    std::swap(classes_, other.classes_);
    std::swap(count_, other.count_);
    waits_.set(other.waits_.get());
    return *this;
}

buffer_pool::stock& buffer_pool::of(std::uint32_t bytes) noexcept {
    assert(bytes <= largest());
    std::size_t i = 0;
    while (classes_[i].bytes < bytes)
        ++i;
    return classes_[i];
}

std::byte* buffer_pool::take(std::uint32_t bytes) noexcept {
    stock& s = of(bytes);
    if (s.left == 0 || s.first)
        return nullptr;
    return s.free[--s.left];
}

void buffer_pool::give_back(std::byte* buffer, std::uint32_t bytes) noexcept {
    assert(buffer >= memory_.data() && buffer < memory_.data() + memory_.size());
    stock& s = of(bytes);
    assert(s.left < s.free.size());
    s.free[s.left++] = buffer;
    if (s.first && !s.serving)
        serve_line(s);
}

/// A loop, and entered once only: who is served may give its buffer back at once, and a long line of such
/// would otherwise be as deep a recursion.
void buffer_pool::serve_line(stock& s) noexcept {
    s.serving = true;
    while (s.first && s.left) {
        waiter& w = *s.first;
        s.first = w.next;
        if (w.next)
            w.next->place = &s.first;
        else
            s.last = nullptr;
        w.place = nullptr;
        w.next = nullptr;
        w.ready(w, s.free[--s.left]);
    }
    s.serving = false;
}

void buffer_pool::wait(waiter& w, std::uint32_t bytes) noexcept {
    assert(!w.place && w.ready);
    stock& s = of(bytes);
    assert(s.left == 0 || s.first || s.serving);
    w.bytes = bytes;
    w.next = nullptr;
    w.place = s.last ? s.last : &s.first;
    *w.place = &w;
    s.last = &w.next;
    waits_.add();
}

void buffer_pool::cancel(waiter& w) noexcept {
    if (!w.place)
        return;
    stock& s = of(w.bytes);
    *w.place = w.next;
    if (w.next)
        w.next->place = w.place;
    else
        s.last = w.place == &s.first ? nullptr : w.place;
    w.place = nullptr;
    w.next = nullptr;
}

}  // namespace causeway::core
