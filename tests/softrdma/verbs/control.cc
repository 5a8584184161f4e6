// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/control.h"

#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/faults.h"
#include "tests/softrdma/verbs/record.h"

#include <array>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace softrdma {

void serve_control(int fd) {
    std::array<char, 4096> line;
    for (ssize_t n; (n = ::recv(fd, line.data(), line.size(), 0)) > 0;) {
        std::string_view asked(line.data(), static_cast<std::size_t>(n));
        while (asked.ends_with('\n') || asked.ends_with(' '))
            asked.remove_suffix(1);
        std::string answer = asked == "record" ? record::text() : faults::apply(asked);
        if (answer.empty())
            answer = "ok";
        answer += '\n';
        if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0)
            break;
    }
    ::close(fd);
}

}  // namespace softrdma

extern "C" {

const char* softrdma_fault(const char* rule) {
    thread_local std::string wrong;
    wrong = softrdma::faults::apply(rule);
    return wrong.empty() ? nullptr : wrong.c_str();
}

unsigned long long softrdma_recorded(const char* name) {
    return softrdma::record::value(name);
}
}
