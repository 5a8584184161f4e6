// SPDX-License-Identifier: Apache-2.0
// Listeners, their addresses and their backlogs.

#include "tests/softrdma/cm/message.h"
#include "tests/softrdma/cm/test_cm.h"

#include <sys/un.h>
#include <unistd.h>

namespace cm_test {

namespace {

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

TEST_F(cm, a_host_that_waits_too_long_gives_up) {
    const owned listener = listen_at(server, "127.0.0.1", 0, 1);
    const owned first = asking(client, "127.0.0.1", port_of(listener));
    const owned second = asking(client, "127.0.0.1", port_of(listener));
    const seen given_up = client.expect(RDMA_CM_EVENT_UNREACHABLE);
    EXPECT_EQ(given_up.status, -ETIMEDOUT);
    EXPECT_NE(given_up.id, nullptr);
    const owned request(server.expect(RDMA_CM_EVENT_CONNECT_REQUEST).id);
    EXPECT_TRUE(server.silent()) << "what was given up is not a request any more";
}

TEST_F(cm, a_listener_that_ends_refuses_waiting_hosts) {
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

}  // namespace

}  // namespace cm_test
