// SPDX-License-Identifier: Apache-2.0
#include "rpc/framework_methods.h"

#include "rpc/params.h"
#include "rpc/spdk_methods.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <map>
#include <unistd.h>

namespace causeway::rpc {

namespace {

struct get_methods_params {
    bool current = false;
    bool include_aliases = false;
};
const declaration<get_methods_params> get_methods_method = {
    .name = "rpc_get_methods",
    .when = states::any,
    .summary = "Lists the names of all methods.",
    .parameters =
        {
            optional("current", &get_methods_params::current, "Only those that may be called in the present state."),
            optional("include_aliases", &get_methods_params::include_aliases, "Older names, too."),
        },
    .result = "an array of names, sorted",
};

struct get_help_params {
    std::optional<std::string> name;
};
const declaration<get_help_params> get_help_method = {
    .name = "rpc_get_method_help",
    .when = states::any,
    .summary = "Describes methods: their states, parameters, results and errors.",
    .parameters = {optional("name", &get_help_params::name, "Of this method only; without it, of all.")},
    .result = "an array of objects, sorted by name: `name`, `group`, `state`, `summary`, `parameters` (`name`, `type`, "
              "`required`, `default`, `min`, `max`, `choices`, `members`, `meaning`), `result` and `errors`",
    .errors = {{error_code::method_not_found, "there is no method of that name"}},
};

json method_names(const method_table& methods, state now, const get_methods_params& p) {
    json names = json::array();
    const auto add = [&](std::string_view name, const method& m) {
        if (!p.current || allows(m.when, now))
            names.push_back(name);
    };
    for (const auto& m : methods.all())
        add(m.name, m);
    if (p.include_aliases)
        for (const auto& a : methods.aliases())
            add(a.name, *a.of);
    std::sort(names.begin(), names.end());
    return names;
}

answer help(const method_table& methods, const get_help_params& p) {
    std::map<std::string_view, const method*> chosen;
    if (p.name) {
        const method* m = methods.find(*p.name);
        if (!m)
            return tl::make_unexpected(not_found(methods, *p.name));
        chosen.emplace(m->name, m);
    } else {
        for (const auto& m : methods.all())
            chosen.emplace(m.name, &m);
    }
    json all = json::array();
    for (const auto& [name, m] : chosen)
        if (m->describe)
            all.push_back(to_json(m->describe()));
    return all;
}

const declaration<> get_version_method = {
    .name = "spdk_get_version",
    .when = states::any,
    .summary = "Says which version this is.",
    .result = "`version`, a text; `fields`: `major`, `minor`, `patch`, `suffix`",
};

/// "0.1.0" in numbers.
json version() {
    constexpr std::string_view text = CAUSEWAY_VERSION;
    json numbers = json::array();
    for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
        unsigned n = 0;
        at = std::from_chars(at, text.data() + text.size(), n).ptr;
        numbers.push_back(n);
    }
    return {{"version", "Causeway v" + std::string(text)},
            {"fields", {{"major", numbers[0]}, {"minor", numbers[1]}, {"patch", numbers[2]}, {"suffix", ""}}}};
}

struct get_config_params {
    std::string name;
    bool with_batches = false;  // may put calls that can go together into arrays: ours go one by one
};
const declaration<get_config_params> get_config_method = {
    .name = "framework_get_config",
    .summary = "Answers the calls that make again what a subsystem has now; configuration files consist of them.",
    .parameters =
        {
            required("name", &get_config_params::name, "A subsystem that framework_get_subsystems lists."),
            optional("with_batches", &get_config_params::with_batches,
                     "Calls that can go together may be an array in the array; here none are."),
        },
    .result = "an array of calls, each with `method` and `params`",
    .errors = {{error_code::parameters, "there is no subsystem of that name"}},
};

const declaration<> get_subsystems_method = {
    .name = "framework_get_subsystems",
    .summary = "Lists the subsystems of a saved configuration, in the order in which it is replayed.",
    .result = "an array of objects: `subsystem`, a name, and `depends_on`, names that come before",
};

const declaration<> start_init_method = {
    .name = "framework_start_init",
    .when = states::startup,
    .summary = "Ends the startup state, in which --wait-for-rpc leaves the gateway for settings.",
};

const declaration<> wait_init_method = {
    .name = "framework_wait_init",
    .when = states::any,
    .summary = "Answers once the gateway has started and the configuration file has been replayed.",
    .errors = {{-EAGAIN, "calls of the configuration file fail; framework_get_failed_config lists them"},
               {-ECANCELED, "the gateway ends"}},
};

enum class signal_name : int {
    interrupt = SIGINT,
    terminate = SIGTERM,
    quit = SIGQUIT,
    hang_up = SIGHUP,
    kill = SIGKILL,
    user_1 = SIGUSR1
};
struct kill_params {
    signal_name sig_name{};
};
const declaration<kill_params> kill_method = {
    .name = "spdk_kill_instance",
    .summary = "Sends the gateway a signal.",
    .parameters = {required("sig_name", &kill_params::sig_name,
                            {{"SIGINT", signal_name::interrupt},
                             {"SIGTERM", signal_name::terminate},
                             {"SIGQUIT", signal_name::quit},
                             {"SIGHUP", signal_name::hang_up},
                             {"SIGKILL", signal_name::kill},
                             {"SIGUSR1", signal_name::user_1}},
                            "The signal; SIGINT and SIGTERM end the gateway in order.")},
};

}  // namespace

void add_subsystems(saved_config& config) {
    config.add_subsystem("accel", {});
    config.add_subsystem("iobuf", {});
    config.add_subsystem("sock", {});
    config.add_subsystem("scheduler", {});
    config.add_subsystem("bdev", {"accel", "iobuf", "sock"});
    config.add_subsystem("keyring", {});
    config.add_subsystem("nvmf", {"bdev", "keyring", "sock"});
}

void add_framework_methods(method_table& methods, lifecycle& cycle, const saved_config& config) {
    methods.add(get_methods_method,
                [&](const get_methods_params& p) -> answer { return method_names(methods, cycle.now(), p); });
    methods.add(get_help_method, [&](const get_help_params& p) { return help(methods, p); });
    methods.add(get_version_method, [] { return answer(version()); });
    methods.add(kill_method, [](const kill_params& p) -> answer {
        ::kill(::getpid(), static_cast<int>(p.sig_name));
        return ok();
    });
    methods.add(start_init_method, [&]() -> core::task<answer> { co_return ok_if(co_await cycle.start()); });
    methods.add(wait_init_method, [&]() -> core::task<answer> { co_return ok_if(co_await cycle.wait()); });
    methods.add(get_subsystems_method, [&] {
        json all = json::array();
        for (const auto& s : config.sections())
            all.push_back({{"subsystem", s.name}, {"depends_on", s.depends_on}});
        return answer(all);
    });
    methods.add(get_config_method, [&](const get_config_params& p) -> answer {
        auto calls = config.of(p.name);
        if (!calls)
            return refuse_parameters("no such subsystem: " + p.name);
        return std::move(*calls);
    });
}

}  // namespace causeway::rpc
