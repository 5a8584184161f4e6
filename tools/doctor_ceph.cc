// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace causeway::tools {

namespace {

using enum finding::state;

constexpr std::uint64_t exclusive_lock = 1 << 2, journaling = 1 << 6, migrating = 1 << 9;
constexpr std::pair<std::uint64_t, const char*> feature_names[] = {
    {1 << 0, "layering"},   {1 << 1, "striping"},     {exclusive_lock, "exclusive-lock"}, {1 << 3, "object-map"},
    {1 << 4, "fast-diff"},  {1 << 5, "deep-flatten"}, {journaling, "journaling"},         {1 << 7, "data-pool"},
    {1 << 8, "operations"}, {migrating, "migrating"}};

std::string user_of(const ceph::probe_options& o) {
    return "client." + (o.client.user_id.empty() ? "admin" : o.client.user_id);
}

std::string caps_command(const ceph::probe_options& o) {
    return fmt::format("ceph auth caps {} mon 'profile rbd' osd 'profile rbd pool={}'", user_of(o),
                       o.pool.empty() ? "POOL" : o.pool);
}

finding judge_connection(const ceph::cluster_report& r, const ceph::probe_options& o) {
    if (!r.fsid)
        return {"ceph", fail, fmt::format("no answer within {} s while {}", o.time_limit.count(), r.step),
                "are the monitors of mon_host up (ceph -s elsewhere), and ports 3300 and 6789 open?"};
    if (r.fsid->has_value())
        return {"ceph", ok, fmt::format("connected to {} as {}", **r.fsid, user_of(o)), ""};
    const int code = r.fsid->error().code;
    return {"ceph", fail, r.fsid->error().text(),
            code == ETIMEDOUT ? "are the monitors of mon_host up (ceph -s elsewhere), and ports 3300 and 6789 open?"
            : code == ENOENT
                ? fmt::format("ceph auth get-or-create {} mon 'profile rbd' osd 'profile rbd pool=POOL' -o "
                              "/etc/ceph/ceph.{}.keyring; is mon_host in ceph.conf?",
                              user_of(o), user_of(o))
                : fmt::format("compare the keyring with: ceph auth get {}", user_of(o))};
}

finding judge_caps(const ceph::cluster_report& r, const ceph::probe_options& o) {
    const std::string mon = "Ceph capabilities";
    if (!r.caps || !r.caps->has_value())
        return {mon, skip, "this user may not read them; what it may in the pool is tried instead",
                fmt::format("look at: ceph auth get {}; the monitors' \"profile rbd\" is needed to fence dead clients",
                            user_of(o))};
    const json users = json::parse(**r.caps, nullptr, false);
    const json caps = users.is_array() && !users.empty() ? users[0].value("caps", json::object()) : json::object();
    const std::string of_mon = caps.value("mon", ""), of_osd = caps.value("osd", "");
    const auto allows = [](const std::string& text) {
        return text.find("profile rbd") != text.npos || text.find("allow *") != text.npos;
    };
    if (!allows(of_mon))
        return {mon, fail, fmt::format("mon \"{}\" cannot put dead clients on the blocklist", of_mon), caps_command(o)};
    if (!allows(of_osd) && of_osd.find("allow rwx") == of_osd.npos)
        return {mon, fail, fmt::format("osd \"{}\" does not suffice for images", of_osd), caps_command(o)};
    return {mon, ok, fmt::format("mon \"{}\", osd \"{}\"", of_mon, of_osd), ""};
}

finding judge_access(const char* check, const core::result<>& access, const ceph::probe_options& o, const char* what) {
    if (access)
        return {check, ok, fmt::format("{} may {} {}", user_of(o), what, o.pool), ""};
    if (access.error().code == EPERM || access.error().code == EACCES)
        return {check, fail, fmt::format("{} may not {} {}", user_of(o), what, o.pool), caps_command(o)};
    return {check, fail, fmt::format("the OSDs do not let {} {}: {}", what, o.pool, access.error().text()),
            "ceph health detail; a pool that is full or has inactive placement groups does not answer"};
}

/// Words of a list in one text: "nearfull,sortbitwise".
bool has_flag(const std::string& flags, const std::string& flag) {
    return ("," + flags + ",").find("," + flag + ",") != std::string::npos;
}

findings judge_flags(const std::string& text, const std::string& pool) {
    const json dump = json::parse(text, nullptr, false);
    if (!dump.is_object())
        return {};
    std::string flags = dump.value("flags", "");
    bool is_for_rbd = true;
    for (const json& p : dump.value("pools", json::array()))
        if (p.value("pool_name", "") == pool) {
            flags += "," + p.value("flags_names", "");
            is_for_rbd = p.value("application_metadata", json::object()).contains("rbd");
        }
    findings all;
    std::vector<std::string> bad;
    for (const char* flag : {"full", "full_quota", "pausewr", "pauserd"})
        if (has_flag(flags, flag))
            bad.push_back(flag);
    if (!bad.empty())
        all.push_back({"Ceph space", fail, fmt::format("flags that stop hosts: {}", fmt::join(bad, ", ")),
                       "ceph df; add OSDs or delete data, raise the pool's quota, or ceph osd unpause"});
    else if (has_flag(flags, "nearfull") || has_flag(flags, "backfillfull"))
        all.push_back({"Ceph space", warn, "it is nearly full", "ceph df; add OSDs or delete data"});
    else
        all.push_back({"Ceph space", ok, "neither the cluster nor the pool is full or paused", ""});
    if (!is_for_rbd)
        all.push_back({"Ceph pool", warn, pool + " is not enabled for RBD", "rbd pool init " + pool});
    return all;
}

finding judge_features(const core::result<std::uint64_t>& features, const ceph::probe_options& o) {
    const std::string image = o.pool + "/" + o.image;
    if (!features)
        return {"RBD image", fail, features.error().text(), fmt::format("rbd info {}; rbd ls {}", image, o.pool)};
    std::vector<std::string> names;
    for (const auto& [bit, name] : feature_names)
        if (*features & bit)
            names.push_back(name);
    const std::string text =
        fmt::format("{} has {}", image, names.empty() ? "no features" : fmt::format("{}", fmt::join(names, ", ")));
    if (*features & migrating)
        return {"RBD image", fail, text + ": a migration has not been committed", "rbd migration commit " + image};
    if (!(*features & exclusive_lock))
        return {"RBD image", warn,
                text + ": without exclusive-lock two gateways could write at a time, and none is fenced",
                fmt::format("rbd feature enable {} exclusive-lock", image)};
    if (*features & journaling)
        return {"RBD image", warn, text + ": journaling writes everything twice",
                fmt::format("rbd feature disable {} journaling, unless it is mirrored so", image)};
    return {"RBD image", ok, text, ""};
}

}  // namespace

findings judge_cluster(const ceph::cluster_report& r, const ceph::probe_options& o) {
    findings all{judge_connection(r, o)};
    if (!r.fsid || !r.fsid->has_value())
        return all;
    all.push_back(judge_caps(r, o));
    if (r.osd_dump && r.osd_dump->has_value())
        std::ranges::move(judge_flags(**r.osd_dump, o.pool), std::back_inserter(all));
    if (r.pool && !r.pool->has_value())
        all.push_back({"Ceph pool", fail, "there is no pool " + o.pool,
                       fmt::format("ceph osd pool ls; ceph osd pool create {} && rbd pool init {}", o.pool, o.pool)});
    if (r.readable)
        all.push_back(judge_access("Ceph reads", *r.readable, o, "read from"));
    if (r.writable)
        all.push_back(judge_access("Ceph writes", *r.writable, o, "write to"));
    if (r.image_features)
        all.push_back(judge_features(*r.image_features, o));
    if (!r.in_time && r.step == ceph::closing_step)
        all.push_back(
            {"Ceph answers", warn,
             fmt::format("all was answered, but the connection was not closed within {} s", o.time_limit.count()),
             "ceph health detail; or a longer --time-limit"});
    else if (!r.in_time)
        all.push_back({"Ceph answers", fail,
                       fmt::format("no answer within {} s while {}", o.time_limit.count(), r.step),
                       "ceph health detail: are OSDs down, or placement groups inactive?"});
    return all;
}

}  // namespace causeway::tools
