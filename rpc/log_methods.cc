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
fields<level_params> level_fields(std::string_view meaning) {
    return {required("level", &level_params::level,
                     {{"ERROR", log::level::error},
                      {"WARNING", log::level::warning},
                      {"NOTICE", log::level::notice},
                      {"INFO", log::level::info},
                      {"DEBUG", log::level::debug}},
                     meaning)};
}
constexpr std::string_view level_result = "`ERROR`, `WARNING`, `NOTICE`, `INFO` or `DEBUG`";

const declaration<> get_level_method = {
    .name = "log_get_level",
    .when = states::any,
    .summary = "Says what is logged at all.",
    .result = level_result,
};
const declaration<level_params> set_level_method = {
    .name = "log_set_level",
    .when = states::any,
    .summary = "Sets what is logged at all.",
    .parameters = level_fields("Messages of this level and of graver ones are logged."),
};
const declaration<> get_print_level_method = {
    .name = "log_get_print_level",
    .when = states::any,
    .summary = "Says what of the log goes to stderr.",
    .result = level_result,
};
const declaration<level_params> set_print_level_method = {
    .name = "log_set_print_level",
    .when = states::any,
    .summary = "Sets what of the log goes to stderr.",
    .parameters = level_fields("Messages of this level and of graver ones go to stderr."),
};

struct flag_params {
    std::string flag;
};
fields<flag_params> flag_fields() {
    return {required("flag", &flag_params::flag, "A component that log_get_flags lists, or `all`.")};
}
const declaration<> get_flags_method = {
    .name = "log_get_flags",
    .when = states::any,
    .summary = "Says of which components every step is traced in the log.",
    .result = "an object of `true` and `false`, by component",
};
const declaration<flag_params> set_flag_method = {
    .name = "log_set_flag",
    .when = states::any,
    .summary = "Traces every step of a component in the log.",
    .parameters = flag_fields(),
};
const declaration<flag_params> clear_flag_method = {
    .name = "log_clear_flag",
    .when = states::any,
    .summary = "Ends what log_set_flag began.",
    .parameters = flag_fields(),
};

/// Scripts of SPDK's target switch it. There is nothing of the kind here that could be traced.
log::flag no_virtio("virtio");

answer set_flag(const std::string& name, bool on) {
    if (name == no_virtio.name())
        log::notice("log flag {}: accepted, and without effect here: there are no virtio devices", name);
    if (!log::flag::set(name, on))
        return refuse_parameters("no such log flag: " + name + ": use one of all, " + core::trace::flag_names());
    return ok();
}

struct timestamp_params {
    bool enabled = false;
};
const declaration<timestamp_params> timestamps_method = {
    .name = "log_enable_timestamps",
    .summary = "Sets whether lines of the log begin with the time.",
    .parameters = {required("enabled", &timestamp_params::enabled, "Whether they do.")},
};

}  // namespace

void add_log_methods(method_table& methods) {
    methods.add(get_level_method, [] { return answer(json(log::to_string(log::get_level()))); });
    methods.add(set_level_method, [](const level_params& p) -> answer {
        log::set_level(p.level);
        return ok();
    });
    methods.add(get_print_level_method, [] { return answer(json(log::to_string(log::get_print_level()))); });
    methods.add(set_print_level_method, [](const level_params& p) -> answer {
        log::set_print_level(p.level);
        return ok();
    });
    methods.add(get_flags_method, [] {
        json flags = json::object();
        for (const core::trace::flag_name& f : core::trace::named_flags())
            flags[std::string(f.name)] = f.flag->on();
        return answer(flags);
    });
    methods.add(set_flag_method, [](const flag_params& p) -> answer { return set_flag(p.flag, true); });
    methods.add(clear_flag_method, [](const flag_params& p) -> answer { return set_flag(p.flag, false); });
    methods.add(timestamps_method, [](const timestamp_params& p) -> answer {
        log::set_timestamps(p.enabled);
        return ok();
    });
}

}  // namespace causeway::rpc
