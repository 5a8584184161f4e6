// SPDX-License-Identifier: Apache-2.0
#include "core/notification_log.h"

namespace causeway::core {

notification_log& notifications() {
    static notification_log log;
    return log;
}

}  // namespace causeway::core
