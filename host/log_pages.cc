// SPDX-License-Identifier: Apache-2.0
#include "host/log_pages.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace causeway::host {

namespace {

constexpr unsigned attempts = 8;
constexpr std::uint64_t max_entries = 65536;  // a peer may say anything
constexpr std::size_t max_ana_bytes = 4 << 20;

template <class T>
std::span<std::byte> bytes_of(T& t) {
    return std::as_writable_bytes(std::span<T, 1>(&t, 1));
}

core::task<core::result<nvme::discovery_log_header>> read_header(controller& c) {
    nvme::discovery_log_header h{};
    if (auto done = co_await c.log_page(nvme::lid::discovery, 0, bytes_of(h)); !done)
        co_return tl::make_unexpected(done.error());
    co_return h;
}

/// Nothing: there is more of it than `data` has.
std::optional<std::vector<ana_group>> parse_ana(std::span<const std::byte> data) {
    const auto take = [&]<class T>(T& t) {
        if (data.size() < sizeof t)
            return false;
        std::memcpy(&t, data.data(), sizeof t);
        data = data.subspan(sizeof t);
        return true;
    };
    nvme::ana_log_header h;
    if (!take(h))
        return std::nullopt;
    std::vector<ana_group> groups;
    for (unsigned i = 0; i < h.ngrps; ++i) {
        nvme::ana_group_descriptor d;
        if (!take(d) || data.size() / sizeof(nvme::le32) < d.nnsids)
            return std::nullopt;
        ana_group g{d.grpid, static_cast<nvme::ana_state>(d.state & 0xf), {}};
        for (std::uint32_t n = 0; n < d.nnsids; ++n) {
            nvme::le32 nsid;
            take(nsid);
            g.nsids.push_back(nsid);
        }
        groups.push_back(std::move(g));
    }
    return groups;
}

}  // namespace

core::task<core::result<std::vector<nvme::discovery_log_entry>>> read_discovery_log(controller& c) {
    const auto in_one = std::clamp<std::uint64_t>(c.max_data() / sizeof(nvme::discovery_log_entry), 1, 64);
    for (unsigned i = 0; i < attempts; ++i) {
        const auto before = co_await read_header(c);
        if (!before)
            co_return tl::make_unexpected(before.error());
        if (before->recfmt != 0)
            co_return core::fail(EPROTO, fmt::format("a discovery log of format {}", before->recfmt.value()), c.name());
        if (before->numrec > max_entries)
            co_return core::fail(EPROTO, fmt::format("a discovery log of {} entries", before->numrec.value()),
                                 c.name());
        std::vector<nvme::discovery_log_entry> all(before->numrec);
        for (std::size_t at = 0; at < all.size(); at += in_one) {
            const auto some = std::span(all).subspan(at, std::min<std::size_t>(in_one, all.size() - at));
            const auto offset = sizeof(nvme::discovery_log_header) + at * sizeof(nvme::discovery_log_entry);
            if (auto done = co_await c.log_page(nvme::lid::discovery, offset, std::as_writable_bytes(some)); !done)
                co_return tl::make_unexpected(done.error());
        }
        const auto after = co_await read_header(c);
        if (!after)
            co_return tl::make_unexpected(after.error());
        if (after->genctr == before->genctr && after->numrec == before->numrec)
            co_return all;
    }
    co_return core::fail(EAGAIN, "the discovery log changes each time that it is read", c.name());
}

core::task<core::result<std::vector<ana_group>>> read_ana_log(controller& c) {
    // In one command, so that it is of one moment; larger and larger until all of it is there.
    for (std::size_t size = 4096; size <= max_ana_bytes && size <= c.max_data(); size *= 4) {
        std::vector<std::byte> data(size);
        if (auto done = co_await c.log_page(nvme::lid::ana, 0, data); !done)
            co_return tl::make_unexpected(done.error());
        if (auto groups = parse_ana(data))
            co_return std::move(*groups);
    }
    co_return core::fail(EPROTO, "the ANA log does not end", c.name());
}

}  // namespace causeway::host
