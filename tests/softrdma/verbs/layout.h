// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/shared_lock.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <infiniband/verbs.h>
#include <sys/types.h>

// What of a process' adapter other processes see: queues that arriving messages are taken to, and who may touch which
// memory. Only the owner makes, changes the size of, or destroys anything; peers take receives, add completions and set
// bits of `attention`. Places are offsets from the start of the segment, 0 for none.

namespace softrdma {

inline constexpr std::uint32_t max_devices = 8;
inline constexpr std::uint32_t max_queue_pairs = 1u << 13;
inline constexpr std::uint32_t max_completion_queues = 1u << 12;
inline constexpr std::uint32_t max_srqs = 1u << 10;
inline constexpr std::uint32_t max_channels = 1u << 12;
inline constexpr std::uint32_t max_regions = 1u << 16;
inline constexpr std::uint32_t max_sge = 16;

using offset = std::uint64_t;

/// A completion on its way, and what is checked and given back when it is polled.
struct completion {
    ibv_wc wc;
    std::uint32_t position;     ///< sends: of the work request in its send queue; receives: its slot
    offset receives;            ///< of the receive queue that the slot belongs to; 0 for a send
    std::uint64_t fingerprint;  ///< receives: of what arrived
};

/// What a completion queue's next event is raised for.
enum class notify : std::uint32_t { no, solicited, any };

struct shared_completion_queue {
    shared_lock lock;
    std::atomic<std::uint32_t> head;  ///< next to poll; counts on for ever
    std::atomic<std::uint32_t> tail;  ///< next to add
    std::uint32_t capacity;
    offset ring;            ///< of `capacity` completions
    std::uint32_t channel;  ///< 1 + its number; 0 for none
    notify armed;
    std::atomic<std::uint32_t> events;   ///< raised, not yet fetched from the channel
    std::atomic<std::uint32_t> overrun;  ///< completions lost
};

struct shared_channel {
    int fd;                                 ///< an eventfd, in the owner's table
    std::atomic<std::uint32_t> generation;  ///< of this place: peers hold descriptors of their own
};

struct posted_receive {
    std::uint64_t wr_id;
    std::uint64_t fingerprint;  ///< of its buffers when it was posted
    std::uint32_t pd;
    std::uint32_t pieces;
    std::array<ibv_sge, max_sge> sg_list;
};

/// A receive queue of a queue pair, or one that several share.
struct shared_receive_queue {
    shared_lock lock;
    std::uint32_t capacity;  ///< 0: there is none
    std::uint32_t max_pieces;
    std::uint32_t posted;  ///< to be taken
    std::uint32_t first;   ///< of `line`
    std::uint32_t spare;   ///< slots of `spares`
    offset slots;          ///< posted_receive[capacity]
    offset line;           ///< std::uint32_t[capacity]: slots in the order in which they were posted
    offset spares;         ///< std::uint32_t[capacity]: slots that are free
    std::uint32_t limit;   ///< SRQs: an event when fewer are posted; 0 for none
    std::atomic<std::uint32_t> attention;
};

/// What a peer has done that the owner's engine must act upon.
enum attention : std::uint32_t {
    established = 1,  ///< the first message, before the queue pair may send
    access_violated = 2,
    request_violated = 4,
    work_failed = 8,  ///< a receive could not take what came
};

struct shared_queue_pair {
    shared_lock lock;      ///< held while something arrives, so that after an end nothing does
    std::uint32_t number;  ///< 0: free
    ibv_qp_state state;
    std::uint32_t device;
    std::uint32_t pd;
    ibv_gid peer;
    std::uint32_t peer_number;
    std::uint32_t access;
    std::uint32_t max_reads_served;
    std::uint32_t rnr_timer;  ///< code of IBTA 1.4, table 45
    std::uint32_t receive_cq;
    std::uint32_t srq;    ///< 1 + its number; 0 for none
    bool heard;           ///< a message has arrived
    std::uint32_t taken;  ///< 1 + the receive that a message is being copied to; stays if its sender dies over that
    shared_receive_queue receives;
    std::atomic<std::uint32_t> attention;
};

/// Memory that was registered. lkey and rkey are one.
struct shared_region {
    std::atomic<std::uint32_t> key;      ///< 0: free, or going
    std::atomic<std::uint32_t> users;    ///< transfers that touch it now
    std::atomic<std::int32_t> referred;  ///< by work requests that are posted and not polled
    std::atomic<std::uint32_t> access;   ///< ibv_access_flags
    std::uint32_t pd;
    std::uint64_t iova;
    std::uint64_t address;
    std::uint64_t length;
};

struct segment {
    static constexpr std::uint64_t magic_word = 0x31616d6472746673;

    std::uint64_t magic;
    std::uint64_t size;      ///< bytes
    std::uint64_t instance;  ///< drawn by lot; names the process
    pid_t pid;
    int wake_fd;  ///< eventfd of the owner's engine
    std::atomic<std::uint32_t> attention;
    struct device {
        std::atomic<bool> removed;
        std::atomic<bool> port_down;
    };
    std::array<device, max_devices> devices;
    std::array<shared_region, max_regions> regions;
    std::array<shared_queue_pair, max_queue_pairs> queue_pairs;
    std::array<shared_completion_queue, max_completion_queues> completion_queues;
    std::array<shared_receive_queue, max_srqs> srqs;
    std::array<shared_channel, max_channels> channels;

    template <class T>
    T* at(offset place) noexcept {
        return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + place);
    }
    offset of(const void* what) const noexcept {
        return static_cast<offset>(static_cast<const std::byte*>(what) - reinterpret_cast<const std::byte*>(this));
    }
};

/// Queue pair numbers have 24 bits: the place in the table, and how often it was used, so that a stale number names
/// no queue pair.
inline constexpr std::uint32_t queue_pair_place(std::uint32_t number) noexcept {
    return number % max_queue_pairs;
}

/// Keys: the place in the table above 8 bits that change with each use.
inline constexpr std::uint32_t region_place(std::uint32_t key) noexcept {
    return key >> 8;
}

}  // namespace softrdma
