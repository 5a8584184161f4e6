// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/temperature_thresholds.h"

namespace causeway::nvmf {

bool temperature_thresholds::exceeded_by(const bdev::health& h) const noexcept {
    for (unsigned sensor = 0; sensor < sensors; ++sensor) {
        const std::uint16_t kelvin =
            sensor == 0 ? h.composite_temperature.value() : h.temperature_sensor[sensor - 1].value();
        if (is_there(sensor, h) && (kelvin >= get(sensor, side::over) || kelvin <= get(sensor, side::under)))
            return true;
    }
    return false;
}

}  // namespace causeway::nvmf
