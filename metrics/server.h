// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"

#include <functional>
#include <memory>
#include <prometheus/metric_family.h>
#include <string>
#include <vector>

namespace prometheus {
class Exposer;
}

namespace causeway::metrics {

/// Serves metrics over HTTP, at /metrics, in Prometheus' text format (version 0.0.4).
///
/// The HTTP is prometheus-cpp's, on four threads of its own: a client that is slow holds up other clients of metrics,
/// for 5 s at most, and nobody else. What is served is collected on the control reactor.
class server {
  public:
    using collector = std::function<core::task<std::vector<prometheus::MetricFamily>>()>;

    /// `address`: "127.0.0.1:9100", "[::1]:9100", or a port alone, which is one of all addresses of the machine.
    /// `collect` runs on `control`. EADDRINUSE: it is no such address, or the gateway cannot listen there. Blocks; the
    /// threads run on the CPUs of the caller.
    static core::result<std::unique_ptr<server>> listen(const std::string& address, core::reactor& control,
                                                        collector collect);
    /// Ends when the last answer has been given: while `control` runs, and not on it. Blocks.
    ~server();

    /// Where it listens, if the port was 0.
    int port() const;

  private:
    class source;
    server() = default;

    std::shared_ptr<source> source_;
    std::unique_ptr<prometheus::Exposer> http_;
};

}  // namespace causeway::metrics
