// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/tcp_seam.h"

#include "transport/tcp/testing/tcp_fixture.h"

namespace causeway::neighbours {

namespace {

/// The initiator library watches the descriptor of an admin queue, which a reactor looks at every half millisecond.
/// Here turns are counted, so admin queues are polled as I/O queues are.
class polling_connector final : public host::connector {
  public:
    explicit polling_connector(host::tcp_connector by) : by_(std::move(by)) {}
    core::task<core::result<std::unique_ptr<host::queue_pair>>> open(host::queue_pair_options o) override {
        if (o.qid == 0) {
            o.qid = 1;
            o.in_capsule_data = 8192;  // of admin and fabrics commands, always
        }
        return by_.open(o);
    }
    std::string name() const override { return by_.name(); }

  private:
    host::tcp_connector by_;
};

host::address host_address(const nvmf::transport_address& a) {
    return {"tcp", a.traddr, a.trsvcid};
}

}  // namespace

tcp_seam::tcp_seam() : address_{"TCP", "IPv4", "127.0.0.1", std::to_string(tcp::test::free_port())} {
    connector_ = std::make_unique<polling_connector>(host::tcp_connector(host_address(address_)));
}

core::result<std::unique_ptr<nvmf::transport>> tcp_seam::make_transport(nvmf::target& t) {
    auto made = std::make_unique<tcp::tcp_transport>(t, tcp::transport_options{seam_options()}, limits);
    transport_ = made.get();
    return made;
}

std::unique_ptr<host::connector> tcp_seam::make_faulty_connector(const faulty_stream::faults& f) const {
    const auto make_stream =
        [&f](int socket, const host::queue_pair_options&) -> core::task<core::result<std::unique_ptr<tcp::stream>>> {
        co_return std::make_unique<faulty_stream>(socket, f);
    };
    return std::make_unique<polling_connector>(host::tcp_connector(host_address(address_), {}, make_stream));
}

std::uint16_t tcp_seam::port() const {
    return static_cast<std::uint16_t>(std::stoi(address_.trsvcid));
}

std::uint64_t tcp_seam::counter(std::string_view name) const {
    if (const auto value = transport_->target().counter_list().total("transport", name))
        return *value;
    ADD_FAILURE() << "there is no such counter: " << name;
    return 0;
}

std::unique_ptr<seam> make_tcp_seam(core::simulation&) {
    return std::make_unique<tcp_seam>();
}

}  // namespace causeway::neighbours
