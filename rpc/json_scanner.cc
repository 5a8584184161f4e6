// SPDX-License-Identifier: Apache-2.0
#include "rpc/json_scanner.h"

namespace causeway::rpc {

namespace {

constexpr bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static_assert(json_scanner::max_depth <= 64, "one bit per level");

}  // namespace

json_scanner::progress json_scanner::scan(std::string_view bytes) noexcept {
    std::size_t i = 0;
    while (i < bytes.size()) {
        switch (step(bytes[i])) {
        case verdict::consumed: ++i; break;
        case verdict::reprocess:  // the byte ended a number and belongs to what follows
            break;
        case verdict::malformed: return {outcome::malformed, i};
        case verdict::too_deep: return {outcome::too_deep, i};
        }
        if (state_ == parser_state::done) {
            state_ = parser_state::start;
            return {outcome::value, i};
        }
    }
    return {outcome::need_more, i};
}

void json_scanner::end_value() noexcept {
    state_ = depth_ ? parser_state::comma_or_close : parser_state::done;
}

json_scanner::verdict json_scanner::open(bool object) noexcept {
    if (depth_ == max_depth)
        return verdict::too_deep;
    ++depth_;
    objects_ = objects_ << 1 | (object ? 1 : 0);
    state_ = object ? parser_state::key_or_close : parser_state::value_or_close;
    return verdict::consumed;
}

json_scanner::verdict json_scanner::close(bool object) noexcept {
    if (in_object() != object)
        return verdict::malformed;
    --depth_;
    objects_ >>= 1;
    end_value();
    return verdict::consumed;
}

json_scanner::verdict json_scanner::begin_value(char c) noexcept {
    switch (c) {
    case '{': return open(true);
    case '[': return open(false);
    case '"':
        key_ = false;
        state_ = parser_state::string;
        return verdict::consumed;
    case 't':
        literal_ = "rue";
        state_ = parser_state::literal;
        return verdict::consumed;
    case 'f':
        literal_ = "alse";
        state_ = parser_state::literal;
        return verdict::consumed;
    case 'n':
        literal_ = "ull";
        state_ = parser_state::literal;
        return verdict::consumed;
    case '-': state_ = parser_state::minus; return verdict::consumed;
    case '0': state_ = parser_state::zero; return verdict::consumed;
    default:
        if (!is_digit(c))
            return verdict::malformed;
        state_ = parser_state::digits;
        return verdict::consumed;
    }
}

/// Where a number may end, a byte that does not continue it ends it and is looked at again.
json_scanner::verdict json_scanner::number(char c) noexcept {
    const auto go = [this](parser_state to) {
        state_ = to;
        return verdict::consumed;
    };
    const bool exponent = c == 'e' || c == 'E';
    switch (state_) {
    case parser_state::minus:
        return c == '0' ? go(parser_state::zero) : is_digit(c) ? go(parser_state::digits) : verdict::malformed;
    case parser_state::point: return is_digit(c) ? go(parser_state::fraction) : verdict::malformed;
    case parser_state::exponent:
        if (c == '+' || c == '-')
            return go(parser_state::exponent_sign);
        [[fallthrough]];
    case parser_state::exponent_sign: return is_digit(c) ? go(parser_state::exponent_digits) : verdict::malformed;
    case parser_state::digits:
        if (is_digit(c))
            return verdict::consumed;
        [[fallthrough]];
    case parser_state::zero:
        if (c == '.')
            return go(parser_state::point);
        if (exponent)
            return go(parser_state::exponent);
        break;
    case parser_state::fraction:
        if (is_digit(c))
            return verdict::consumed;
        if (exponent)
            return go(parser_state::exponent);
        break;
    default:  // exponent_digits
        if (is_digit(c))
            return verdict::consumed;
        break;
    }
    if (is_digit(c))  // after a leading zero
        return verdict::malformed;
    end_value();
    return verdict::reprocess;
}

json_scanner::verdict json_scanner::step(char c) noexcept {
    switch (state_) {
    case parser_state::string:
        if (c == '"') {
            if (key_)
                state_ = parser_state::colon;
            else
                end_value();
        } else if (c == '\\') {
            state_ = parser_state::escape;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            return verdict::malformed;
        }
        return verdict::consumed;
    case parser_state::escape:
        state_ = parser_state::string;
        if (c == 'u') {
            state_ = parser_state::hex;
            hex_left_ = 4;
            return verdict::consumed;
        }
        return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos ? verdict::consumed
                                                                                : verdict::malformed;
    case parser_state::hex:
        if (!is_hex(c))
            return verdict::malformed;
        if (--hex_left_ == 0)
            state_ = parser_state::string;
        return verdict::consumed;
    case parser_state::literal:
        if (c != literal_.front())
            return verdict::malformed;
        literal_.remove_prefix(1);
        if (literal_.empty())
            end_value();
        return verdict::consumed;
    case parser_state::minus:
    case parser_state::zero:
    case parser_state::digits:
    case parser_state::point:
    case parser_state::fraction:
    case parser_state::exponent:
    case parser_state::exponent_sign:
    case parser_state::exponent_digits: return number(c);
    default: break;
    }
    if (is_space(c))
        return verdict::consumed;
    switch (state_) {
    case parser_state::value_or_close:
        if (c == ']')
            return close(false);
        [[fallthrough]];
    case parser_state::start:
    case parser_state::value: return begin_value(c);
    case parser_state::key_or_close:
        if (c == '}')
            return close(true);
        [[fallthrough]];
    case parser_state::key:
        if (c != '"')
            return verdict::malformed;
        key_ = true;
        state_ = parser_state::string;
        return verdict::consumed;
    case parser_state::colon:
        if (c != ':')
            return verdict::malformed;
        state_ = parser_state::value;
        return verdict::consumed;
    default:  // comma_or_close
        if (c == ',') {
            state_ = in_object() ? parser_state::key : parser_state::value;
            return verdict::consumed;
        }
        return c == '}' ? close(true) : c == ']' ? close(false) : verdict::malformed;
    }
}

}  // namespace causeway::rpc
