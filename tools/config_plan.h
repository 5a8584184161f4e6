// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/config_diff.h"

#include <functional>
#include <string>
#include <vector>

namespace causeway::tools {

/// What `causeway apply` does to one object: it is done when all calls have succeeded.
struct plan_step {
    struct call {
        std::string method;
        json params;
    };
    std::string text;  ///< "+ listener nqn.x TCP 192.0.2.10 4420"
    object_id id;
    std::vector<call> calls;
};

struct config_plan {
    std::vector<plan_step> steps;  ///< in the order in which they can be made
    /// Sentences: what the wished state does not have, and stays.
    std::vector<std::string> left_over;
    /// Sentences: what is wished and cannot be done so, with what to do.
    std::vector<std::string> blocked;
};

/// Makes the calls of a step by `make`, up to the first error, which tells how many were made. A key that the step has
/// put into the keyring for its own time is removed from there, even so.
core::result<> carry_out(const plan_step& step,
                         const std::function<core::result<json>(const std::string& method, const json& params)>& make);

/// The calls that turn `actual` into `wished`. Removals come first, the users of an object before it. Without
/// `may_remove` nothing is removed, not even to be made again. Pure.
config_plan make_plan(const config_state& wished, const config_state& actual, bool may_remove);

}  // namespace causeway::tools
