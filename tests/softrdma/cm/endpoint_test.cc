// SPDX-License-Identifier: Apache-2.0
// Synchronous identifiers: each call waits for its event.

#include "tests/softrdma/cm/test_cm.h"

#include <netdb.h>
#include <thread>

namespace cm_test {

namespace {

rdma_addrinfo* look_up(const char* node, const char* service, int flags) {
    rdma_addrinfo hints{};
    hints.ai_flags = flags | RAI_NUMERICHOST;
    hints.ai_port_space = RDMA_PS_TCP;
    rdma_addrinfo* found = nullptr;
    EXPECT_EQ(rdma_getaddrinfo(node, service, &hints, &found), 0);
    return found;
}

ibv_qp_init_attr small_queue_pair() {
    ibv_qp_init_attr a{};
    a.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
    a.qp_type = IBV_QPT_RC;
    return a;
}

TEST(cm_endpoint, connects_synchronously) {
    rdma_addrinfo* at = look_up("127.0.0.1", "0", RAI_PASSIVE);
    ibv_qp_init_attr queues = small_queue_pair();
    rdma_cm_id* listener;
    ASSERT_EQ(rdma_create_ep(&listener, at, nullptr, &queues), 0) << std::strerror(errno);
    rdma_freeaddrinfo(at);
    ASSERT_EQ(rdma_listen(listener, 4), 0);
    const std::string port = std::to_string(ntohs(rdma_get_src_port(listener)));

    std::thread passive_side([&] {
        rdma_cm_id* child = nullptr;
        ASSERT_EQ(rdma_get_request(listener, &child), 0);
        ASSERT_NE(child->qp, nullptr);
        ASSERT_NE(child->event, nullptr);
        EXPECT_EQ(copy_of(*child->event).data, padded("sync", 56));
        rdma_conn_param yes = param();
        EXPECT_EQ(rdma_accept(child, &yes), 0);
        EXPECT_EQ(child->event->event, RDMA_CM_EVENT_ESTABLISHED);
        EXPECT_EQ(rdma_disconnect(child), 0);
        rdma_destroy_ep(child);
    });
    rdma_addrinfo* to = look_up("127.0.0.1", port.c_str(), 0);
    rdma_cm_id* active;
    queues = small_queue_pair();
    ASSERT_EQ(rdma_create_ep(&active, to, nullptr, &queues), 0) << std::strerror(errno);
    rdma_freeaddrinfo(to);
    EXPECT_NE(active->qp, nullptr);
    EXPECT_NE(active->send_cq_channel, nullptr);
    rdma_conn_param p = param("sync");
    EXPECT_EQ(rdma_connect(active, &p), 0);
    EXPECT_EQ(rdma_disconnect(active), 0);
    passive_side.join();
    rdma_destroy_ep(active);
    rdma_destroy_ep(listener);
}

TEST(cm_endpoint, reports_that_there_is_no_listener) {
    rdma_addrinfo* to = look_up("127.0.0.1", "1", 0);
    rdma_cm_id* active;
    ibv_qp_init_attr queues = small_queue_pair();
    ASSERT_EQ(rdma_create_ep(&active, to, nullptr, &queues), 0);
    rdma_freeaddrinfo(to);
    rdma_conn_param p = param();
    EXPECT_EQ(rdma_connect(active, &p), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(active->event->event, RDMA_CM_EVENT_REJECTED);
    rdma_destroy_ep(active);
}

}  // namespace

}  // namespace cm_test
