// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace causeway::core {

/// Why a control operation failed: a code for programs, a sentence for people, and what it was about.
struct error {
    int code;              ///< an errno value, positive
    std::string sentence;  ///< "no such image", never empty
    std::string about;     ///< "rbd/vm-17", may be empty

    std::string text() const { return about.empty() ? sentence : about + ": " + sentence; }
};

/// The outcome of a control operation. The data path has nvme::status instead.
template <class T = void>
using result = tl::expected<T, error>;

inline tl::unexpected<error> fail(int code, std::string sentence, std::string_view about = {}) {
    return tl::make_unexpected(error{code, std::move(sentence), std::string(about)});
}

/// With the operating system's own sentence for `code`.
inline tl::unexpected<error> fail_errno(int code, std::string_view about = {}) {
    return fail(code, std::string(std::strerror(code)), about);
}

}  // namespace causeway::core
