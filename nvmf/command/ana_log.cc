// SPDX-License-Identifier: Apache-2.0
// The Asymmetric Namespace Access log page, as one controller reports it. NVM Express Base Specification 2.0,
// "Asymmetric Namespace Access (Log Identifier 0Ch)".

#include "nvme/log_page.h"

#include "nvmf/command/admin_commands.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>
#include <vector>

namespace causeway::nvmf {

namespace {

class page_writer {
  public:
    template <class T>
    std::size_t add(const T& t) {
        static_assert(alignof(T) == 1);
        const auto raw = std::as_bytes(std::span(&t, 1));
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
        return bytes_.size() - raw.size();
    }
    template <class T>
    T& at(std::size_t offset) noexcept {
        return *reinterpret_cast<T*>(&bytes_[offset]);
    }
    std::span<const std::byte> bytes() const noexcept { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

struct member {
    std::uint32_t group, nsid;
    auto operator<=>(const member&) const = default;
};

/// The namespaces that the host of `c` sees, by group.
std::vector<member> members(const controller& c) {
    std::vector<member> all;
    for (const auto& [nsid, ns] : c.subsystem().namespaces().all())
        if (visible(c, *ns))
            all.push_back({ns->ana_group(), nsid});
    std::sort(all.begin(), all.end());
    return all;
}

/// Groups without namespaces are left out. `groups_only`: without lists of namespaces.
page_writer make_page(const controller& c, bool groups_only) {
    const ana_states& states = c.ana()->states();
    page_writer page;
    nvme::ana_log_header header{};
    header.chgcnt = states.changes();
    page.add(header);
    std::uint32_t group = 0;
    std::uint16_t groups = 0;
    std::size_t descriptor = 0;
    for (const member& m : members(c)) {
        if (m.group != group) {
            group = m.group;
            ++groups;
            nvme::ana_group_descriptor d{};
            d.grpid = group;
            d.chgcnt = states.last_change(group);
            d.state = nvme::to_underlying(states.state(group));
            descriptor = page.add(d);
        }
        if (groups_only)
            continue;
        page.add(nvme::le32{m.nsid});
        auto& count = page.at<nvme::ana_group_descriptor>(descriptor).nnsids;
        count = count + 1;
    }
    page.at<nvme::ana_log_header>(0).ngrps = groups;
    return page;
}

}  // namespace

outcome ana_log(controller& c, request& r) {
    const nvme::get_log_page_view command{r.command};
    const page_writer page = make_page(c, (command.lsp() & nvme::ana_lsp_return_groups_only) != 0);
    if (command.offset() > page.bytes().size())
        return wrong_field(offsetof(nvme::command, cdw12));
    set_response_data(r, page.bytes(), command.offset());
    c.ana()->log_read();
    return verdict();
}

}  // namespace causeway::nvmf
