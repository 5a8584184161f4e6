// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"

#include <gtest/gtest.h>

namespace causeway::core {
namespace {

struct row {
    const char* sentence;
    std::string text, shown;
};
const row rows[] = {
    {"plain text stays", "nqn.2024-01.io.example:a", "nqn.2024-01.io.example:a"},
    {"so do letters of any language", "Gerät 磁盘 🚀", "Gerät 磁盘 🚀"},
    {"nothing is nothing", "", ""},
    {"an escape sequence does not reach the terminal", "\x1b]0;owned\x07", "\\x1b]0;owned\\x07"},
    {"a line cannot be forged", "a\r\nERROR: b", "a\\x0d\\x0aERROR: b"},
    {"a NUL is shown", std::string("a\0b", 3), "a\\x00b"},
    {"DEL is a control character", "a\x7f", "a\\x7f"},
    {"the 8-bit control characters are, too, in UTF-8",
     "\xc2\x9b"
     "31m",
     "\\xc2\\x9b31m"},
    {"and as single bytes",
     "\x9b"
     "31m",
     "\\x9b31m"},
    {"the direction of writing cannot be turned",
     "a\xe2\x80\xae"
     "b",
     "a\\xe2\\x80\\xaeb"},
    {"nor a line ended by Unicode's own means",
     "a\xe2\x80\xa8"
     "b",
     "a\\xe2\\x80\\xa8b"},
    {"what is cut off is no character", "a\xe7\xa3", "a\\xe7\\xa3"},
    {"a control character in too many bytes is none", "\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b"},
    {"half a surrogate is no character", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
    {"nor is what lies beyond Unicode", "\xf4\x90\x80\x80\xff", "\\xf4\\x90\\x80\\x80\\xff"},
};

TEST(printable, escapes_control_characters) {
    for (const auto& r : rows) {
        EXPECT_EQ(printable(r.text), r.shown) << r.sentence;
        EXPECT_EQ(is_printable(r.text), r.text == r.shown) << r.sentence;
        EXPECT_TRUE(is_printable(printable(r.text))) << r.sentence;
    }
}

TEST(printable, takes_any_bytes) {
    for (int a = 0; a < 256; ++a)
        for (int b = 0; b < 256; ++b) {
            const std::string text = {static_cast<char>(a), static_cast<char>(b)};
            EXPECT_TRUE(is_printable(printable(text))) << a << " " << b;
        }
}

}  // namespace
}  // namespace causeway::core
