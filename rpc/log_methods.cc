// SPDX-License-Identifier: Apache-2.0
#include "rpc/log_methods.h"

#include "core/trace.h"
#include "rpc/params.h"

namespace causeway::rpc {

namespace log = core::log;

namespace {

struct level_params {
    log::level level{};
};
const fields<level_params> level_fields = {
    required("level", &level_params::level,
             {{"ERROR", log::level::error},
              {"WARNING", log::level::warning},
              {"NOTICE", log::level::notice},
              {"INFO", log::level::info},
              {"DEBUG", log::level::debug}}),
};

struct flag_params {
    std::string flag;
};
const fields<flag_params> flag_fields = {required("flag", &flag_params::flag)};

answer set_flag(const std::string& name, bool on) {
    if (!log::flag::set(name, on))
        return refuse_parameters("no such log flag: " + name + ": use one of all, " + core::trace::flag_names());
    return ok();
}

struct timestamp_params {
    bool enabled = false;
};
const fields<timestamp_params> timestamp_fields = {required("enabled", &timestamp_params::enabled)};

}  // namespace

void add_log_methods(method_table& methods) {
    methods.add("log_get_level", states::any, [] { return answer(json(log::to_string(log::get_level()))); });
    methods.add("log_set_level", states::any, level_fields, [](const level_params& p) -> answer {
        log::set_level(p.level);
        return ok();
    });
    methods.add("log_get_print_level", states::any,
                [] { return answer(json(log::to_string(log::get_print_level()))); });
    methods.add("log_set_print_level", states::any, level_fields, [](const level_params& p) -> answer {
        log::set_print_level(p.level);
        return ok();
    });
    methods.add("log_get_flags", states::any, [] {
        json flags = json::object();
        for (const log::flag* f : log::flag::all())
            flags[std::string(f->name())] = f->on();
        return answer(flags);
    });
    methods.add("log_set_flag", states::any, flag_fields,
                [](const flag_params& p) -> answer { return set_flag(p.flag, true); });
    methods.add("log_clear_flag", states::any, flag_fields,
                [](const flag_params& p) -> answer { return set_flag(p.flag, false); });
    methods.add("log_enable_timestamps", states::runtime, timestamp_fields, [](const timestamp_params& p) -> answer {
        log::set_timestamps(p.enabled);
        return ok();
    });
}

}  // namespace causeway::rpc
