// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/file_text.h"

#include "nvmf/reservation/state_json.h"

#include <optional>

namespace causeway::nvmf::reservation {

namespace {

core::error damaged(std::string_view why) {
    return {EINVAL, std::string("it is not a reservation file: ").append(why), ""};
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
        return tl::make_unexpected(damaged("it is not a JSON object"));
    const auto written_for = uuid_of(file, "bdev_uuid");
    const auto ptpl = file.find("ptpl");
    if (!written_for || ptpl == file.end() || !ptpl->is_boolean())
        return tl::make_unexpected(damaged("it has no 'bdev_uuid', or no 'ptpl'"));
    if (*written_for != device)
        return core::fail(EINVAL, "it is about another device, " + bdev::to_string(*written_for));
    state s;
    s.persists = ptpl->get<bool>();
    if (!s.persists)
        return s;
    if (const auto read = read_reservation(file, s); !read)
        return tl::make_unexpected(damaged(read.error().sentence));
    return s;
}

}  // namespace causeway::nvmf::reservation
