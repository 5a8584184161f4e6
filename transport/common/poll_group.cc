// SPDX-License-Identifier: Apache-2.0
#include "transport/common/poll_group.h"

namespace causeway::common {

namespace {

constexpr std::uint32_t small_buffer = 8192;

}  // namespace

std::vector<core::buffer_pool::size_class> poll_group::buffer_classes(const nvmf::transport_options& o) {
    if (o.max_io_size <= small_buffer)
        return {{o.max_io_size, o.large_buffers}};
    return {{small_buffer, o.small_buffers}, {o.max_io_size, o.large_buffers}};
}

core::result<> poll_group::check_memory(const nvmf::transport_options& options, std::size_t cores, std::uint32_t more) {
    nvmf::transport_options with_more = options;
    with_more.large_buffers += more;
    return core::buffer_pool::check(buffer_classes(with_more), cores);
}

}  // namespace causeway::common
