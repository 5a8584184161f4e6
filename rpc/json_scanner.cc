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

static_assert(json_scanner::most_depth <= 64, "one bit per level");

}  // namespace

json_scanner::progress json_scanner::scan(std::string_view bytes) noexcept {
    std::size_t i = 0;
    while (i < bytes.size()) {
        switch (step(bytes[i])) {
        case verdict::consumed: ++i; break;
        case verdict::look_again:  // the byte ended a number and belongs to what follows
            break;
        case verdict::malformed: return {outcome::malformed, i};
        case verdict::too_deep: return {outcome::too_deep, i};
        }
        if (at_ == place::done) {
            at_ = place::start;
            return {outcome::value, i};
        }
    }
    return {outcome::need_more, i};
}

void json_scanner::end_value() noexcept {
    at_ = depth_ ? place::comma_or_close : place::done;
}

json_scanner::verdict json_scanner::open(bool object) noexcept {
    if (depth_ == most_depth)
        return verdict::too_deep;
    ++depth_;
    objects_ = objects_ << 1 | (object ? 1 : 0);
    at_ = object ? place::key_or_close : place::value_or_close;
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
        at_ = place::string;
        return verdict::consumed;
    case 't':
        literal_ = "rue";
        at_ = place::literal;
        return verdict::consumed;
    case 'f':
        literal_ = "alse";
        at_ = place::literal;
        return verdict::consumed;
    case 'n':
        literal_ = "ull";
        at_ = place::literal;
        return verdict::consumed;
    case '-': at_ = place::minus; return verdict::consumed;
    case '0': at_ = place::zero; return verdict::consumed;
    default:
        if (!is_digit(c))
            return verdict::malformed;
        at_ = place::digits;
        return verdict::consumed;
    }
}

/// Where a number may end, a byte that does not continue it ends it and is looked at again.
json_scanner::verdict json_scanner::number(char c) noexcept {
    const auto go = [this](place to) {
        at_ = to;
        return verdict::consumed;
    };
    const bool exponent = c == 'e' || c == 'E';
    switch (at_) {
    case place::minus: return c == '0' ? go(place::zero) : is_digit(c) ? go(place::digits) : verdict::malformed;
    case place::point: return is_digit(c) ? go(place::fraction) : verdict::malformed;
    case place::exponent:
        if (c == '+' || c == '-')
            return go(place::exponent_sign);
        [[fallthrough]];
    case place::exponent_sign: return is_digit(c) ? go(place::exponent_digits) : verdict::malformed;
    case place::digits:
        if (is_digit(c))
            return verdict::consumed;
        [[fallthrough]];
    case place::zero:
        if (c == '.')
            return go(place::point);
        if (exponent)
            return go(place::exponent);
        break;
    case place::fraction:
        if (is_digit(c))
            return verdict::consumed;
        if (exponent)
            return go(place::exponent);
        break;
    default:  // exponent_digits
        if (is_digit(c))
            return verdict::consumed;
        break;
    }
    if (is_digit(c))  // after a leading zero
        return verdict::malformed;
    end_value();
    return verdict::look_again;
}

json_scanner::verdict json_scanner::step(char c) noexcept {
    switch (at_) {
    case place::string:
        if (c == '"') {
            if (key_)
                at_ = place::colon;
            else
                end_value();
        } else if (c == '\\') {
            at_ = place::escape;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            return verdict::malformed;
        }
        return verdict::consumed;
    case place::escape:
        at_ = place::string;
        if (c == 'u') {
            at_ = place::hex;
            hex_left_ = 4;
            return verdict::consumed;
        }
        return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos ? verdict::consumed
                                                                                : verdict::malformed;
    case place::hex:
        if (!is_hex(c))
            return verdict::malformed;
        if (--hex_left_ == 0)
            at_ = place::string;
        return verdict::consumed;
    case place::literal:
        if (c != literal_.front())
            return verdict::malformed;
        literal_.remove_prefix(1);
        if (literal_.empty())
            end_value();
        return verdict::consumed;
    case place::minus:
    case place::zero:
    case place::digits:
    case place::point:
    case place::fraction:
    case place::exponent:
    case place::exponent_sign:
    case place::exponent_digits: return number(c);
    default: break;
    }
    if (is_space(c))
        return verdict::consumed;
    switch (at_) {
    case place::value_or_close:
        if (c == ']')
            return close(false);
        [[fallthrough]];
    case place::start:
    case place::value: return begin_value(c);
    case place::key_or_close:
        if (c == '}')
            return close(true);
        [[fallthrough]];
    case place::key:
        if (c != '"')
            return verdict::malformed;
        key_ = true;
        at_ = place::string;
        return verdict::consumed;
    case place::colon:
        if (c != ':')
            return verdict::malformed;
        at_ = place::value;
        return verdict::consumed;
    default:  // comma_or_close
        if (c == ',') {
            at_ = in_object() ? place::key : place::value;
            return verdict::consumed;
        }
        return c == '}' ? close(true) : c == ']' ? close(false) : verdict::malformed;
    }
}

}  // namespace causeway::rpc
