// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/subsystem.h"

namespace causeway::nvmf {

subsystem::subsystem(target_state& shared, subsystem_options options)
    : state_(shared), options_(std::move(options)), namespaces_(*this), ana_(*this), listeners_(*this),
      access_(*this, options_.allow_any_host), controllers_(*this, options_.min_cntlid) {}

subsystem::~subsystem() = default;

std::vector<std::string> subsystem::nqns() const {
    std::vector<std::string> all{options_.nqn};
    if (!options_.unique_nqn.empty())
        all.push_back(options_.unique_nqn);
    return all;
}

core::task<> subsystem::close(disconnect_reason why) {
    const auto keep = shared_from_this();
    // Before anything is waited for: from then on another subsystem may have this name, with the same hosts and
    // listeners.
    closing_ = true;
    access_.remove_all_hosts();
    co_await listeners_.remove_all();
    co_await controllers_.end_all(why);
    co_await namespaces_.remove_all();
}

}  // namespace causeway::nvmf
