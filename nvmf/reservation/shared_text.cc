// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/shared_text.h"

#include "nvmf/reservation/state_json.h"

#include <charconv>

namespace causeway::nvmf::reservation {

namespace {

constexpr std::uint64_t format = 1;
constexpr std::string_view gateway_prefix = "gateway/";

core::result<std::uint64_t> read_number(const entries& all, const std::string& name, std::uint64_t absent) {
    const auto it = all.find(name);
    if (it == all.end())
        return absent;
    const std::string& text = it->second;
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return core::fail(EINVAL, "its entry '" + name + "' is not a number");
    return n;
}

core::result<state> read_state(const entries& all) {
    const auto it = all.find(state_entry);
    if (it == all.end())
        return state();
    const json object = json::parse(it->second, nullptr, false);
    const auto version = object.is_object() ? number_of(object, "v") : std::nullopt;
    if (!version)
        return core::fail(EINVAL, "its entry 'state' is not what a gateway writes");
    if (*version != format)
        return core::fail(ENOTSUP, "a later release has written it: upgrade this gateway");
    const auto generation = number_of(object, "generation");
    const auto ptpl = object.find("ptpl");
    if (!generation || *generation > UINT32_MAX || ptpl == object.end() || !ptpl->is_boolean())
        return core::fail(EINVAL, "its entry 'state' has no 'generation', or no 'ptpl'");
    state s;
    s.generation = static_cast<std::uint32_t>(*generation);
    s.persists = ptpl->get<bool>();
    if (auto read = read_reservation(object, s); !read)
        return tl::make_unexpected(std::move(read.error()));
    return s;
}

std::string string_of(const json& object, const char* name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool flag_of(const json& object, const char* name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_boolean() && it->get<bool>();
}

/// nullopt: it is not of this format.
std::optional<json> message_from(std::string_view text) {
    json object = json::parse(text, nullptr, false);
    if (!object.is_object() || number_of(object, "v") != format || !number_of(object, "number"))
        return std::nullopt;
    return object;
}

bool read_notifications(const json& object, std::vector<notification>& to) {
    const auto list = object.find("notifications");
    if (list == object.end())
        return true;
    if (!list->is_array() || list->size() > state::max_registrants)
        return false;
    for (const json& one : *list) {
        const auto host = one.is_object() ? uuid_of(one, "host_uuid") : std::nullopt;
        const auto what = one.is_object() ? number_of(one, "type") : std::nullopt;
        if (!host || !what || *what < nvme::to_underlying(nvme::reservation_notice::registration_preempted) ||
            *what > nvme::to_underlying(nvme::reservation_notice::reservation_preempted))
            return false;
        to.push_back({*host, static_cast<nvme::reservation_notice>(*what)});
    }
    return true;
}

}  // namespace

std::string gateway_entry(const std::string& address) {
    return std::string(gateway_prefix) + address;
}

std::string to_shared_text(std::uint64_t number) {
    return std::to_string(number);
}

std::string to_shared_text(const state& s) {
    json object = {{"v", format}, {"generation", s.generation}, {"ptpl", s.persists}};
    add_reservation(object, s);
    return object.dump();
}

core::result<shared_content> from_entries(const entries& all) {
    shared_content c;
    auto number = read_number(all, number_entry, 0);
    if (!number)
        return tl::make_unexpected(std::move(number.error()));
    auto fenced_at = read_number(all, fenced_at_entry, 0);
    if (!fenced_at)
        return tl::make_unexpected(std::move(fenced_at.error()));
    auto kept = read_state(all);
    if (!kept)
        return tl::make_unexpected(std::move(kept.error()));
    c.kept = {std::move(*kept), *number};
    c.fenced_at = *fenced_at;
    for (const auto& [name, value] : all)
        if (name.starts_with(gateway_prefix))
            c.gateways.insert(name.substr(gateway_prefix.size()));
    return c;
}

std::string to_text(const notice& n) {
    json object = {
        {"v", format}, {"from", n.from}, {"number", n.number}, {"change", n.change}, {"end_commands", n.end_commands}};
    if (!n.notifications.empty())
        object["notifications"] = json::array();
    for (const notification& each : n.notifications)
        object["notifications"].push_back(
            {{"host_uuid", bdev::to_string(each.host)}, {"type", nvme::to_underlying(each.notice)}});
    return object.dump();
}

std::optional<notice> notice_from(std::string_view text) {
    const auto object = message_from(text);
    if (!object)
        return std::nullopt;
    notice n{.from = string_of(*object, "from"),
             .number = *number_of(*object, "number"),
             .change = number_of(*object, "change").value_or(0),
             .end_commands = flag_of(*object, "end_commands"),
             .notifications = {}};
    if (!read_notifications(*object, n.notifications))
        return std::nullopt;
    return n;
}

std::string to_text(const reply& r) {
    return json{{"v", format}, {"from", r.from}, {"number", r.number}, {"ended", r.commands_ended}}.dump();
}

std::optional<reply> reply_from(std::string_view text) {
    const auto object = message_from(text);
    if (!object)
        return std::nullopt;
    return reply{.from = string_of(*object, "from"),
                 .number = *number_of(*object, "number"),
                 .commands_ended = flag_of(*object, "ended")};
}

}  // namespace causeway::nvmf::reservation
