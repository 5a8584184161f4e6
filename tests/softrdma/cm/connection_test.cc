// SPDX-License-Identifier: Apache-2.0
// The life of a connection: asked for, accepted or rejected, ended by either side.

#include "tests/softrdma/cm/test_cm.h"

#include <vector>

namespace cm_test {

namespace {

TEST_F(cm, connects_with_private_data_and_queue_pairs) {
    int context = 0;
    const owned listener = listen_at(server, "127.0.0.1", 0, 0, &context);
    EXPECT_NE(listener->verbs, nullptr);
    const owned active = asking(client, "127.0.0.1", port_of(listener), "please");
    EXPECT_NE(active->verbs, nullptr);
    EXPECT_EQ(active->port_num, 1);

    const seen request = server.expect(RDMA_CM_EVENT_CONNECT_REQUEST);
    const owned passive(request.id);
    EXPECT_EQ(request.listener, listener.get());
    EXPECT_EQ(passive->context, &context);
    EXPECT_EQ(passive->verbs, listener->verbs);
    EXPECT_EQ(passive->channel, server.get());
    EXPECT_EQ(request.data, padded("please", 56));
    EXPECT_EQ(request.param.initiator_depth, 4) << "what the host answers is what we may start";
    EXPECT_EQ(request.param.responder_resources, 0);
    EXPECT_EQ(request.param.retry_count, 7);
    EXPECT_EQ(request.param.rnr_retry_count, 6);
    EXPECT_EQ(request.param.qp_num, active->qp->qp_num);
    EXPECT_EQ(rdma_get_dst_port(passive.get()), rdma_get_src_port(active.get()));
    EXPECT_EQ(rdma_get_src_port(passive.get()), rdma_get_dst_port(active.get()));

    give_queue_pair(passive.get());
    rdma_conn_param yes = param("welcome");
    yes.initiator_depth = 3;
    ASSERT_EQ(rdma_accept(passive.get(), &yes), 0);
    EXPECT_TRUE(server.silent()) << "not before the active side has taken the answer";
    const seen reply = client.expect(RDMA_CM_EVENT_ESTABLISHED);
    EXPECT_EQ(reply.data, padded("welcome", 196));
    EXPECT_EQ(reply.param.responder_resources, 3);
    server.expect(RDMA_CM_EVENT_ESTABLISHED);

    const ibv_qp_attr a = attributes(active.get());
    const ibv_qp_attr b = attributes(passive.get());
    EXPECT_EQ(a.qp_state, IBV_QPS_RTS);
    EXPECT_EQ(b.qp_state, IBV_QPS_RTS);
    EXPECT_EQ(a.dest_qp_num, passive->qp->qp_num);
    EXPECT_EQ(b.dest_qp_num, active->qp->qp_num);
    EXPECT_EQ(a.rq_psn, b.sq_psn);
    EXPECT_EQ(b.rq_psn, a.sq_psn);
    EXPECT_EQ(a.max_dest_rd_atomic, 3);
    EXPECT_EQ(b.max_rd_atomic, 3);
    EXPECT_EQ(a.retry_cnt, 7);
    EXPECT_EQ(b.retry_cnt, 7);
    ibv_gid gid;
    ASSERT_EQ(ibv_query_gid(active->verbs, 1, 0, &gid), 0);
    EXPECT_EQ(std::memcmp(&gid, &b.ah_attr.grh.dgid, sizeof gid), 0);
}

TEST_F(cm, a_queue_pair_of_the_applications_own) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned active = resolved(client, "127.0.0.1", port_of(listener));
    rdma_conn_param p = param("q", 1);
    p.qp_num = 77;
    ASSERT_EQ(rdma_connect(active.get(), &p), 0);
    const seen request = server.expect(RDMA_CM_EVENT_CONNECT_REQUEST);
    const owned passive(request.id);
    EXPECT_EQ(request.param.qp_num, 77u);
    ibv_qp_attr a{};
    int mask = 0;
    a.qp_state = IBV_QPS_RTR;
    ASSERT_EQ(rdma_init_qp_attr(passive.get(), &a, &mask), 0);
    EXPECT_EQ(a.dest_qp_num, 77u);
    EXPECT_EQ(a.ah_attr.is_global, 1);
    EXPECT_EQ(a.path_mtu, IBV_MTU_4096);
    a.qp_state = IBV_QPS_RTR;
    EXPECT_EQ(rdma_init_qp_attr(active.get(), &a, &mask), -1) << "no answer yet";
    EXPECT_EQ(errno, EINVAL);

    rdma_conn_param yes = param();
    yes.qp_num = 88;
    ASSERT_EQ(rdma_accept(passive.get(), &yes), 0);
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_CONNECT_RESPONSE).param.qp_num, 88u);
    EXPECT_TRUE(server.silent());
    for (const ibv_qp_state state : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS}) {
        a.qp_state = state;
        EXPECT_EQ(rdma_init_qp_attr(active.get(), &a, &mask), 0);
    }
    EXPECT_EQ(a.timeout, 14);
    ASSERT_EQ(rdma_establish(active.get()), 0);
    server.expect(RDMA_CM_EVENT_ESTABLISHED);
    EXPECT_TRUE(client.silent());
}

TEST_F(cm, data_that_is_too_long_is_refused) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned active = resolved(client, "127.0.0.1", port_of(listener));
    give_queue_pair(active.get());
    const std::string longest(255, 'x');
    rdma_conn_param p = param(std::string_view(longest).substr(0, 57));
    EXPECT_EQ(rdma_connect(active.get(), &p), -1);
    EXPECT_EQ(errno, EINVAL);
    p.private_data_len = 56;
    ASSERT_EQ(rdma_connect(active.get(), &p), 0);
    const owned passive(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    rdma_conn_param yes = param(std::string_view(longest).substr(0, 197));
    EXPECT_EQ(rdma_accept(passive.get(), &yes), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(rdma_reject(passive.get(), longest.data(), 149), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(rdma_reject(passive.get(), longest.data(), 148), 0);
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).data, longest.substr(0, 148));
}

TEST_F(cm, reject) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned active = asking(client, "127.0.0.1", port_of(listener));
    {
        const owned passive(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
        ASSERT_EQ(rdma_reject(passive.get(), "no", 2), 0);
    }
    const seen no = client.expect(RDMA_CM_EVENT_REJECTED);
    EXPECT_EQ(no.status, 28);
    EXPECT_EQ(no.data, padded("no", 148));
    EXPECT_EQ(attributes(active.get()).qp_state, IBV_QPS_ERR);
    EXPECT_TRUE(client.silent());
}

TEST_F(cm, a_request_that_is_only_destroyed_is_rejected) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned active = asking(client, "127.0.0.1", port_of(listener));
    owned(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id).reset();
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 28);
}

TEST_F(cm, an_address_without_a_listener_rejects) {
    int port;
    {
        const owned listener = listen_at(server, "127.0.0.1");
        port = port_of(listener);
    }
    const owned active = asking(client, "127.0.0.1", port);
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 8);
}

TEST_F(cm, bound_is_not_listening) {
    const owned bound = new_id(server);
    sockaddr_storage at = ip("127.0.0.1", 0);
    ASSERT_EQ(rdma_bind_addr(bound.get(), raw(at)), 0);
    ASSERT_NE(port_of(bound), 0);
    const owned active = asking(client, "127.0.0.1", port_of(bound));
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 8);
}

TEST_F(cm, disconnect) {
    const owned listener = listen_at(server, "127.0.0.1");
    const pair p = connect(listener);
    ASSERT_EQ(rdma_disconnect(p.active.get()), 0);
    EXPECT_EQ(attributes(p.active.get()).qp_state, IBV_QPS_ERR);
    server.expect(RDMA_CM_EVENT_DISCONNECTED);
    EXPECT_EQ(attributes(p.passive.get()).qp_state, IBV_QPS_RTS) << "its own side is the application's to end";
    EXPECT_TRUE(client.silent()) << "the passive side has not answered";
    ASSERT_EQ(rdma_disconnect(p.passive.get()), 0);
    EXPECT_EQ(attributes(p.passive.get()).qp_state, IBV_QPS_ERR);
    client.expect(RDMA_CM_EVENT_DISCONNECTED);
    client.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
    server.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
    EXPECT_EQ(rdma_disconnect(p.active.get()), 0) << "twice does no harm";
    EXPECT_TRUE(client.silent());
}

TEST_F(cm, both_sides_disconnect_at_once) {
    const owned listener = listen_at(server, "127.0.0.1");
    for (int n = 0; n < 50; ++n) {
        const pair p = connect(listener);
        std::thread other([&] { rdma_disconnect(p.passive.get()); });
        rdma_disconnect(p.active.get());
        other.join();
        client.expect(RDMA_CM_EVENT_DISCONNECTED);
        server.expect(RDMA_CM_EVENT_DISCONNECTED);
        client.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
        server.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
    }
}

TEST_F(cm, an_id_that_ends_disconnects) {
    const owned listener = listen_at(server, "127.0.0.1");
    pair p = connect(listener);
    p.active.reset();
    server.expect(RDMA_CM_EVENT_DISCONNECTED);
    EXPECT_TRUE(server.silent());
    ASSERT_EQ(rdma_disconnect(p.passive.get()), 0);
    server.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
}

TEST_F(cm, the_host_has_gone_before_the_accept) {
    const owned listener = listen_at(server, "127.0.0.1");
    owned active = asking(client, "127.0.0.1", port_of(listener));
    const owned passive(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    active.reset();
    EXPECT_TRUE(server.silent()) << "as from the kernel: nothing is told of what is not accepted";
    give_queue_pair(passive.get());
    rdma_conn_param yes = param();
    EXPECT_EQ(rdma_accept(passive.get(), &yes), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(cm, the_host_goes_after_the_accept) {
    const owned listener = listen_at(server, "127.0.0.1");
    owned active = asking(client, "127.0.0.1", port_of(listener));
    const owned passive(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    give_queue_pair(passive.get());
    rdma_conn_param yes = param();
    ASSERT_EQ(rdma_accept(passive.get(), &yes), 0);
    EXPECT_FALSE(client.silent());
    active.reset();
    EXPECT_TRUE(client.silent()) << "the answer went with the id";
    server.expect(RDMA_CM_EVENT_REJECTED);
}

TEST_F(cm, notify_establishes) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned active = asking(client, "127.0.0.1", port_of(listener));
    const owned passive(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    give_queue_pair(passive.get());
    EXPECT_EQ(rdma_notify(passive.get(), IBV_EVENT_COMM_EST), -1);
    rdma_conn_param yes = param();
    ASSERT_EQ(rdma_accept(passive.get(), &yes), 0);
    ASSERT_EQ(rdma_notify(passive.get(), IBV_EVENT_COMM_EST), 0);
    server.expect(RDMA_CM_EVENT_ESTABLISHED);
    EXPECT_EQ(rdma_notify(passive.get(), IBV_EVENT_COMM_EST), -1);
    EXPECT_EQ(errno, EISCONN);
    client.expect(RDMA_CM_EVENT_ESTABLISHED);
    EXPECT_TRUE(server.silent()) << "once";
}

}  // namespace

}  // namespace cm_test
