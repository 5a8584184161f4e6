#include "transport/tcp/tcp_fixture.h"

namespace causeway::tcp {
namespace {

using namespace test;

/// Whoever is refused may stay for another try.
raw_host refused(tcp_fixture& f) {
    raw_host h = f.initialize();
    h.send_connect({.subnqn = "nqn.2024-01.io.example:nothing", .hostnqn = host_nqn});
    const auto answer = f.response(h);
    EXPECT_TRUE(answer && !answer->status().ok());
    return h;
}

struct life : tcp_fixture {};

/// Nothing of them has to be waited for: each is gone in the turn in which its end begins.
TEST_F(life, stops_with_connections_that_were_refused) {
    std::vector<raw_host> hosts;
    for (int i = 0; i < 5; ++i)
        hosts.push_back(refused(*this));
    stop();
    for (raw_host& h : hosts) {
        h.receive();
        EXPECT_TRUE(h.closed);
    }
}

struct life_on_two_cores : tcp_fixture {
    life_on_two_cores() : tcp_fixture(2) {}
};

TEST_F(life_on_two_cores, stops_with_connections_of_every_kind) {
    std::vector<raw_host> hosts;
    for (int i = 0; i < 3; ++i) {
        hosts.push_back(open());
        hosts.push_back(initialize());
        hosts.push_back(refused(*this));
        hosts.push_back(connect());
        hosts.push_back(connect(1));
    }
    stop();
    for (raw_host& h : hosts) {
        h.receive();
        EXPECT_TRUE(h.closed);
    }
}

}  // namespace
}  // namespace causeway::tcp
