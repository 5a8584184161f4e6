// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/cluster_probe.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

using json = nlohmann::ordered_json;

/// What `causeway doctor` has found out about one thing.
struct finding {
    enum class state : std::uint8_t { ok, warn, fail, skip };
    std::string check;  ///< "huge pages"
    state is = state::ok;
    std::string sentence;  ///< what there is
    std::string cure;      ///< what to do; empty: nothing
};
std::string_view to_string(finding::state s);

/// The machine that is examined: its files below `root`, another folder in tests, and what only calls can tell.
class machine {
  public:
    explicit machine(std::string root = "") : root_(std::move(root)) {}

    /// The file's text; absent: there is none, or it cannot be read.
    std::optional<std::string> read(const std::string& path) const;
    /// The first line of read(), without white space around; empty: none.
    std::string line(const std::string& path) const;
    /// The names in a folder, sorted.
    std::vector<std::string> list(const std::string& path) const;
    bool exists(const std::string& path) const;

    /// What a program prints; absent: there is no such program, or it failed. By default none is run.
    std::function<std::optional<std::string>(const std::vector<std::string>& words)> run = [](const auto&) {
        return std::optional<std::string>();
    };
    /// Whether the kernel's clock is kept in step with others; absent: not known.
    std::function<std::optional<bool>()> clock_is_synchronised = [] { return std::optional<bool>(); };

  private:
    std::string root_;
};

using findings = std::vector<finding>;

// Each looks at one thing. They read, and change nothing.
finding check_huge_pages(const machine& m);
finding check_iommu(const machine& m);
finding check_memlock(const machine& m);
/// An RDMA device with an active port, a RoCEv2 GID of an address, and the MTU of its interface.
findings check_rdma(const machine& m);
/// Whether something listens at the ports of NVMe over Fabrics, and whether a packet filter keeps hosts out.
findings check_ports(const machine& m);
finding check_time(const machine& m);
findings check_versions(const machine& m);
/// What hosts need: modules, identity, multipathing.
findings check_host(const machine& m);
/// Judges what a probe of a cluster has found. `image`: it was asked for.
findings judge_cluster(const ceph::cluster_report& r, const ceph::probe_options& o);

std::string to_text(const findings& all);
json to_json(const findings& all);
/// 1 if any has failed.
int exit_status_of(const findings& all);

}  // namespace causeway::tools
