// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "tools/doctor.h"
#include "tools/run_program.h"
#include "tools/target_command.h"

#include <cstdlib>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <sys/timex.h>

namespace causeway::tools {

namespace {

std::optional<bool> clock_is_synchronised() {
    timex t{};
    const int state = ::adjtimex(&t);
    return state < 0 ? std::nullopt : std::optional(state != TIME_ERROR && !(t.status & STA_UNSYNC));
}

struct arguments {
    std::string config, user, pool, image;
    int time_limit = 15;
    bool is_host = false, as_json = false;
};

void add(findings& to, findings more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

/// False: a call to the cluster still hangs.
bool check_ceph(const arguments& a, const machine& m, findings& to) {
    const bool is_asked = !(a.config + a.user + a.pool + a.image).empty();
    if (!is_asked && !m.exists("/etc/ceph/ceph.conf")) {
        to.push_back({"ceph", finding::state::skip, "there is no /etc/ceph/ceph.conf",
                      "to look at a cluster: --cluster-config FILE --user NAME --pool POOL --image IMAGE"});
        return true;
    }
    ceph::probe_options o;
    o.client.config_file = a.config;
    o.client.user_id = a.user;
    o.pool = a.pool;
    o.image = a.image;
    o.time_limit = std::chrono::seconds(a.time_limit);
    const auto report = ceph::probe_cluster(o);
    add(to, judge_cluster(report, o));
    return report.in_time;
}

int run(const arguments& a) {
    machine m;
    m.run = [](const std::vector<std::string>& words) { return run_program(words); };
    m.clock_is_synchronised = clock_is_synchronised;
    findings all{check_huge_pages(m), check_iommu(m), check_memlock(m)};
    add(all, check_rdma(m));
    add(all, check_ports(m));
    all.push_back(check_time(m));
    add(all, check_versions(m));
    if (a.is_host || m.exists("/sys/module/nvme_fabrics"))
        add(all, check_host(m));
    else
        all.push_back({"host", finding::state::skip, "nvme-fabrics is not loaded: this machine is not a host",
                       "--host looks nevertheless"});
    const bool is_over = check_ceph(a, m, all);
    if (a.as_json)
        fmt::print("{}\n", to_json(all).dump(2, ' ', true, json::error_handler_t::replace));
    else
        fmt::print("{}", to_text(all));
    std::fflush(stdout);
    if (!is_over)
        std::_Exit(exit_status_of(all));  // a thread is within librados, which nothing may be torn down under
    return exit_status_of(all);
}

}  // namespace

void add_doctor_command(CLI::App& app, std::function<int()>& what) {
    const auto a = std::make_shared<arguments>();
    auto& c = *app.add_subcommand("doctor", "looks for what goes wrong in the field, and says what to do about it");
    c.add_option("--cluster-config", a->config, "a ceph.conf; default: /etc/ceph/ceph.conf, if it is there");
    c.add_option("--user", a->user, "Ceph user, without \"client.\"");
    c.add_option("--pool", a->pool, "a pool with images");
    c.add_option("--image", a->image, "an image of the pool")->needs(c.get_option("--pool"));
    c.add_option("--time-limit", a->time_limit, "seconds for the cluster")
        ->check(CLI::Range(1, 600))
        ->capture_default_str();
    c.add_flag("--host", a->is_host, "this machine is a host");
    c.add_flag("--json", a->as_json, "the same as JSON");
    c.callback([a, &what] { what = [a] { return run(*a); }; });
}

}  // namespace causeway::tools
