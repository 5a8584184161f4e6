// SPDX-License-Identifier: Apache-2.0
#pragma once

// Both sides of connections in one process, on the two libraries of softrdma. Each test wants a process to itself.

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace cm_test {

using namespace std::chrono_literals;

constexpr int patience_ms = 10000;
constexpr int silence_ms = 100;

inline sockaddr_storage ip(const char* text, int port) {
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

inline sockaddr* raw(sockaddr_storage& s) {
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

inline seen copy_of(const rdma_cm_event& e) {
    seen s{e.event, e.status, e.id, e.listen_id, e.param.conn, {}};
    if (e.param.conn.private_data)
        s.data.assign(static_cast<const char*>(e.param.conn.private_data), e.param.conn.private_data_len);
    return s;
}

inline std::string padded(std::string s, std::size_t size) {
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

inline owned new_id(rdma_event_channel* c, void* context = nullptr) {
    rdma_cm_id* i = nullptr;
    EXPECT_EQ(rdma_create_id(c, &i, context, RDMA_PS_TCP), 0);
    return owned(i);
}

inline int port_of(const owned& i) {
    return ntohs(rdma_get_src_port(i.get()));
}

inline owned listen_at(rdma_event_channel* c, const char* address, int port = 0, int backlog = 0,
                       void* context = nullptr) {
    owned i = new_id(c, context);
    sockaddr_storage at = ip(address, port);
    EXPECT_EQ(rdma_bind_addr(i.get(), raw(at)), 0) << std::strerror(errno);
    EXPECT_EQ(rdma_listen(i.get(), backlog), 0) << std::strerror(errno);
    return i;
}

inline void give_queue_pair(rdma_cm_id* i) {
    ibv_qp_init_attr a{};
    a.qp_type = IBV_QPT_RC;
    a.cap = {.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
    ASSERT_EQ(rdma_create_qp(i, nullptr, &a), 0) << std::strerror(errno);
}

inline owned resolved(channel& c, const char* address, int port) {
    owned i = new_id(c);
    sockaddr_storage to = ip(address, port);
    EXPECT_EQ(rdma_resolve_addr(i.get(), nullptr, raw(to), 1000), 0);
    c.expect(RDMA_CM_EVENT_ADDR_RESOLVED);
    EXPECT_EQ(rdma_resolve_route(i.get(), 1000), 0);
    c.expect(RDMA_CM_EVENT_ROUTE_RESOLVED);
    return i;
}

inline rdma_conn_param param(std::string_view data = {}, std::uint8_t reads = 0) {
    rdma_conn_param p{};
    p.private_data = data.data();
    p.private_data_len = static_cast<std::uint8_t>(data.size());
    p.responder_resources = reads;
    p.retry_count = 7;
    p.rnr_retry_count = 6;
    return p;
}

/// Asks for a connection; the queue pair is made by the library.
inline owned asking(channel& c, const char* address, int port, std::string_view data = {}) {
    owned i = resolved(c, address, port);
    give_queue_pair(i.get());
    rdma_conn_param p = param(data, 4);
    EXPECT_EQ(rdma_connect(i.get(), &p), 0) << std::strerror(errno);
    return i;
}

inline ibv_qp_attr attributes(rdma_cm_id* i) {
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

}  // namespace cm_test
