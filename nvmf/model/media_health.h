// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/health.h"

#include <vector>

namespace causeway::nvmf {

class controller;
class namespaces;
class nvm_namespace;

/// The active ones whose devices know the health of their medium. Control reactor.
std::vector<const nvm_namespace*> namespaces_with_media(const namespaces& of);

/// The health of all media of the namespaces that a host sees, combined into one: its SMART page, except for the
/// counters of its own I/O. Control reactor.
///
/// Warnings are those of all, and of the host's temperature thresholds; temperature, wear and age the highest, with the
/// sensors of the hottest; spare the lowest, with the threshold of the same medium; errors and losses of power are
/// summed up. A medium under several namespaces counts once. A device without health information counts as healthy.
bdev::health media_health(const std::vector<const nvm_namespace*>& of, const controller& seen_by);
bdev::health media_health(const controller& seen_by);

}  // namespace causeway::nvmf
