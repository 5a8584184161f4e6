// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"
#include "core/reactor_group.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::core {

/// How the cells of several cores make one number.
enum class metric_kind : std::uint8_t {
    counter,  ///< it only rises; added up
    gauge,    ///< it rises and falls; added up
    maximum,  ///< the largest
    minimum,  ///< the smallest; 0 means none yet
};

/// Two cells as one number.
std::uint64_t combined(metric_kind kind, std::uint64_t a, std::uint64_t b) noexcept;

enum class metric_unit : std::uint8_t {
    events,
    ticks,   ///< of core::clock
    blocks,  ///< of the device
};

struct label_view {
    std::string_view name, value;
    friend bool operator==(const label_view&, const label_view&) = default;
};

/// What one counter of a struct is called, by metrics systems and by operators.
struct metric {
    std::string_view name;       ///< as Prometheus takes it: "causeway_nvmf_refused_commands_total"
    std::string_view json_name;  ///< the member of an RPC answer, SPDK's where SPDK has one; empty: in no answer
    metric_kind kind;
    std::string_view help;  ///< one sentence
    std::size_t offset;     ///< bytes, of the counter in its struct
    metric_unit unit = metric_unit::events;
    label_view label{};  ///< tells rows of one name apart: {"op", "read"}
};

/// The names of all counters of the struct `Cells`. Static storage.
template <class Cells>
struct metric_table {
    std::string_view subject;  ///< what its groups are counters of: "target", "transport", "bdev"
    std::span<const metric> rows;
};

/// For static_assert: names that Prometheus takes, "_total" for what only rises, a help text, and each counter of the
/// first `bytes` of the struct in exactly one row. A counter that is in no row could be read by nobody.
constexpr bool lists_each_counter(std::span<const metric> rows, std::size_t bytes) noexcept {
    const auto is_lower = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (rows.size() * sizeof(counter) != bytes)
        return false;
    for (const metric& m : rows) {
        if (!m.name.starts_with("causeway_") || m.help.empty() || m.offset % sizeof(counter) || m.offset >= bytes)
            return false;
        for (const char c : m.name)
            if (!is_lower(c))
                return false;
        if (m.name.ends_with("_total") != (m.kind == metric_kind::counter))
            return false;
        for (const metric& other : rows)
            if (&other != &m && (other.offset == m.offset || (other.name == m.name && other.label == m.label)))
                return false;
    }
    return true;
}

using labels = std::vector<std::pair<std::string, std::string>>;

/// The counters of one owner: a struct of them on each core, or on some. Reading is for the control reactor, while the
/// owner lives; the cores go on counting meanwhile.
class counter_group {
  public:
    /// None of `cores` has cells yet: see counter_registration::attach().
    template <class Cells>
    counter_group(const metric_table<Cells>& table, core::labels labels, std::size_t cores)
        : subject_(table.subject), rows_(table.rows), labels_(std::move(labels)), cells_(cores) {}
    template <class Cells>
    counter_group(const metric_table<Cells>& table, core::labels labels, const per_core<Cells>& cells)
        : counter_group(table, std::move(labels), cells.size()) {
        for (std::size_t core = 0; core < cells.size(); ++core)
            cells_[core] = &cells.on(core);
    }

    std::string_view subject() const noexcept { return subject_; }
    std::span<const metric> rows() const noexcept { return rows_; }
    const core::labels& labels() const noexcept { return labels_; }
    std::string_view label(std::string_view name) const noexcept;  ///< its value; empty: it has none of that name

    std::size_t cores() const noexcept { return cells_.size(); }
    bool has(std::size_t core) const noexcept { return cells_[core] != nullptr; }

    /// REQUIRES: `m` is one of rows(). 0 where the core has no cells.
    std::uint64_t value(const metric& m, std::size_t core) const noexcept;
    /// Of `count` cores from `first` on, as the metric's kind says.
    std::uint64_t value(const metric& m, std::size_t first, std::size_t count) const noexcept;

  private:
    friend class counter_registration;

    std::string_view subject_;
    std::span<const metric> rows_;
    core::labels labels_;
    std::vector<const void*> cells_;  ///< by core; nullptr: none
};

class counter_registry;

/// Keeps a group in the list until it is destroyed, which its owner does before the cells go. Control reactor.
class counter_registration {
  public:
    counter_registration() = default;
    counter_registration(counter_registration&& other) noexcept { swap(other); }
    counter_registration& operator=(counter_registration&& other) noexcept {
        counter_registration(std::move(other)).swap(*this);
        return *this;
    }
    ~counter_registration();

    /// From now on `core` has cells. REQUIRES: `table` is the group's. Nothing happens if no group is registered.
    template <class Cells>
    void attach(const metric_table<Cells>& table, std::size_t core, const Cells& cells) {
        set(table.rows, core, &cells);
    }
    /// No core has cells any more; the group stays in the list.
    void detach() noexcept;

  private:
    friend class counter_registry;
    using position = std::list<counter_group>::iterator;
    counter_registration(counter_registry& in, position at) : in_(&in), at_(at) {}
    void set(std::span<const metric> rows, std::size_t core, const void* cells);
    void swap(counter_registration& other) noexcept {
        std::swap(in_, other.in_);
        std::swap(at_, other.at_);
    }

    counter_registry* in_ = nullptr;
    position at_{};
};

/// The list of all counters of a gateway. Each folder registers its own; RPC methods and metrics systems read the list.
/// Lives on the control reactor, outlives what is registered.
///
/// Nothing of it is on the data path: the cells are the counters that a core counts with anyway, and reading them is
/// one relaxed load each.
class counter_registry {
  public:
    /// EEXIST: a counter of this name and these labels is in the list, or another struct has a counter of this name.
    result<counter_registration> add(counter_group group);

    /// Groups of one struct follow each other; structs, and the groups of each, come in the order of registration.
    /// REQUIRES: `f`, of const counter_group&, neither adds nor removes.
    template <class F>
    void visit(F&& f) const {
        for (const struct_groups& of_struct : structs_)
            for (const counter_group& g : of_struct.groups)
                f(g);
    }
    /// Only those whose table has this subject, without a look at the others.
    template <class F>
    void visit(std::string_view subject, F&& f) const {
        for (const struct_groups& of_struct : structs_)
            if (of_struct.subject == subject)
                for (const counter_group& g : of_struct.groups)
                    f(g);
    }
    /// What all groups of a subject have counted under a JSON name; nothing: there is none of that name.
    std::optional<std::uint64_t> total(std::string_view subject, std::string_view json_name) const;
    /// nullptr: not in the list.
    template <class Cells>
    const counter_group* find(const metric_table<Cells>& table, const labels& of) const {
        return find(table.rows, of);
    }

  private:
    friend class counter_registration;
    struct struct_groups {
        std::string_view subject;
        std::span<const metric> rows;
        std::list<counter_group> groups;
        std::map<labels, std::list<counter_group>::iterator> by_labels;
    };
    struct_groups* groups_of(std::span<const metric> rows) noexcept;
    const counter_group* find(std::span<const metric> rows, const labels& of) const;
    void remove(std::list<counter_group>::iterator at) noexcept;

    std::list<struct_groups> structs_;
};

}  // namespace causeway::core
