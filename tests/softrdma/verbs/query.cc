// SPDX-License-Identifier: Apache-2.0
// What a device, its port and its tables are.

#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/layout.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/types.h>

using softrdma::context;
using softrdma::device;

namespace softrdma {

int query_port(ibv_context* base, std::uint8_t port, ibv_port_attr* out, std::size_t size) {
    if (port != 1)
        return EINVAL;
    const bool down = context::of(base).on().port_down() || context::of(base).on().removed();
    ibv_port_attr a{};
    a.state = down ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
    a.max_mtu = a.active_mtu = IBV_MTU_4096;
    a.gid_tbl_len = 1;
    a.port_cap_flags = IBV_PORT_CM_SUP | IBV_PORT_IP_BASED_GIDS;
    a.max_msg_sz = longest_message;
    a.pkey_tbl_len = 1;
    a.max_vl_num = 1;
    a.active_width = 2;
    a.active_speed = 32;
    a.phys_state = down ? 3 : 5;
    a.link_layer = IBV_LINK_LAYER_ETHERNET;
    std::memset(out, 0, size);
    std::memcpy(out, &a, std::min(size, sizeof a));
    return 0;
}

}  // namespace softrdma

extern "C" {

int ibv_query_device(ibv_context* base, ibv_device_attr* a) {
    using namespace softrdma;
    const device& d = context::of(base).on();
    *a = {};
    std::strcpy(a->fw_ver, "softrdma 1");
    std::memcpy(&a->node_guid, d.gid.raw + 8, sizeof a->node_guid);
    a->sys_image_guid = a->node_guid;
    a->max_mr_size = 1ull << 40;
    a->page_size_cap = 0xfffff000;
    a->vendor_id = 0x50f7;
    a->vendor_part_id = 1;
    a->hw_ver = 1;
    a->max_qp = max_queue_pairs;
    a->max_qp_wr = max_work_requests;
    a->device_cap_flags = IBV_DEVICE_MEM_MGT_EXTENSIONS | IBV_DEVICE_RC_RNR_NAK_GEN | IBV_DEVICE_PORT_ACTIVE_EVENT |
                          IBV_DEVICE_SYS_IMAGE_GUID;
    a->max_sge = a->max_sge_rd = a->max_srq_sge = max_sge;
    a->max_cq = max_completion_queues;
    a->max_cqe = max_completions;
    a->max_mr = max_regions - 1;
    a->max_pd = 1 << 16;
    a->max_qp_rd_atom = a->max_qp_init_rd_atom = max_reads;
    a->max_res_rd_atom = max_reads * static_cast<int>(max_queue_pairs);
    a->atomic_cap = IBV_ATOMIC_NONE;
    a->max_srq = max_srqs;
    a->max_srq_wr = max_work_requests;
    a->max_pkeys = 1;
    a->local_ca_ack_delay = 15;
    a->phys_port_cnt = 1;
    return 0;
}

#undef ibv_query_port
int ibv_query_port(ibv_context* base, std::uint8_t port, _compat_ibv_port_attr* out) {
    // Callers of this old entry have room for the attributes up to link_layer.
    return softrdma::query_port(base, port, reinterpret_cast<ibv_port_attr*>(out), offsetof(ibv_port_attr, flags));
}

int ibv_query_gid(ibv_context* base, std::uint8_t port, int index, ibv_gid* gid) {
    if (port != 1 || index != 0) {
        errno = EINVAL;
        return -1;
    }
    *gid = context::of(base).on().gid;
    return 0;
}

/// As sysfs has it: 0 for InfiniBand and RoCE v1, 1 for RoCE v2.
int ibv_query_gid_type(ibv_context*, std::uint8_t port, unsigned index, unsigned* type) {
    if (port != 1 || index != 0) {
        errno = EINVAL;
        return -1;
    }
    *type = 1;
    return 0;
}

int _ibv_query_gid_ex(ibv_context* base, std::uint32_t port, std::uint32_t index, ibv_gid_entry* entry,
                      std::uint32_t flags, std::size_t size) {
    if (port != 1 || flags)
        return EINVAL;
    if (index != 0)
        return ENODATA;
    ibv_gid_entry e{};
    e.gid = context::of(base).on().gid;
    e.port_num = 1;
    e.gid_type = IBV_GID_TYPE_ROCE_V2;
    std::memset(entry, 0, size);
    std::memcpy(entry, &e, std::min(size, sizeof e));
    return 0;
}

ssize_t _ibv_query_gid_table(ibv_context* base, ibv_gid_entry* entries, std::size_t most, std::uint32_t flags,
                             std::size_t size) {
    if (most == 0)
        return -EINVAL;
    const int rc = _ibv_query_gid_ex(base, 1, 0, entries, flags, size);
    return rc ? -rc : 1;
}

int ibv_query_pkey(ibv_context*, std::uint8_t port, int index, __be16* pkey) {
    if (port != 1 || index != 0) {
        errno = EINVAL;
        return -1;
    }
    *pkey = htons(0xffff);
    return 0;
}

int ibv_get_pkey_index(ibv_context*, std::uint8_t port, __be16 pkey) {
    return port == 1 && pkey == htons(0xffff) ? 0 : -1;
}

/// There is no sysfs behind these devices.
int ibv_read_sysfs_file(const char*, const char*, char*, std::size_t) {
    return -1;
}

int ibv_read_ibdev_sysfs_file(char*, std::size_t, ibv_device*, const char*, ...) {
    return -1;
}

const char* ibv_get_sysfs_path() {
    return "/sys";
}

int ibv_resolve_eth_l2_from_gid(ibv_context*, ibv_ah_attr*, std::uint8_t mac[ETHERNET_LL_SIZE], std::uint16_t* vlan) {
    // A locally administered address; nothing is sent to it.
    constexpr std::uint8_t any[ETHERNET_LL_SIZE] = {2, 's', 'o', 'f', 't', 0};
    std::memcpy(mac, any, sizeof any);
    if (vlan)
        *vlan = 0xffff;
    return 0;
}
}
