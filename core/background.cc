// SPDX-License-Identifier: Apache-2.0
#include "core/background.h"

namespace causeway::core {

namespace {

/// Pieces that are sorted in for each one that runs. A few nanoseconds each, so that a turn stays short when thousands
/// arrive at once; more than one, so that a newcomer soon stands where its turn comes.
constexpr unsigned arrivals_per_piece = 32;

}  // namespace

std::shared_ptr<background_party> background_queue::find_party() {
    return std::make_shared<background_party>();
}

unsigned background_work::run(unsigned budget) noexcept {
    const auto sort = [this](message& m) noexcept { sort_in(static_cast<background_message&>(m)); };
    unsigned count = 0;
    spent_ = 0;
    while (spent_ < budget) {
        arrived_.drain(arrivals_per_piece, sort);
        message* const m = take_next();
        if (!m)
            break;
        ++spent_;
        ++count;
        m->handle(*m);
    }
    return count;
}

void background_work::sort_in(background_message& m) noexcept {
    background_queue& q = m.queue ? *m.queue : own_;
    if (q.pieces_.empty()) {
        if (!q.party_)
            q.party_ = q.find_party();
        background_party& p = *q.party_;
        if (p.waiting_.empty())
            waiting_.push_back(p);
        p.waiting_.push_back(q);
    }
    q.pieces_.push_back(m);
}

/// What still has work goes to the end of its line at once: when the piece runs, its queue and party may go.
message* background_work::take_next() noexcept {
    background_party* const p = waiting_.pop_front();
    if (!p)
        return nullptr;
    background_queue* const q = p->waiting_.pop_front();
    message* const m = q->pieces_.pop_front();
    if (!q->pieces_.empty())
        p->waiting_.push_back(*q);
    if (!p->waiting_.empty())
        waiting_.push_back(*p);
    return m;
}

}  // namespace causeway::core
