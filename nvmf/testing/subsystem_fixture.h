// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {

/// A target with one subsystem that any host may use, and its operator.
class subsystem_control : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();

    bool admitted(const std::string& nqn) {
        return w.connect_to(0).call(connect(0), raw(connect_data(subsystem_nqn, nqn))).status().ok();
    }
    /// 0, or the error's.
    template <class R>
    static int code(const R& r) {
        return r ? 0 : r.error().code;
    }
};

}  // namespace causeway::nvmf::test
