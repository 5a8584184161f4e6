// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/faults.h"

namespace causeway::bdev_nvme::testing {

chosen_fault fault_plan::choose(std::uint16_t qid, const nvme::command& c) {
    for (auto r = rules_.begin(); r != rules_.end(); ++r) {
        if (r->qid.value_or(qid) != qid || r->opcode.value_or(c.opcode) != c.opcode || r->cid.value_or(c.cid) != c.cid)
            continue;
        if (r->after > 0) {
            --r->after;
            continue;
        }
        const chosen_fault chosen{r->what, r->value};
        if (r->times != fault_rule::always && --r->times == 0)
            rules_.erase(r);
        return chosen;
    }
    if (!chances_ || (qid == 0 && !chances_->of_admin))
        return {};
    auto drawn = random_.below(1000);
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        const auto share = chances_->per_mille[i];
        if (drawn < share) {
            const auto what = static_cast<fault>(i);
            const auto value = static_cast<std::uint32_t>(random_.next());
            return {what, what == fault::delay ? value % 16 + 1 : value};
        }
        drawn -= share;
    }
    return {};
}

}  // namespace causeway::bdev_nvme::testing
