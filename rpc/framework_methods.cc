// SPDX-License-Identifier: Apache-2.0
#include "rpc/framework_methods.h"

#include "rpc/params.h"

#include <charconv>
#include <csignal>
#include <unistd.h>

namespace causeway::rpc {

namespace {

struct get_methods_params {
    bool current = false;
    bool include_aliases = false;
};
const fields<get_methods_params> get_methods_fields = {
    optional("current", &get_methods_params::current),
    optional("include_aliases", &get_methods_params::include_aliases),
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
    return names;
}

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
const fields<get_config_params> get_config_fields = {
    required("name", &get_config_params::name),
    optional("with_batches", &get_config_params::with_batches),
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
const fields<kill_params> kill_fields = {
    required("sig_name", &kill_params::sig_name,
             {{"SIGINT", signal_name::interrupt},
              {"SIGTERM", signal_name::terminate},
              {"SIGQUIT", signal_name::quit},
              {"SIGHUP", signal_name::hang_up},
              {"SIGKILL", signal_name::kill},
              {"SIGUSR1", signal_name::user_1}}),
};

}  // namespace

void add_framework_methods(method_table& methods, lifecycle& cycle, const saved_config& config) {
    methods.add("rpc_get_methods", states::any, get_methods_fields,
                [&](const get_methods_params& p) -> answer { return method_names(methods, cycle.now(), p); });
    methods.add("spdk_get_version", states::any, [] { return answer(version()); });
    methods.add("spdk_kill_instance", states::runtime, kill_fields, [](const kill_params& p) -> answer {
        ::kill(::getpid(), static_cast<int>(p.sig_name));
        return ok();
    });
    methods.add("framework_start_init", states::startup,
                [&]() -> core::task<answer> { co_return ok_if(co_await cycle.start()); });
    methods.add("framework_wait_init", states::any,
                [&]() -> core::task<answer> { co_return ok_if(co_await cycle.wait()); });
    methods.add("framework_get_subsystems", states::runtime, [&] {
        json all = json::array();
        for (const auto& s : config.sections())
            all.push_back({{"subsystem", s.name}, {"depends_on", s.depends_on}});
        return answer(all);
    });
    methods.add("framework_get_config", states::runtime, get_config_fields, [&](const get_config_params& p) -> answer {
        auto calls = config.of(p.name);
        if (!calls)
            return refuse_parameters("no such subsystem: " + p.name);
        return std::move(*calls);
    });
}

}  // namespace causeway::rpc
