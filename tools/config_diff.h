// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/config_state.h"

#include <string>
#include <vector>

namespace causeway::tools {

/// How a difference can be removed from a gateway that runs.
enum class change_way : std::uint8_t {
    live,        ///< hosts do not notice more than the difference itself
    make_again,  ///< the object is removed and made again, and with it all that needs it
    restart,     ///< the gateway has to start with the configuration
};

struct setting_change {
    std::string name;
    json from, to;  ///< null: none
};

/// One object that is not as it is wished.
struct config_change {
    enum class kind : char { add = '+', remove = '-', change = '~' };
    kind what{};
    object_id id;
    std::vector<setting_change> settings;  ///< of a change; secrets are withheld
    change_way way = change_way::live;
    std::string failed;  ///< why the gateway has not been able to make it so far; empty: it has not tried

    std::string text() const;  ///< "~ subsystem nqn.x: max_namespaces 32 -> 64"
};

/// What has to change so that `actual` becomes `wished`, in the order of wished objects; then what is to be removed,
/// the last one first. What the wished state leaves to the gateway (a UUID, a serial number) and settings that it does
/// not name are not compared. Pure.
std::vector<config_change> compare(const config_state& wished, const config_state& actual);

json to_json(const config_change& c);

}  // namespace causeway::tools
