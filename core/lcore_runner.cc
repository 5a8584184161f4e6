// SPDX-License-Identifier: Apache-2.0
#include "core/lcore_runner.h"

#include <cassert>

namespace causeway::core {

lcore_runner::lcore_runner(const environment& env, reactor_group& group) : environment_(env), group_(group) {
    assert(env.cpus().size() == group.size());
}

void lcore_runner::run() {
    environment_.run_on_all([this](unsigned i) { group_[i].run(); });
}

void lcore_runner::stop() noexcept {
    for (const auto& r : group_)
        r->stop();
}

}  // namespace causeway::core
