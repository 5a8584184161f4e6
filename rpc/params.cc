#include "rpc/params.h"

#include <fmt/format.h>

namespace causeway::rpc {

complaint value_reader<bool>::read(const json& v, bool& to) {
    if (!v.is_boolean())
        return "must be true or false";
    to = v.get<bool>();
    return {};
}

complaint value_reader<std::string>::read(const json& v, std::string& to) {
    if (!v.is_string())
        return "must be a string";
    to = v.get_ref<const std::string&>();
    // Names end up in C interfaces, where it would silently end the string.
    if (to.find('\0') != std::string::npos)
        return "must not contain a NUL character";
    return {};
}

complaint detail::read_unsigned(const json& v, std::uint64_t most, std::uint64_t& to) {
    if (!v.is_number_unsigned() || v.get<std::uint64_t>() > most)
        return fmt::format("must be a whole number from 0 to {}", most);
    to = v.get<std::uint64_t>();
    return {};
}

complaint detail::read_signed(const json& v, std::int64_t least, std::int64_t most, std::int64_t& to) {
    const bool fits = v.is_number_unsigned()
                          ? v.get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                          : v.is_number_integer() && v.get<std::int64_t>() >= least && v.get<std::int64_t>() <= most;
    if (!fits)
        return fmt::format("must be a whole number from {} to {}", least, most);
    to = v.get<std::int64_t>();
    return {};
}

complaint detail::must_be_one_of(const std::vector<std::string_view>& names) {
    return fmt::format("must be one of: {}", fmt::join(names, ", "));
}

}  // namespace causeway::rpc
