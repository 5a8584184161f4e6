// SPDX-License-Identifier: Apache-2.0
#include "core/counter_registry.h"

#include <algorithm>
#include <cassert>

namespace causeway::core {

namespace {

const counter& cell(const void* cells, const metric& m) noexcept {
    return *reinterpret_cast<const counter*>(static_cast<const std::byte*>(cells) + m.offset);
}

}  // namespace

std::uint64_t combined(metric_kind kind, std::uint64_t a, std::uint64_t b) noexcept {
    switch (kind) {
    case metric_kind::counter:
    case metric_kind::gauge: return a + b;
    case metric_kind::maximum: return std::max(a, b);
    case metric_kind::minimum: return a && b ? std::min(a, b) : a | b;
    }
    return a;
}

std::string_view counter_group::label(std::string_view name) const noexcept {
    for (const auto& [n, value] : labels_)
        if (n == name)
            return value;
    return {};
}

std::uint64_t counter_group::value(const metric& m, std::size_t core) const noexcept {
    return cells_[core] ? cell(cells_[core], m).get() : 0;
}

std::uint64_t counter_group::value(const metric& m, std::size_t first, std::size_t count) const noexcept {
    std::uint64_t all = 0;
    for (std::size_t core = first; core < first + count; ++core)
        all = combined(m.kind, all, value(m, core));
    return all;
}

counter_registration::~counter_registration() {
    if (in_)
        in_->remove(at_);
}

void counter_registration::set([[maybe_unused]] std::span<const metric> rows, std::size_t core, const void* cells) {
    if (!in_)
        return;
    assert(at_->rows_.data() == rows.data());
    at_->cells_[core] = cells;
}

void counter_registration::detach() noexcept {
    if (in_)
        std::fill(at_->cells_.begin(), at_->cells_.end(), nullptr);
}

result<counter_registration> counter_registry::add(counter_group group) {
    struct_groups* of_struct = groups_of(group.rows());
    if (!of_struct) {
        for (const metric& m : group.rows())
            for (const struct_groups& other : structs_)
                if (std::ranges::find(other.rows, m.name, &metric::name) != other.rows.end())
                    return fail(EEXIST, "another struct has a counter of this name", m.name);
        of_struct = &structs_.emplace_back(struct_groups{group.subject(), group.rows(), {}, {}});
    }
    if (of_struct->by_labels.contains(group.labels()))
        return fail(EEXIST, "a counter of this name and these labels is registered", group.rows().front().name);
    of_struct->groups.push_back(std::move(group));
    const auto at = std::prev(of_struct->groups.end());
    of_struct->by_labels.emplace(at->labels(), at);
    return counter_registration(*this, at);
}

counter_registry::struct_groups* counter_registry::groups_of(std::span<const metric> rows) noexcept {
    for (struct_groups& s : structs_)
        if (s.rows.data() == rows.data())
            return &s;
    return nullptr;
}

const counter_group* counter_registry::find(std::span<const metric> rows, const labels& of) const {
    for (const struct_groups& s : structs_)
        if (const auto found = s.by_labels.find(of); s.rows.data() == rows.data() && found != s.by_labels.end())
            return &*found->second;
    return nullptr;
}

std::optional<std::uint64_t> counter_registry::total(std::string_view subject, std::string_view json_name) const {
    std::optional<std::uint64_t> all;
    visit(subject, [&](const counter_group& g) {
        for (const metric& m : g.rows())
            if (m.json_name == json_name)
                all = combined(m.kind, all.value_or(0), g.value(m, 0, g.cores()));
    });
    return all;
}

void counter_registry::remove(std::list<counter_group>::iterator at) noexcept {
    struct_groups& of_struct = *groups_of(at->rows());
    of_struct.by_labels.erase(at->labels());
    of_struct.groups.erase(at);
}

}  // namespace causeway::core
