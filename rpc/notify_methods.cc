// SPDX-License-Identifier: Apache-2.0
#include "rpc/notify_methods.h"

#include "core/notification_log.h"
#include "rpc/params.h"
#include "rpc/slices.h"

#include <algorithm>
#include <limits>

namespace causeway::rpc {

namespace {

using core::notification_type;

std::string_view to_string(notification_type t) {
    switch (t) {
    case notification_type::bdev_register: return "bdev_register";
    case notification_type::bdev_unregister: return "bdev_unregister";
    case notification_type::bdev_shrink: return "bdev_shrink";
    case notification_type::host_keepalive_timeout: return "host_keepalive_timeout";
    }
    return {};
}

const declaration<> get_types_method = {
    .name = "notify_get_types",
    .summary = "Lists the types of notifications.",
    .result =
        "an array of names: `bdev_register`, `bdev_unregister` (`ctx` is the device), `bdev_shrink` (`ctx` is the "
        "device, its bytes before and its bytes now, with commas between) and `host_keepalive_timeout` (`ctx` is "
        "the host's NQN, the subsystem's, and the timeout in ms, with `_` between)",
};

struct get_params {
    std::uint64_t id = 0;
    std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
};
const declaration<get_params> get_method = {
    .name = "notify_get_notifications",
    .summary = "Answers what has happened to devices and hosts since a notification. The last 1024 are kept.",
    .parameters =
        {
            optional("id", &get_params::id,
                     "The number of the first one; numbers begin with 0 when the gateway starts."),
            optional("max", &get_params::max, "How many at the most."),
        },
    .result = "an array of objects, the oldest first: `type`, `ctx`, `id`. Numbers that are missing at the beginning "
              "are of notifications that are not kept any more",
};

constexpr unsigned us_of_a_notification = 1;

core::task<answer> get(get_params p) {
    const auto& kept = core::notifications().all();
    const auto first = std::ranges::lower_bound(kept, p.id, {}, &core::notification_log::entry::id);
    const auto count = std::min(p.max, static_cast<std::uint64_t>(kept.end() - first));
    std::vector<core::notification_log::entry> wanted(first, first + static_cast<std::ptrdiff_t>(count));
    json list = co_await array_in_slices(std::move(wanted), us_of_a_notification, [](const auto& e) {
        return json{{"type", to_string(e.type)}, {"ctx", e.context}, {"id", e.id}};
    });
    co_return list;
}

answer types() {
    json names = json::array();
    for (const notification_type t : core::notification_types)
        names.push_back(to_string(t));
    return names;
}

}  // namespace

void add_notify_methods(method_table& methods) {
    methods.add(get_types_method, [] { return types(); });
    methods.add(get_method, [](get_params p) { return get(p); });
}

}  // namespace causeway::rpc
