// SPDX-License-Identifier: Apache-2.0
// What this fabric does not have, said with EOPNOTSUPP. Binaries link to all of it, whether they use it or not.

#include <cerrno>
#include <cstdint>
#include <infiniband/verbs.h>

namespace {

int no() {
    errno = EOPNOTSUPP;
    return EOPNOTSUPP;
}

template <class T>
T* none() {
    errno = EOPNOTSUPP;
    return nullptr;
}

}  // namespace

extern "C" {

// Datagrams and multicast.
ibv_ah* ibv_create_ah(ibv_pd*, ibv_ah_attr*) {
    return none<ibv_ah>();
}
ibv_ah* ibv_create_ah_from_wc(ibv_pd*, ibv_wc*, ibv_grh*, std::uint8_t) {
    return none<ibv_ah>();
}
int ibv_init_ah_from_wc(ibv_context*, std::uint8_t, ibv_wc*, ibv_grh*, ibv_ah_attr*) {
    no();
    return -1;
}
int ibv_destroy_ah(ibv_ah*) {
    return no();
}
int ibv_attach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) {
    return no();
}
int ibv_detach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) {
    return no();
}

// Regions that change, and those of other devices.
int ibv_rereg_mr(ibv_mr*, int, ibv_pd*, void*, std::size_t, int) {
    no();
    return IBV_REREG_MR_ERR_INPUT;
}
ibv_mr* ibv_reg_dmabuf_mr(ibv_pd*, std::uint64_t, std::size_t, std::uint64_t, int, int) {
    return none<ibv_mr>();
}

// Objects of other processes.
ibv_context* ibv_import_device(int) {
    return none<ibv_context>();
}
ibv_pd* ibv_import_pd(ibv_context*, std::uint32_t) {
    return none<ibv_pd>();
}
void ibv_unimport_pd(ibv_pd*) {}
ibv_mr* ibv_import_mr(ibv_pd*, std::uint32_t) {
    return none<ibv_mr>();
}
void ibv_unimport_mr(ibv_mr*) {}
ibv_dm* ibv_import_dm(ibv_context*, std::uint32_t) {
    return none<ibv_dm>();
}
void ibv_unimport_dm(ibv_dm*) {}

int ibv_set_ece(ibv_qp*, ibv_ece*) {
    return no();
}
int ibv_query_ece(ibv_qp*, ibv_ece*) {
    return no();
}
int ibv_query_qp_data_in_order(ibv_qp*, ibv_wr_opcode, std::uint32_t) {
    return 0;
}  // nothing is promised

// Registered memory is not pinned: a child's copy is as good as any.
int ibv_fork_init() {
    return 0;
}
ibv_fork_status ibv_is_fork_initialized() {
    return IBV_FORK_UNNEEDED;
}
int ibv_dontfork_range(void*, std::size_t) {
    return 0;
}
int ibv_dofork_range(void*, std::size_t) {
    return 0;
}

// Drivers of hardware may be loaded by the binaries that name them. They register, and find no device to drive.
bool verbs_allow_disassociate_destroy = false;
void verbs_register_driver_34(const void*) {}
void ibv_register_driver(const char*, void*) {}
void verbs_uninit_context(void*) {}
void verbs_set_ops(void*, const void*) {}
void verbs_init_cq(ibv_cq*, ibv_context*, ibv_comp_channel*, void*) {}
void __verbs_log(void*, std::uint32_t, const char*, ...) {}
unsigned __ioctl_final_num_attrs(unsigned attributes, void*) {
    return attributes;
}
void* _verbs_init_and_alloc_context(ibv_device*, int, std::size_t, void*, std::uint32_t) {
    return none<void>();
}
ibv_context* verbs_open_device(ibv_device*, void*) {
    return none<ibv_context>();
}

#define REFUSED(name)                                                                                                  \
    int name() {                                                                                                       \
        return no();                                                                                                   \
    }
// Conversions of what a kernel's connection manager says: there is none.
REFUSED(ibv_copy_ah_attr_from_kern)
REFUSED(ibv_copy_path_rec_from_kern)
REFUSED(ibv_copy_path_rec_to_kern)
REFUSED(ibv_copy_qp_attr_from_kern)
// What drivers ask the kernel.
REFUSED(execute_ioctl)
REFUSED(ibv_cmd_advise_mr)
REFUSED(ibv_cmd_alloc_dm)
REFUSED(ibv_cmd_alloc_mw)
REFUSED(ibv_cmd_alloc_pd)
REFUSED(ibv_cmd_attach_mcast)
REFUSED(ibv_cmd_close_xrcd)
REFUSED(ibv_cmd_create_ah)
REFUSED(ibv_cmd_create_counters)
REFUSED(ibv_cmd_create_cq)
REFUSED(ibv_cmd_create_cq_ex)
REFUSED(ibv_cmd_create_flow)
REFUSED(ibv_cmd_create_flow_action_esp)
REFUSED(ibv_cmd_create_qp)
REFUSED(ibv_cmd_create_qp_ex)
REFUSED(ibv_cmd_create_qp_ex2)
REFUSED(ibv_cmd_create_rwq_ind_table)
REFUSED(ibv_cmd_create_srq)
REFUSED(ibv_cmd_create_srq_ex)
REFUSED(ibv_cmd_create_wq)
REFUSED(ibv_cmd_dealloc_mw)
REFUSED(ibv_cmd_dealloc_pd)
REFUSED(ibv_cmd_dereg_mr)
REFUSED(ibv_cmd_destroy_ah)
REFUSED(ibv_cmd_destroy_counters)
REFUSED(ibv_cmd_destroy_cq)
REFUSED(ibv_cmd_destroy_flow)
REFUSED(ibv_cmd_destroy_flow_action)
REFUSED(ibv_cmd_destroy_qp)
REFUSED(ibv_cmd_destroy_rwq_ind_table)
REFUSED(ibv_cmd_destroy_srq)
REFUSED(ibv_cmd_destroy_wq)
REFUSED(ibv_cmd_detach_mcast)
REFUSED(ibv_cmd_free_dm)
REFUSED(ibv_cmd_get_context)
REFUSED(ibv_cmd_modify_cq)
REFUSED(ibv_cmd_modify_flow_action_esp)
REFUSED(ibv_cmd_modify_qp)
REFUSED(ibv_cmd_modify_qp_ex)
REFUSED(ibv_cmd_modify_srq)
REFUSED(ibv_cmd_modify_wq)
REFUSED(ibv_cmd_open_qp)
REFUSED(ibv_cmd_open_xrcd)
REFUSED(ibv_cmd_poll_cq)
REFUSED(ibv_cmd_post_recv)
REFUSED(ibv_cmd_post_send)
REFUSED(ibv_cmd_post_srq_recv)
REFUSED(ibv_cmd_query_context)
REFUSED(ibv_cmd_query_device_any)
REFUSED(ibv_cmd_query_mr)
REFUSED(ibv_cmd_query_port)
REFUSED(ibv_cmd_query_qp)
REFUSED(ibv_cmd_query_srq)
REFUSED(ibv_cmd_read_counters)
REFUSED(ibv_cmd_reg_dm_mr)
REFUSED(ibv_cmd_reg_dmabuf_mr)
REFUSED(ibv_cmd_reg_mr)
REFUSED(ibv_cmd_req_notify_cq)
REFUSED(ibv_cmd_rereg_mr)
REFUSED(ibv_cmd_resize_cq)
#undef REFUSED
}
