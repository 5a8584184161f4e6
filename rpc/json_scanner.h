// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace causeway::rpc {

/// Finds in a stream of bytes where a JSON value ends, and the first byte that cannot belong to one.
///
/// Values follow each other without any framing, so this is what makes messages of a connection. It follows the grammar
/// of RFC 8259 byte by byte with a few words of state, whatever the pieces in which bytes arrive; what it does not
/// look at (UTF-8, surrogate pairs) the parser does, which only ever sees one complete value of bounded depth.
class json_scanner {
  public:
    static constexpr unsigned max_depth = 64;

    enum class outcome : std::uint8_t {
        need_more,  ///< all bytes are consumed and no value has ended
        value,      ///< the last of the consumed bytes ended a value
        malformed,  ///< what follows the consumed bytes cannot be JSON
        too_deep,   ///< what follows the consumed bytes nests deeper than max_depth
    };
    struct progress {
        outcome what;
        std::size_t consumed;
    };

    /// `bytes` follow those consumed before. After `value` it is ready for the next one; after `malformed` and
    /// `too_deep` there is no way on.
    progress scan(std::string_view bytes) noexcept;

    /// Between values: nothing but white space has come since the last one.
    bool idle() const noexcept { return state_ == parser_state::start; }

  private:
    enum class parser_state : std::uint8_t {
        start,           // before a value, outside all others
        value,           // a value must come
        value_or_close,  // after [
        key_or_close,    // after {
        key,             // after , in an object
        colon,           // after a key
        comma_or_close,  // after a value inside another
        string,          // between quotes
        escape,          // after a backslash
        hex,             // within \uXXXX
        minus,           // numbers, by what has come
        zero,
        digits,
        point,
        fraction,
        exponent,
        exponent_sign,
        exponent_digits,
        literal,  // within true, false, null
        done,     // a value outside all others has ended
    };
    enum class verdict : std::uint8_t { consumed, reprocess, malformed, too_deep };

    verdict step(char c) noexcept;
    verdict begin_value(char c) noexcept;
    verdict number(char c) noexcept;
    verdict open(bool object) noexcept;
    verdict close(bool object) noexcept;
    void end_value() noexcept;
    bool in_object() const noexcept { return (objects_ & 1) != 0; }

    parser_state state_ = parser_state::start;
    bool key_ = false;  // the string is a key
    std::uint8_t hex_left_ = 0;
    unsigned depth_ = 0;
    std::uint64_t objects_ = 0;  // a bit for each open bracket, the innermost lowest: 1 = {, 0 = [
    std::string_view literal_;   // what must still come of a literal
};

}  // namespace causeway::rpc
