// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/state_json.h"

#include <algorithm>

namespace causeway::nvmf::reservation {

namespace {

core::result<std::vector<registrant>> read_registrants(const json& object) {
    const auto list = object.find("registrants");
    if (list == object.end() || !list->is_array())
        return core::fail(EINVAL, "'registrants' is not a list");
    if (list->size() > state::max_registrants)
        return core::fail(EINVAL, "it has too many registrants");
    std::vector<registrant> all;
    for (const json& one : *list) {
        const auto host = one.is_object() ? uuid_of(one, "host_uuid") : std::nullopt;
        const auto key = one.is_object() ? number_of(one, "rkey") : std::nullopt;
        if (!host || !key || *key == 0)
            return core::fail(EINVAL, "a registrant has no 'host_uuid', or no 'rkey' other than 0");
        all.push_back({*host, *key});
    }
    const auto by_host = [](const registrant& a, const registrant& b) { return a.host < b.host; };
    std::sort(all.begin(), all.end(), by_host);
    if (std::adjacent_find(all.begin(), all.end(), [](auto& a, auto& b) { return a.host == b.host; }) != all.end())
        return core::fail(EINVAL, "a host is a registrant twice");
    return all;
}

core::result<> read_holder(const json& object, state& s) {
    const auto type = number_of(object, "rtype");
    if (!type || *type > nvme::to_underlying(reservation_type::exclusive_access_all_registrants))
        return core::fail(EINVAL, "'rtype' is not a type of reservation");
    s.type = static_cast<reservation_type>(*type);
    if (!s.is_held())
        return {};
    if (is_all_registrants(s.type))
        return s.registrants.empty() ? core::result<>(core::fail(EINVAL, "nobody holds its reservation"))
                                     : core::result<>();
    const auto holder = uuid_of(object, "holder_uuid");
    if (!holder || !s.find(*holder))
        return core::fail(EINVAL, "'holder_uuid' is not a registrant");
    s.holder = *holder;
    return {};
}

}  // namespace

std::optional<std::uint64_t> number_of(const json& object, const char* name) {
    const auto it = object.find(name);
    if (it == object.end() || !it->is_number_unsigned())
        return std::nullopt;
    return it->get<std::uint64_t>();
}

std::optional<bdev::uuid> uuid_of(const json& object, const char* name) {
    const auto it = object.find(name);
    if (it == object.end() || !it->is_string())
        return std::nullopt;
    const auto u = bdev::uuid_from(it->get_ref<const std::string&>());
    return u ? std::optional(*u) : std::nullopt;
}

void add_reservation(json& object, const state& s) {
    object["rtype"] = nvme::to_underlying(s.type);
    if (s.is_held() && !is_all_registrants(s.type))
        object["holder_uuid"] = bdev::to_string(s.holder);
    object["registrants"] = json::array();
    for (const registrant& r : s.registrants)
        object["registrants"].push_back({{"rkey", r.key}, {"host_uuid", bdev::to_string(r.host)}});
}

core::result<> read_reservation(const json& object, state& s) {
    auto registrants = read_registrants(object);
    if (!registrants)
        return tl::make_unexpected(std::move(registrants.error()));
    s.registrants = std::move(*registrants);
    return read_holder(object, s);
}

}  // namespace causeway::nvmf::reservation
