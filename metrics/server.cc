// SPDX-License-Identifier: Apache-2.0
#include "metrics/server.h"

#include "core/log.h"

#include <future>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

namespace causeway::metrics {

namespace {

using namespace std::chrono_literals;
using answer = std::vector<prometheus::MetricFamily>;

// A gateway whose control core stands still for longer has other worries; Prometheus gives up after 10 s.
constexpr auto collection_limit = 8s;
constexpr const char* threads = "4";
constexpr const char* request_limit_ms = "5000";

core::log::limiter failures;

}  // namespace

/// Asks the control reactor, on a thread of the HTTP server.
class server::source final : public prometheus::Collectable {
  public:
    source(core::reactor& control, collector collect)
        : control_(control), collect_(std::make_shared<const collector>(std::move(collect))) {}

    answer Collect() const override {
        // Shared: the reactor may answer when nobody waits any more, and this is gone.
        const auto answered = std::make_shared<std::promise<answer>>();
        auto collected = answered->get_future();
        control_.execute([collect = collect_, answered] {
            core::detach((*collect)(), [collect, answered](answer a) { answered->set_value(std::move(a)); });
        });
        if (collected.wait_for(collection_limit) == std::future_status::ready)
            return collected.get();
        core::log::peer_warning(failures, "metrics: the control reactor has not answered within {} s",
                                std::chrono::seconds(collection_limit).count());
        return {};
    }

  private:
    core::reactor& control_;
    const std::shared_ptr<const collector> collect_;
};

core::result<std::unique_ptr<server>> server::listen(const std::string& address, core::reactor& control,
                                                     collector collect) {
    std::unique_ptr<server> made(new server());
    made->source_ = std::make_shared<source>(control, std::move(collect));
    try {
        made->http_ = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
            "listening_ports", address, "num_threads", threads, "request_timeout_ms", request_limit_ms});
    } catch (const std::exception& e) {
        return core::fail(EADDRINUSE,
                          "cannot serve metrics there: give an address of this machine with a free port, such as "
                          "127.0.0.1:10008",
                          address);
    }
    made->http_->RegisterCollectable(made->source_);
    return made;
}

server::~server() = default;

int server::port() const {
    const auto ports = http_->GetListeningPorts();
    return ports.empty() ? 0 : ports.front();
}

}  // namespace causeway::metrics
