#pragma once

#include <cstddef>
#include <vector>

namespace causeway::nvmf {

class controller;

/// The Discovery log page as this controller's host may see it: an entry for each listener of each subsystem
/// that allows it. Control reactor.
std::vector<std::byte> discovery_log_page(const controller& c);

}  // namespace causeway::nvmf
