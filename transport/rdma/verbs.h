// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/dma_memory.h"
#include "core/result.h"

#include <infiniband/verbs.h>
#include <memory>
#include <string>

namespace causeway::rdma {

template <auto Destroy>
struct verbs_deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        Destroy(object);
    }
};

using pd_ptr = std::unique_ptr<ibv_pd, verbs_deleter<ibv_dealloc_pd>>;
using cq_ptr = std::unique_ptr<ibv_cq, verbs_deleter<ibv_destroy_cq>>;
using srq_ptr = std::unique_ptr<ibv_srq, verbs_deleter<ibv_destroy_srq>>;
using mr_ptr = std::unique_ptr<ibv_mr, verbs_deleter<ibv_dereg_mr>>;
using comp_channel_ptr = std::unique_ptr<ibv_comp_channel, verbs_deleter<ibv_destroy_comp_channel>>;

/// "rxe0: cannot create a completion queue: Invalid argument"
inline tl::unexpected<core::error> verbs_error(int code, std::string what, ibv_context* on = nullptr) {
    what += ": ";
    what += std::strerror(code);
    return core::fail(code, std::move(what), on ? ibv_get_device_name(on->device) : "");
}

/// What a device must be allowed to do with memory that receives commands and data and is the source of responses.
inline constexpr int local_access = IBV_ACCESS_LOCAL_WRITE;

inline core::result<mr_ptr> register_memory(ibv_pd* pd, std::span<std::byte> memory) {
    ibv_mr* mr = ibv_reg_mr(pd, memory.data(), memory.size(), local_access);
    if (!mr)
        return verbs_error(errno, "cannot register " + std::to_string(memory.size()) + " bytes", pd->context);
    return mr_ptr(mr);
}

/// May block: page pinning takes its time.
struct registered_memory {
    core::dma_memory memory;
    mr_ptr mr;  ///< goes first

    static core::result<registered_memory> allocate(ibv_pd* pd, std::size_t bytes) {
        auto memory = core::dma_memory::allocate(bytes);
        if (!memory)
            return tl::make_unexpected(memory.error());
        auto mr = register_memory(pd, memory->bytes());
        if (!mr)
            return tl::make_unexpected(mr.error());
        registered_memory r;
        r.memory = std::move(*memory);
        r.mr = std::move(*mr);
        return r;
    }

    std::byte* data() const noexcept { return memory.data(); }
    std::uint32_t lkey() const noexcept { return mr->lkey; }
};

}  // namespace causeway::rdma
