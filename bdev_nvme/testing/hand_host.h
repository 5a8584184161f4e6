// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/testing/controller_model.h"

#include <array>
#include <atomic>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>

// A host without a driver, for tests of the model itself: entries of queues are dwords laid out by hand, from the
// specification's tables.

namespace causeway::bdev_nvme::testing {

/// A submission queue entry.
using entry = std::array<std::uint32_t, 16>;
/// A completion queue entry.
struct answer {
    std::array<std::uint32_t, 4> dw;

    std::uint16_t sqhd() const { return static_cast<std::uint16_t>(dw[2]); }
    std::uint16_t sqid() const { return static_cast<std::uint16_t>(dw[2] >> 16); }
    std::uint16_t cid() const { return static_cast<std::uint16_t>(dw[3]); }
    /// Type and code: 0x102 is command specific, 02h.
    std::uint16_t status() const { return static_cast<std::uint16_t>(dw[3] >> 17 & 0x7ff); }
};

/// Memory of the host, zeroed and aligned to pages.
class pages {
  public:
    static constexpr std::size_t size = 4096;
    explicit pages(std::size_t n)
        : bytes_(n * size), memory_(static_cast<std::byte*>(std::aligned_alloc(size, n * size))) {
        std::memset(memory_.get(), 0, bytes_);
    }
    std::byte* at(std::size_t offset = 0) const { return memory_.get() + offset; }
    std::uint64_t address(std::size_t offset = 0) const {
        return reinterpret_cast<std::uint64_t>(memory_.get() + offset);
    }
    std::uint8_t byte(std::size_t offset) const { return static_cast<std::uint8_t>(*at(offset)); }
    template <class T = std::uint32_t>
    T get(std::size_t offset) const {
        T v;
        std::memcpy(&v, at(offset), sizeof v);
        return v;
    }
    template <class T>
    void set(std::size_t offset, T v) {
        std::memcpy(at(offset), &v, sizeof v);
    }
    std::string text(std::size_t offset, std::size_t n) const { return {reinterpret_cast<const char*>(at(offset)), n}; }
    void fill(std::size_t offset, std::size_t n, int v) { std::memset(at(offset), v, n); }

  private:
    struct freed {
        void operator()(std::byte* p) const { std::free(p); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte, freed> memory_;
};

struct hand_host {
    struct queue {
        queue(std::uint16_t id, std::uint32_t entries) : qid(id), entries(entries), sq(16), cq(4) {}
        std::uint16_t qid;
        std::uint32_t entries;
        pages sq, cq;
        std::uint32_t tail = 0, head = 0;
        bool phase = true;
    };

    explicit hand_host(model_options o = {}) : model(std::move(o)), stride(4u << model.options().dstrd) {
        model.start_dma();
    }

    std::uint32_t reg32(std::size_t at) const { return word<std::uint32_t>(at).load(std::memory_order_relaxed); }
    std::uint64_t reg64(std::size_t at) const { return word<std::uint64_t>(at).load(std::memory_order_relaxed); }
    void set32(std::size_t at, std::uint32_t v) { word<std::uint32_t>(at).store(v, std::memory_order_release); }
    void set64(std::size_t at, std::uint64_t v) { word<std::uint64_t>(at).store(v, std::memory_order_release); }
    std::uint32_t csts() const { return reg32(0x1c); }
    void steps(unsigned n) {
        while (n-- > 0)
            model.step();
    }

    /// AQA, ASQ, ACQ; CC.EN with entries of 64 and 16 bytes; and as long as it takes.
    void enable(std::uint32_t entries = 8) {
        admin.emplace(std::uint16_t{0}, entries);
        set32(0x24, (entries - 1) << 16 | (entries - 1));
        set64(0x28, admin->sq.address());
        set64(0x30, admin->cq.address());
        set32(0x14, 4u << 20 | 6u << 16 | 1);
        for (int i = 0; i < 10 && !(csts() & 1); ++i)
            model.step();
    }
    void disable() {
        set32(0x14, 0);
        for (int i = 0; i < 10 && csts() & 1; ++i)
            model.step();
    }

    void put(queue& q, const entry& e) {
        std::memcpy(q.sq.at(q.tail * 64), e.data(), 64);
        q.tail = (q.tail + 1) % q.entries;
    }
    void ring(queue& q) { set32(0x1000 + 2u * q.qid * stride, q.tail); }
    std::optional<answer> poll(queue& q, bool tell = true) {
        auto* last = reinterpret_cast<std::uint32_t*>(q.cq.at(q.head * 16 + 12));
        if ((std::atomic_ref(*last).load(std::memory_order_acquire) >> 16 & 1) != q.phase)
            return std::nullopt;
        answer a;
        std::memcpy(a.dw.data(), q.cq.at(q.head * 16), 16);
        if (++q.head == q.entries) {
            q.head = 0;
            q.phase = !q.phase;
        }
        if (tell)
            tell_head(q);
        return a;
    }
    void tell_head(queue& q) { set32(0x1000 + (2u * q.qid + 1) * stride, q.head); }

    /// One command from end to end. Its identifier, 0 as it is laid out, is made one of its own.
    answer run(queue& q, entry e) {
        e[0] |= std::uint32_t{++cids} << 16;
        put(q, e);
        ring(q);
        model.step();
        const auto a = poll(q);
        EXPECT_TRUE(a.has_value());
        if (!a)
            return {{0, 0, 0, 0xffffffff}};
        EXPECT_EQ(a->cid(), cids);
        EXPECT_EQ(a->sqid(), q.qid);
        EXPECT_EQ(a->sqhd(), q.tail);
        return *a;
    }
    answer run(const entry& e) { return run(*admin, e); }

    /// Create I/O Completion Queue and Create I/O Submission Queue.
    queue& make_queue(std::uint16_t qid, std::uint32_t entries = 8) {
        auto& q = *(queues[qid] = std::make_unique<queue>(qid, entries));
        EXPECT_EQ(run({0x05, 0, 0, 0, 0, 0, low(q.cq), high(q.cq), 0, 0, (entries - 1) << 16 | qid, 1}).status(), 0);
        EXPECT_EQ(run({0x01, 0, 0, 0, 0, 0, low(q.sq), high(q.sq), 0, 0, (entries - 1) << 16 | qid,
                       std::uint32_t{qid} << 16 | 1})
                      .status(),
                  0);
        return q;
    }

    static std::uint32_t low(const pages& p, std::size_t offset = 0) {
        return static_cast<std::uint32_t>(p.address(offset));
    }
    static std::uint32_t high(const pages& p, std::size_t offset = 0) {
        return static_cast<std::uint32_t>(p.address(offset) >> 32);
    }

    controller_model model;
    std::uint32_t stride;
    std::optional<queue> admin;
    std::map<std::uint16_t, std::unique_ptr<queue>> queues;
    std::uint16_t cids = 0x100;

  private:
    template <class T>
    std::atomic_ref<T> word(std::size_t at) const {
        return std::atomic_ref(*reinterpret_cast<T*>(model.registers().data() + at));
    }
};

/// With a queue pair, and memory for data.
struct hand_host_with_queue : hand_host {
    explicit hand_host_with_queue(model_options o = {}) : hand_host(std::move(o)) {
        enable();
        q = &make_queue(1);
    }
    /// A command of blocks by PRP1 and PRP2.
    static entry blocks(std::uint8_t opcode, std::uint64_t prp1, std::uint64_t prp2, std::uint64_t slba,
                        std::uint32_t count, std::uint32_t nsid = 1) {
        return {opcode,
                nsid,
                0,
                0,
                0,
                0,
                static_cast<std::uint32_t>(prp1),
                static_cast<std::uint32_t>(prp1 >> 32),
                static_cast<std::uint32_t>(prp2),
                static_cast<std::uint32_t>(prp2 >> 32),
                static_cast<std::uint32_t>(slba),
                static_cast<std::uint32_t>(slba >> 32),
                count - 1};
    }
    std::uint16_t status_of(const entry& e) { return run(*q, e).status(); }

    queue* q;
    pages data{64};
};

}  // namespace causeway::bdev_nvme::testing
