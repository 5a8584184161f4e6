// SPDX-License-Identifier: Apache-2.0
// Threads and processes: many, killed, forked; and the device that goes.

#include "tests/softrdma/cm/test_cm.h"
#include "tests/softrdma/softrdma.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace cm_test {

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

}  // namespace cm_test

int main(int argc, char** argv) {
    // A fabric of its own: what else runs on this machine must not be met.
    ::setenv("SOFTRDMA_DOMAIN", ("cm-test-" + std::to_string(::getpid())).c_str(), 0);
    ::setenv("SOFTRDMA_CM_PATIENCE_MS", "2000", 0);
    constexpr std::string_view as_host = "--host=";
    if (argc > 1 && std::string_view(argv[1]).starts_with(as_host))
        return cm_test::be_host(std::atoi(argv[1] + as_host.size()));
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
