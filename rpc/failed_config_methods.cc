// SPDX-License-Identifier: Apache-2.0
// framework_get_failed_config, framework_retry_failed_config, framework_forget_failed_config: ours alone, for what of
// the configuration file could not be made.

#include "rpc/config_replay.h"
#include "rpc/params.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

json to_json(const config_replay::failed_call& f) {
    json one = {{"id", f.id},           {"subsystem", f.subsystem},   {"method", f.method},    {"params", f.params},
                {"code", f.error.code}, {"message", f.error.message}, {"attempts", f.attempts}};
    if (f.next_attempt)
        one["next_attempt_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(*f.next_attempt).count();
    return one;
}

const declaration<> get_failed_method = {
    .name = "framework_get_failed_config",
    .when = states::any,
    .summary = "Lists the calls of the configuration file that have failed so far; they are tried again.",
    .result = "an array of objects: `id`, `subsystem`, `method`, `params`, `code`, `message`, `attempts`, and "
              "`next_attempt_ms` while one is planned",
};

struct retry_params {
    std::optional<unsigned> id;  ///< absent: all
};
const declaration<retry_params> retry_method = {
    .name = "framework_retry_failed_config",
    .summary = "Tries failed calls of the configuration file now.",
    .parameters = {optional("id", &retry_params::id, "Only this one, of framework_get_failed_config.")},
    .errors = {{-ENOENT, "no failed call has that id"}},
};

struct forget_params {
    unsigned id = 0;
};
const declaration<forget_params> forget_method = {
    .name = "framework_forget_failed_config",
    .summary = "Forgets a failed call of the configuration file, as if it had not been there.",
    .parameters = {required("id", &forget_params::id, "Which one, of framework_get_failed_config.")},
    .errors = {{-ENOENT, "no failed call has that id"}},
};

}  // namespace

void add_failed_config_methods(method_table& methods, saved_config& config, config_replay& replay) {
    methods.add(get_failed_method, [&replay] {
        json all = json::array();
        for (const auto& f : replay.failed())
            all.push_back(to_json(f));
        return answer(std::move(all));
    });
    methods.add(retry_method,
                [&replay](retry_params p) -> core::task<answer> { co_return ok_if(co_await replay.retry(p.id)); });
    methods.add(forget_method, [&replay](const forget_params& p) { return ok_if(replay.forget(p.id)); });

    const auto is_saved = [&config](const std::string& subsystem) {
        return std::ranges::find(config.sections(), subsystem, &saved_config::section::name) != config.sections().end();
    };
    for (const auto& s : config.sections()) {
        // A section of another name stays, too, in the last one: what it needs has been made then.
        const bool is_last = &s == &config.sections().back();
        config.add_writer(s.name, config_phase::unmade, [&replay, name = s.name, is_last, is_saved](json& calls) {
            replay.write_unmade(
                [&](const std::string& subsystem) { return subsystem == name || (is_last && !is_saved(subsystem)); },
                calls);
        });
    }
}

}  // namespace causeway::rpc
