// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "core/unique_fd.h"
#include "tools/doctor.h"
#include "tools/target_command.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <poll.h>
#include <spawn.h>
#include <sys/timex.h>
#include <sys/wait.h>

extern char** environ;

namespace causeway::tools {

namespace {

constexpr int program_time_limit_ms = 5000;

/// Starts a program whose output goes to `to`; 0: there is none.
pid_t start(const std::vector<std::string>& words, int to) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    std::vector<char*> argv;
    for (const auto& word : words)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int r = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? pid : 0;
}

/// What it prints, for as long as it has something to say in time.
std::optional<std::string> run_program(const std::vector<std::string>& words) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return std::nullopt;
    core::unique_fd read_end(ends[0]), write_end(ends[1]);
    const pid_t pid = start(words, write_end.get());
    write_end.reset();
    if (pid == 0)
        return std::nullopt;
    std::string text;
    char bytes[4096];
    ssize_t n = 0;
    do {
        pollfd p{read_end.get(), POLLIN, 0};
        n = ::poll(&p, 1, program_time_limit_ms) > 0 ? ::read(read_end.get(), bytes, sizeof bytes) : -1;
        text.append(bytes, n > 0 ? static_cast<std::size_t>(n) : 0);
    } while (n > 0);
    if (n < 0)
        ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(text) : std::nullopt;
}

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
    m.run = run_program;
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
