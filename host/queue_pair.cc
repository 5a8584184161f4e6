// SPDX-License-Identifier: Apache-2.0
#include "host/queue_pair.h"

namespace causeway::host {

core::task<nvme::completion> queue_pair::run(nvme::command command, std::span<const iovec> data) {
    core::one_shot<nvme::completion> answer;
    request r;
    r.command = command;
    r.data = data;
    r.context = &answer;
    r.done = [](request& r) noexcept { static_cast<core::one_shot<nvme::completion>*>(r.context)->set(r.completion); };
    while (!submit(r)) {
        if (!is_open())
            co_return lost_completion();
        co_await core::yield();
    }
    co_return co_await answer;
}

}  // namespace causeway::host
