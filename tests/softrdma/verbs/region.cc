// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/region.h"

#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/record.h"

#include <algorithm>
#include <thread>
#include <vector>

namespace softrdma {

namespace {

std::atomic<std::uint32_t> next_domain{1};

constexpr std::uint32_t remote_rights = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
constexpr unsigned known_rights = IBV_ACCESS_LOCAL_WRITE | remote_rights | IBV_ACCESS_MW_BIND | IBV_ACCESS_ZERO_BASED |
                                  IBV_ACCESS_HUGETLB | IBV_ACCESS_OPTIONAL_RANGE;

shared_region* region_of(segment& in, std::uint32_t key) noexcept {
    const std::uint32_t place = region_place(key);
    return key != 0 && place < max_regions ? &in.regions[place] : nullptr;
}

/// Null if `key` does not give `access` to these bytes; otherwise its owner cannot deregister it until `users` is taken
/// back.
shared_region* begin_use(segment& in, std::uint32_t key, std::uint32_t pd, std::uint64_t iova, std::uint64_t length,
                         std::uint32_t access) noexcept {
    shared_region* r = region_of(in, key);
    if (!r)
        return nullptr;
    ++r->users;  // before the key is read: whoever takes the key away waits for us
    if (r->key.load() == key && r->pd == pd && (r->access.load() & access) == access && iova >= r->iova &&
        length <= r->length && iova - r->iova <= r->length - length)
        return r;
    --r->users;
    return nullptr;
}

void* address_in(const shared_region& r, std::uint64_t iova) noexcept {
    return reinterpret_cast<void*>(r.address + (iova - r.iova));
}

ibv_mr* make_region(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova, unsigned access) {
    const bool remote_without_local =
        (access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) && !(access & IBV_ACCESS_LOCAL_WRITE);
    if (access & ~known_rights || remote_without_local || length == 0)
        return refuse<ibv_mr*>(EINVAL);
    if (context::of(pd->context).on().removed())
        return refuse<ibv_mr*>(EIO);
    process& own = process::self();
    const auto place = own.region_places.take();
    if (!place)
        return refuse<ibv_mr*>(ENOMEM);
    const std::uint32_t key = place->number << 8 | (place->times & 0xff);
    shared_region* const shared = &own.memory().regions[place->number];
    auto& domain = protection_domain::of(pd);
    ++domain.users;
    shared->pd = domain.number;
    shared->iova = iova;
    shared->address = reinterpret_cast<std::uint64_t>(address);
    shared->length = length;
    shared->access = access;
    shared->referred = 0;
    shared->key = key;
    auto* mr = new ibv_mr{};
    mr->context = pd->context;
    mr->pd = pd;
    mr->addr = address;
    mr->length = length;
    mr->handle = place->number;
    mr->lkey = mr->rkey = key;
    return mr;
}

}  // namespace

region_use::region_use(segment& in, std::uint32_t key, std::uint32_t pd, std::uint64_t iova, std::uint64_t length,
                       std::uint32_t access) noexcept
    : region_(begin_use(in, key, pd, iova, length, access)) {
    if (region_)
        address_ = address_in(*region_, iova);
}

region_use::~region_use() {
    if (region_)
        --region_->users;
}

buffers::buffers(segment& in, std::span<const ibv_sge> list, std::uint32_t pd, std::uint32_t access) noexcept {
    for (const ibv_sge& p : list) {
        if (p.length == 0)
            continue;
        shared_region* r = begin_use(in, p.lkey, pd, p.addr, p.length, access);
        if (!r) {
            valid_ = false;
            return;
        }
        regions_[count_] = r;
        pieces_[count_++] = {address_in(*r, p.addr), p.length};
        length_ += p.length;
    }
}

buffers::~buffers() {
    for (std::size_t i = 0; i < count_; ++i)
        --regions_[i]->users;
}

std::span<const iovec> buffers::pieces(std::uint64_t length) noexcept {
    std::size_t n = 0;
    for (; n < count_ && length > 0; ++n) {
        pieces_[n].iov_len = std::min<std::uint64_t>(pieces_[n].iov_len, length);
        length -= pieces_[n].iov_len;
    }
    return {pieces_.data(), n};
}

bool invalidate(segment& in, std::uint32_t key, std::uint32_t pd) noexcept {
    shared_region* r = region_of(in, key);
    return r && r->key.load() == key && r->pd == pd && (r->access.fetch_and(~remote_rights) & remote_rights);
}

void refer_to(segment& own, std::span<const ibv_sge> pieces, int change) noexcept {
    for (const ibv_sge& p : pieces)
        if (shared_region* r = region_of(own, p.lkey); r && r->key.load() == p.lkey)
            r->referred += change;
}

}  // namespace softrdma

using namespace softrdma;

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

extern "C" {

ibv_pd* ibv_alloc_pd(ibv_context* c) {
    if (context::of(c).on().removed())
        return refuse<ibv_pd*>(EIO);
    auto* pd = new protection_domain{};
    pd->context = c;
    pd->number = next_domain++;
    pd->handle = pd->number;
    return pd;
}

int ibv_dealloc_pd(ibv_pd* pd) {
    if (protection_domain::of(pd).users != 0)
        return EBUSY;
    delete &protection_domain::of(pd);
    return 0;
}

ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova, unsigned access) {
    return make_region(pd, address, length, access & IBV_ACCESS_ZERO_BASED ? 0 : iova, access);
}

ibv_mr* ibv_reg_mr(ibv_pd* pd, void* address, std::size_t length, int access) {
    return ibv_reg_mr_iova2(pd, address, length, reinterpret_cast<std::uint64_t>(address),
                            static_cast<unsigned>(access));
}

ibv_mr* ibv_reg_mr_iova(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova, int access) {
    return ibv_reg_mr_iova2(pd, address, length, iova, static_cast<unsigned>(access));
}

int ibv_dereg_mr(ibv_mr* mr) {
    shared_region& r = process::self().memory().regions[mr->handle];
    r.key = 0;
    if (const int n = r.referred.load(); n > 0)
        record::violation("a region of " + std::to_string(mr->length) + " bytes is deregistered while " +
                          std::to_string(n) + " posted buffers lie in it");
    // Transfers end, unless the peer that does one has just died in it.
    const auto patience = clock::now() + std::chrono::seconds(2);
    while (r.users.load() != 0 && clock::now() < patience)
        std::this_thread::yield();
    r.users = 0;
    process::self().region_places.give_back(mr->handle);
    --protection_domain::of(mr->pd).users;
    delete mr;
    return 0;
}
}
