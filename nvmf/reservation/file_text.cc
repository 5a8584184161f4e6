// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/file_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace causeway::nvmf::reservation {

namespace {

using json = nlohmann::ordered_json;

tl::unexpected<core::error> damaged(std::string_view why) {
    return core::fail(EINVAL, std::string("it is not a reservation file: ").append(why));
}

std::optional<std::uint64_t> number(const json& object, const char* name) {
    const auto it = object.find(name);
    if (it == object.end() || !it->is_number_unsigned())
        return std::nullopt;
    return it->get<std::uint64_t>();
}

std::optional<bdev::uuid> uuid(const json& object, const char* name) {
    const auto it = object.find(name);
    if (it == object.end() || !it->is_string())
        return std::nullopt;
    const auto u = bdev::uuid_from(it->get_ref<const std::string&>());
    return u ? std::optional(*u) : std::nullopt;
}

core::result<std::vector<registrant>> read_registrants(const json& file) {
    const auto list = file.find("registrants");
    if (list == file.end() || !list->is_array())
        return damaged("'registrants' is not a list");
    if (list->size() > state::max_registrants)
        return damaged("it has too many registrants");
    std::vector<registrant> all;
    for (const json& one : *list) {
        const auto host = one.is_object() ? uuid(one, "host_uuid") : std::nullopt;
        const auto key = one.is_object() ? number(one, "rkey") : std::nullopt;
        if (!host || !key || *key == 0)
            return damaged("a registrant has no 'host_uuid', or no 'rkey' other than 0");
        all.push_back({*host, *key});
    }
    const auto by_host = [](const registrant& a, const registrant& b) { return a.host < b.host; };
    std::sort(all.begin(), all.end(), by_host);
    if (std::adjacent_find(all.begin(), all.end(), [](auto& a, auto& b) { return a.host == b.host; }) != all.end())
        return damaged("a host is a registrant twice");
    return all;
}

core::result<> read_reservation(const json& file, state& s) {
    const auto type = number(file, "rtype");
    if (!type || *type > nvme::to_underlying(reservation_type::exclusive_access_all_registrants))
        return damaged("'rtype' is not a type of reservation");
    s.type = static_cast<reservation_type>(*type);
    if (!s.is_held())
        return {};
    if (is_all_registrants(s.type))
        return s.registrants.empty() ? core::result<>(damaged("nobody holds its reservation")) : core::result<>();
    const auto holder = uuid(file, "holder_uuid");
    if (!holder || !s.find(*holder))
        return damaged("'holder_uuid' is not a registrant");
    s.holder = *holder;
    return {};
}

}  // namespace

std::string to_file_text(const state& s, const bdev::uuid& device) {
    json file = {{"ptpl", s.persists}};
    // SPDK's target wants a holder in any case: it is one of them where all registrants are.
    const registrant* holder = is_all_registrants(s.type) ? &s.registrants.front() : s.find(s.holder);
    if (s.persists) {
        file["rtype"] = nvme::to_underlying(s.type);
        if (s.is_held())
            file["crkey"] = holder->key;
    }
    file["bdev_uuid"] = bdev::to_string(device);
    if (s.persists) {
        if (s.is_held())
            file["holder_uuid"] = bdev::to_string(holder->host);
        file["registrants"] = json::array();
        for (const registrant& r : s.registrants)
            file["registrants"].push_back({{"rkey", r.key}, {"host_uuid", bdev::to_string(r.host)}});
    }
    return file.dump() + "\n";
}

core::result<state> from_file_text(std::string_view text, const bdev::uuid& device) {
    const json file = json::parse(text, nullptr, false);
    if (!file.is_object())
        return damaged("it is not a JSON object");
    const auto written_for = uuid(file, "bdev_uuid");
    const auto ptpl = file.find("ptpl");
    if (!written_for || ptpl == file.end() || !ptpl->is_boolean())
        return damaged("it has no 'bdev_uuid', or no 'ptpl'");
    if (*written_for != device)
        return core::fail(EINVAL, "it is about another device, " + bdev::to_string(*written_for));
    state s;
    s.persists = ptpl->get<bool>();
    if (!s.persists)
        return s;
    auto registrants = read_registrants(file);
    if (!registrants)
        return tl::make_unexpected(std::move(registrants.error()));
    s.registrants = std::move(*registrants);
    if (auto read = read_reservation(file, s); !read)
        return tl::make_unexpected(std::move(read.error()));
    return s;
}

}  // namespace causeway::nvmf::reservation
