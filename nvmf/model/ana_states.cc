// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/ana_states.h"

#include "nvmf/model/ana_groups.h"

#include <algorithm>
#include <utility>

namespace causeway::nvmf {

std::string_view to_string(nvme::ana_state s) noexcept {
    switch (s) {
    case nvme::ana_state::optimized: return "optimized";
    case nvme::ana_state::non_optimized: return "non_optimized";
    case nvme::ana_state::inaccessible: return "inaccessible";
    case nvme::ana_state::persistent_loss: return "persistent_loss";
    case nvme::ana_state::change: return "change";
    }
    return "?";
}

ana_states::ana_states(ana_groups& owner, std::uint32_t groups, nvme::ana_state initial)
    : owner_(owner), entries_(groups), last_changes_(groups, 1) {
    for (auto& e : entries_)
        e.store(pack({initial, 0}), std::memory_order_relaxed);
    owner_.enlist(*this);
}

ana_states::~ana_states() {
    owner_.delist(*this);
}

void ana_states::set(std::uint32_t group, nvme::ana_state to) noexcept {
    entry e = entry_of(group);
    if (is_accessible(to) && !is_accessible(e.state))
        e.accessible_since = changes_;
    e.state = to;
    entries_[group - 1].store(pack(e), std::memory_order_release);
    touch(group);
}

void ana_states::move(std::uint32_t from, std::uint32_t to) noexcept {
    entry e = entry_of(to);
    if (is_accessible(e.state) && may_refuse(from)) {
        e.accessible_since = changes_;
        entries_[to - 1].store(pack(e), std::memory_order_release);
    }
    touch(from);
    touch(to);
}

void ana_states::update_oldest_read() {
    std::uint64_t oldest = ~std::uint64_t{0};
    for (const ana_reader* r : readers_)
        oldest = std::min(oldest, r->read_.load(std::memory_order_relaxed));
    if (std::exchange(oldest_read_, oldest) != oldest)
        owner_.review();
}

ana_reader::ana_reader(std::shared_ptr<ana_states> of) : states_(std::move(of)), read_(states_->changes()) {
    states_->readers_.push_back(this);
    states_->update_oldest_read();
}

ana_reader::~ana_reader() {
    std::erase(states_->readers_, this);
    states_->update_oldest_read();
}

void ana_reader::log_read() {
    read_.store(states_->changes(), std::memory_order_release);
    states_->update_oldest_read();
}

}  // namespace causeway::nvmf
