// Both sides in one process, on the two libraries of softrdma. Device by device as `SOFTRDMA_DEVICES` has it.

#include "tests/softrdma/cm/message.h"
#include "tests/softrdma/softrdma.h"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr int patience_ms = 10000;
constexpr int silence_ms = 100;

sockaddr_storage ip(const char* text, int port) {
    sockaddr_storage s{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(s);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(s);
    if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(static_cast<std::uint16_t>(port));
    } else {
        ::inet_pton(AF_INET6, text, &v6.sin6_addr);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    }
    return s;
}

sockaddr* raw(sockaddr_storage& s) {
    return reinterpret_cast<sockaddr*>(&s);
}

/// An event with its data, acknowledged already.
struct seen {
    rdma_cm_event_type type{};
    int status = 0;
    rdma_cm_id* id = nullptr;
    rdma_cm_id* listener = nullptr;
    rdma_conn_param param{};
    std::string data;
};

seen copy_of(const rdma_cm_event& e) {
    seen s{e.event, e.status, e.id, e.listen_id, e.param.conn, {}};
    if (e.param.conn.private_data)
        s.data.assign(static_cast<const char*>(e.param.conn.private_data), e.param.conn.private_data_len);
    return s;
}

std::string padded(std::string s, std::size_t size) {
    s.resize(size);
    return s;
}

class channel {
  public:
    channel() : raw_(rdma_create_event_channel()) {}
    ~channel() { rdma_destroy_event_channel(raw_); }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    rdma_event_channel* get() { return raw_; }
    operator rdma_event_channel*() { return raw_; }

    bool silent() {
        pollfd p{raw_->fd, POLLIN, 0};
        return ::poll(&p, 1, silence_ms) == 0;
    }

    seen next() {
        pollfd p{raw_->fd, POLLIN, 0};
        rdma_cm_event* e = nullptr;
        if (::poll(&p, 1, patience_ms) != 1 || rdma_get_cm_event(raw_, &e) != 0) {
            ADD_FAILURE() << "no event";
            return {};
        }
        const seen s = copy_of(*e);
        rdma_ack_cm_event(e);
        return s;
    }

    seen expect(rdma_cm_event_type type) {
        const seen s = next();
        EXPECT_STREQ(rdma_event_str(s.type), rdma_event_str(type));
        return s;
    }

  private:
    rdma_event_channel* raw_;
};

/// An id that ends with its queue pair.
struct ender {
    void operator()(rdma_cm_id* i) const {
        if (i->qp)
            rdma_destroy_qp(i);
        rdma_destroy_id(i);
    }
};
using owned = std::unique_ptr<rdma_cm_id, ender>;

owned new_id(rdma_event_channel* c, void* context = nullptr) {
    rdma_cm_id* i = nullptr;
    EXPECT_EQ(rdma_create_id(c, &i, context, RDMA_PS_TCP), 0);
    return owned(i);
}

int port_of(const owned& i) {
    return ntohs(rdma_get_src_port(i.get()));
}

owned listen_at(rdma_event_channel* c, const char* address, int port = 0, int backlog = 0, void* context = nullptr) {
    owned i = new_id(c, context);
    sockaddr_storage at = ip(address, port);
    EXPECT_EQ(rdma_bind_addr(i.get(), raw(at)), 0) << std::strerror(errno);
    EXPECT_EQ(rdma_listen(i.get(), backlog), 0) << std::strerror(errno);
    return i;
}

void give_queue_pair(rdma_cm_id* i) {
    ibv_qp_init_attr a{};
    a.qp_type = IBV_QPT_RC;
    a.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
    ASSERT_EQ(rdma_create_qp(i, nullptr, &a), 0) << std::strerror(errno);
}

owned resolved(channel& c, const char* address, int port) {
    owned i = new_id(c);
    sockaddr_storage to = ip(address, port);
    EXPECT_EQ(rdma_resolve_addr(i.get(), nullptr, raw(to), 1000), 0);
    c.expect(RDMA_CM_EVENT_ADDR_RESOLVED);
    EXPECT_EQ(rdma_resolve_route(i.get(), 1000), 0);
    c.expect(RDMA_CM_EVENT_ROUTE_RESOLVED);
    return i;
}

rdma_conn_param param(std::string_view data = {}, std::uint8_t reads = 0) {
    rdma_conn_param p{};
    p.private_data = data.data();
    p.private_data_len = static_cast<std::uint8_t>(data.size());
    p.responder_resources = reads;
    p.retry_count = 7;
    p.rnr_retry_count = 6;
    return p;
}

/// Asks for a connection; the queue pair is made by the library.
owned asking(channel& c, const char* address, int port, std::string_view data = {}) {
    owned i = resolved(c, address, port);
    give_queue_pair(i.get());
    rdma_conn_param p = param(data, 4);
    EXPECT_EQ(rdma_connect(i.get(), &p), 0) << std::strerror(errno);
    return i;
}

ibv_qp_attr attributes(rdma_cm_id* i) {
    ibv_qp_attr a{};
    ibv_qp_init_attr init{};
    constexpr int all = IBV_QP_STATE | IBV_QP_AV | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT |
                        IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MAX_QP_RD_ATOMIC;
    EXPECT_EQ(ibv_query_qp(i->qp, &a, all, &init), 0);
    return a;
}

struct cm : testing::Test {
    channel server;
    channel client;

    /// A connection between the two, established at both ends.
    struct pair {
        owned active;
        owned passive;
    };
    pair connect(const owned& listener, const char* address = "127.0.0.1") {
        pair p;
        p.active = asking(client, address, port_of(listener));
        p.passive = owned(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
        give_queue_pair(p.passive.get());
        rdma_conn_param yes = param();
        EXPECT_EQ(rdma_accept(p.passive.get(), &yes), 0);
        client.expect(RDMA_CM_EVENT_ESTABLISHED);
        server.expect(RDMA_CM_EVENT_ESTABLISHED);
        return p;
    }
};

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

TEST_F(cm, nobody_listens) {
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

TEST_F(cm, one_address_has_one_listener) {
    const owned listener = listen_at(server, "127.0.0.1");
    const int port = port_of(listener);
    sockaddr_storage at = ip("127.0.0.1", port);
    const owned second = new_id(server);
    EXPECT_EQ(rdma_bind_addr(second.get(), raw(at)), -1);
    EXPECT_EQ(errno, EADDRINUSE);
    const owned sharing = new_id(server);
    int yes = 1;
    ASSERT_EQ(rdma_set_option(sharing.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &yes, sizeof yes), 0);
    ASSERT_EQ(rdma_bind_addr(sharing.get(), raw(at)), 0);
    EXPECT_EQ(rdma_listen(sharing.get(), 0), -1);
    EXPECT_EQ(errno, EADDRINUSE);
    const owned elsewhere = listen_at(server, "127.0.0.2", port);
    EXPECT_EQ(port_of(elsewhere), port);
}

TEST_F(cm, an_address_is_free_once_its_listener_is_gone) {
    owned listener = listen_at(server, "127.0.0.1");
    const int port = port_of(listener);
    listener.reset();
    listener = listen_at(server, "127.0.0.1", port);
    connect(listener);
}

TEST_F(cm, addresses_that_no_device_has) {
    const owned i = new_id(server);
    sockaddr_storage far = ip("192.0.2.1", 4420);
    EXPECT_EQ(rdma_bind_addr(i.get(), raw(far)), -1);
    EXPECT_EQ(errno, ENODEV);
    const owned active = new_id(client);
    ASSERT_EQ(rdma_resolve_addr(active.get(), nullptr, raw(far), 100), 0);
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_ADDR_ERROR).status, -ENODEV);
}

TEST_F(cm, a_listener_for_all_addresses) {
    const owned listener = listen_at(server, "0.0.0.0");
    EXPECT_EQ(listener->verbs, nullptr);
    const pair p = connect(listener, "127.0.0.9");
    EXPECT_NE(p.passive->verbs, nullptr);
    const auto& local = reinterpret_cast<const sockaddr_in&>(*rdma_get_local_addr(p.passive.get()));
    EXPECT_EQ(ntohl(local.sin_addr.s_addr), 0x7f000009u);
}

TEST_F(cm, ipv6) {
    const owned listener = listen_at(server, "::1");
    const pair p = connect(listener, "::1");
    EXPECT_EQ(rdma_get_peer_addr(p.passive.get())->sa_family, AF_INET6);
}

TEST_F(cm, a_listener_for_both_families) {
    const owned listener = listen_at(server, "::");
    const pair new_family = connect(listener, "::1");
    const pair old_family = connect(listener, "127.0.0.1");
}

TEST_F(cm, a_listener_for_one_family) {
    const owned listener = new_id(server);
    int yes = 1;
    ASSERT_EQ(rdma_set_option(listener.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &yes, sizeof yes), 0);
    sockaddr_storage at = ip("::", 0);
    ASSERT_EQ(rdma_bind_addr(listener.get(), raw(at)), 0);
    ASSERT_EQ(rdma_listen(listener.get(), 0), 0);
    const owned old_family = asking(client, "127.0.0.1", port_of(listener));
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 8);
    connect(listener, "::1");
}

TEST_F(cm, options) {
    const owned i = new_id(server);
    std::uint8_t byte = 20;
    EXPECT_EQ(rdma_set_option(i.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &byte, 1), 0);
    EXPECT_EQ(rdma_set_option(i.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &byte, 1), 0);
    EXPECT_EQ(rdma_set_option(i.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &byte, 4), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(rdma_set_option(i.get(), RDMA_OPTION_IB, RDMA_OPTION_IB_PATH, &byte, 1), -1);
    EXPECT_EQ(errno, ENOSYS);
    EXPECT_EQ(rdma_get_src_port(i.get()), 0);
}

TEST_F(cm, a_full_backlog_keeps_hosts_waiting) {
    const owned listener = listen_at(server, "127.0.0.1", 0, 1);
    const owned first = asking(client, "127.0.0.1", port_of(listener));
    const owned second = asking(client, "127.0.0.1", port_of(listener));
    const owned one(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    const owned two(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    EXPECT_TRUE(server.silent());
    EXPECT_EQ(rdma_get_dst_port(one.get()), rdma_get_src_port(first.get()));
    EXPECT_EQ(rdma_get_dst_port(two.get()), rdma_get_src_port(second.get()));
}

TEST_F(cm, who_waits_too_long_gives_up) {
    const owned listener = listen_at(server, "127.0.0.1", 0, 1);
    const owned first = asking(client, "127.0.0.1", port_of(listener));
    const owned second = asking(client, "127.0.0.1", port_of(listener));
    const seen given_up = client.expect(RDMA_CM_EVENT_UNREACHABLE);
    EXPECT_EQ(given_up.status, -ETIMEDOUT);
    EXPECT_NE(given_up.id, nullptr);
    const owned request(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    EXPECT_TRUE(server.silent()) << "what was given up is not a request any more";
}

TEST_F(cm, a_listener_that_ends_refuses_who_waits) {
    owned listener = listen_at(server, "127.0.0.1", 0, 1);
    const owned first = asking(client, "127.0.0.1", port_of(listener));
    const owned second = asking(client, "127.0.0.1", port_of(listener));
    EXPECT_FALSE(server.silent());
    listener.reset();
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 28);
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_REJECTED).status, 28);
    EXPECT_TRUE(server.silent()) << "the events went with it";
}

TEST_F(cm, rubbish_ends_the_conversation_only) {
    const owned listener = listen_at(server, "127.0.0.1");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const char* const domain = std::getenv("SOFTRDMA_DOMAIN");
    const std::string text = "softrdma/" + (domain && *domain ? domain : "user-" + std::to_string(::getuid())) + "/" +
                             std::to_string(RDMA_PS_TCP) + "/127.0.0.1/" + std::to_string(port_of(listener));
    std::memcpy(name.sun_path + 1, text.data(), text.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    std::string full(sizeof(softrdma::cm::message), '\xff');
    for (const std::string& rubbish : {std::string("hello"), full, full + full}) {
        const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
        ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&name), size), 0);
        ::send(fd, rubbish.data(), rubbish.size(), MSG_NOSIGNAL);
        pollfd p{fd, POLLIN, 0};
        EXPECT_EQ(::poll(&p, 1, patience_ms), 1) << "closed";
        ::close(fd);
    }
    EXPECT_TRUE(server.silent());
    connect(listener);
}

TEST_F(cm, a_channel_that_does_not_block) {
    ASSERT_EQ(::fcntl(server.get()->fd, F_SETFL, ::fcntl(server.get()->fd, F_GETFL) | O_NONBLOCK), 0);
    rdma_cm_event* e = nullptr;
    EXPECT_EQ(rdma_get_cm_event(server, &e), -1);
    EXPECT_EQ(errno, EAGAIN);
    const owned listener = listen_at(server, "127.0.0.1");
    connect(listener);
}

TEST_F(cm, a_channel_that_blocks) {
    const owned listener = listen_at(server, "127.0.0.1");
    owned active;
    std::thread later([&] {
        std::this_thread::sleep_for(50ms);
        active = asking(client, "127.0.0.1", port_of(listener));
    });
    rdma_cm_event* e = nullptr;
    ASSERT_EQ(rdma_get_cm_event(server, &e), 0);
    later.join();
    const owned passive(e->id);
    rdma_ack_cm_event(e);
}

TEST_F(cm, the_end_of_an_id_waits_for_acknowledgements) {
    rdma_cm_id* const i = new_id(client).release();
    sockaddr_storage to = ip("127.0.0.1", 1);
    ASSERT_EQ(rdma_resolve_addr(i, nullptr, raw(to), 1000), 0);
    rdma_cm_event* e = nullptr;
    ASSERT_EQ(rdma_get_cm_event(client, &e), 0);
    std::atomic<bool> ended = false;
    std::thread end([&] {
        rdma_destroy_id(i);
        ended = true;
    });
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(ended);
    rdma_ack_cm_event(e);
    end.join();
    EXPECT_TRUE(ended);
}

TEST_F(cm, events_of_an_id_that_ends_are_dropped) {
    sockaddr_storage to = ip("127.0.0.1", 1);
    owned first = new_id(client);
    const owned second = new_id(client);
    ASSERT_EQ(rdma_resolve_addr(first.get(), nullptr, raw(to), 1000), 0);
    ASSERT_EQ(rdma_resolve_addr(second.get(), nullptr, raw(to), 1000), 0);
    first.reset();
    EXPECT_EQ(client.expect(RDMA_CM_EVENT_ADDR_RESOLVED).id, second.get());
    EXPECT_TRUE(client.silent());
}

TEST_F(cm, events_move_with_their_id) {
    sockaddr_storage to = ip("127.0.0.1", 1);
    const owned i = new_id(client);
    ASSERT_EQ(rdma_resolve_addr(i.get(), nullptr, raw(to), 1000), 0);
    ASSERT_EQ(rdma_migrate_id(i.get(), server), 0);
    EXPECT_EQ(i->channel, server.get());
    EXPECT_TRUE(client.silent());
    server.expect(RDMA_CM_EVENT_ADDR_RESOLVED);
}

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

TEST(cm_endpoint, says_that_nobody_listens) {
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

TEST_F(cm, many_connections_from_many_threads) {
    const owned listener = listen_at(server, "127.0.0.1");
    std::atomic<bool> stop = false;
    std::thread accepting([&] {
        std::vector<owned> all;
        while (!stop) {
            if (server.silent())
                continue;
            const seen e = server.next();
            if (e.type == RDMA_CM_EVENT_CONNECT_REQUEST) {
                all.emplace_back(e.id);
                give_queue_pair(e.id);
                rdma_conn_param yes = param();
                rdma_accept(e.id, &yes);
            } else if (e.type == RDMA_CM_EVENT_DISCONNECTED) {
                std::erase_if(all, [&](const owned& i) { return i.get() == e.id; });
            }
        }
    });
    std::vector<std::thread> hosts;
    for (int t = 0; t < 4; ++t)
        hosts.emplace_back([&] {
            for (int n = 0; n < 25; ++n) {
                channel own;
                const owned i = asking(own, "127.0.0.1", port_of(listener));
                own.expect(RDMA_CM_EVENT_ESTABLISHED);
                if (n % 2)
                    rdma_disconnect(i.get());
            }
        });
    for (std::thread& h : hosts)
        h.join();
    stop = true;
    accepting.join();
}

/// This program once more, as a host of its own that connects to `port` and then stands still.
pid_t start_host(int port) {
    const std::string argument = "--host=" + std::to_string(port);
    const pid_t child = ::fork();
    if (child == 0) {
        ::execl("/proc/self/exe", "cm_test", argument.c_str(), nullptr);
        ::_exit(127);
    }
    return child;
}

int be_host(int port) {
    channel c;
    const owned i = asking(c, "127.0.0.1", port, "other process");
    c.next();
    ::pause();
    return 0;
}

TEST_F(cm, the_process_of_a_host_is_killed) {
    const owned listener = listen_at(server, "127.0.0.1");
    const pid_t host = start_host(port_of(listener));
    const seen request = server.expect(RDMA_CM_EVENT_CONNECT_REQUEST);
    ASSERT_NE(request.id, nullptr);
    EXPECT_EQ(request.data, padded("other process", 56));
    const owned passive(request.id);
    give_queue_pair(passive.get());
    rdma_conn_param yes = param();
    ASSERT_EQ(rdma_accept(passive.get(), &yes), 0);
    server.expect(RDMA_CM_EVENT_ESTABLISHED);
    ::kill(host, SIGKILL);
    server.expect(RDMA_CM_EVENT_DISCONNECTED);
    ::waitpid(host, nullptr, 0);
    ASSERT_EQ(rdma_disconnect(passive.get()), 0);
    server.expect(RDMA_CM_EVENT_TIMEWAIT_EXIT);
}

TEST_F(cm, a_forked_child_ends_and_holds_nothing_open) {
    const owned listener = listen_at(server, "127.0.0.1");
    pair p = connect(listener);
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(hold[1]);
        char byte;
        [[maybe_unused]] const auto n = ::read(hold[0], &byte, 1);
        std::_Exit(0);
    }
    p.active.reset();
    server.expect(RDMA_CM_EVENT_DISCONNECTED);
    ::close(hold[0]);
    ::close(hold[1]);
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

// The last suite: the device does not come back.
struct cm_removal : cm {};

TEST_F(cm_removal, a_device_goes) {
    const owned listener = listen_at(server, "127.0.0.1");
    const owned everywhere = listen_at(server, "0.0.0.0");
    const pair p = connect(listener);
    const owned waiting = resolved(client, "127.0.0.1", port_of(listener));
    ASSERT_EQ(softrdma_fault("remove 0"), nullptr);
    for (int n = 0; n < 2; ++n) {
        const seen at_server = server.expect(RDMA_CM_EVENT_DEVICE_REMOVAL);
        EXPECT_TRUE(at_server.id == listener.get() || at_server.id == p.passive.get());
        const seen at_client = client.expect(RDMA_CM_EVENT_DEVICE_REMOVAL);
        EXPECT_TRUE(at_client.id == waiting.get() || at_client.id == p.active.get());
    }
    EXPECT_TRUE(server.silent());
    EXPECT_TRUE(client.silent());
    rdma_conn_param yes = param();
    EXPECT_EQ(rdma_connect(waiting.get(), &yes), -1);
    const owned late = new_id(server);
    sockaddr_storage at = ip("127.0.0.1", 0);
    EXPECT_EQ(rdma_bind_addr(late.get(), raw(at)), -1);
    EXPECT_EQ(errno, ENODEV);
}

}  // namespace

int main(int argc, char** argv) {
    // A fabric of its own: what else runs on this machine must not be met.
    ::setenv("SOFTRDMA_DOMAIN", ("cm-test-" + std::to_string(::getpid())).c_str(), 0);
    ::setenv("SOFTRDMA_CM_PATIENCE_MS", "2000", 0);
    constexpr std::string_view as_host = "--host=";
    if (argc > 1 && std::string_view(argv[1]).starts_with(as_host))
        return be_host(std::atoi(argv[1] + as_host.size()));
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
