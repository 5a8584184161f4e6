// SPDX-License-Identifier: Apache-2.0
// Events and the channels that they come through.

#include "tests/softrdma/cm/test_cm.h"

#include <atomic>
#include <fcntl.h>
#include <thread>

namespace cm_test {

namespace {

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

}  // namespace

}  // namespace cm_test
