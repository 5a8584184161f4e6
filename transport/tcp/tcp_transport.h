#pragma once

#include "core/result.h"
#include "nvmf/transport.h"

#include <memory>

namespace causeway {

/// The TCP fabric. EINVAL: options that do not go together.
core::result<std::unique_ptr<nvmf::transport>> make_tcp_transport(nvmf::target& target,
                                                                  nvmf::transport_options options);

}  // namespace causeway
