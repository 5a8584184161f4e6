// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/health.h"

#include <array>
#include <cstdint>

namespace causeway::nvmf {

/// WCTEMP and CCTEMP of Identify Controller, in kelvin.
inline constexpr std::uint16_t warning_kelvin = 343, critical_kelvin = 373;

/// Above and below which temperatures a host is warned. NVM Express Base Specification 2.0, "Temperature Threshold
/// (Feature Identifier 04h)". A controller reset restores the defaults: the composite temperature is too high from
/// WCTEMP on, nothing else is watched.
class temperature_thresholds {
  public:
    static constexpr unsigned sensors = 9;  ///< 0: the composite temperature; 1 to 8: Temperature Sensor 1 to 8
    enum class side : std::uint8_t { over, under };

    /// In kelvin.
    std::uint16_t get(unsigned sensor, side s) const noexcept { return limits_[sensor][static_cast<unsigned>(s)]; }
    void set(unsigned sensor, side s, std::uint16_t kelvin) noexcept {
        limits_[sensor][static_cast<unsigned>(s)] = kelvin;
    }

    /// Whether a temperature of this health is at or beyond its threshold.
    bool exceeded_by(const bdev::health& h) const noexcept;
    /// The critical warnings of this health for this host.
    std::uint8_t warnings(const bdev::health& h) const noexcept {
        return h.critical_warning | (exceeded_by(h) ? nvme::critical_warning_temperature : 0);
    }
    /// Whether there is a sensor of this number. 0 is there always.
    static bool is_there(unsigned sensor, const bdev::health& h) noexcept {
        return sensor == 0 || (sensor < sensors && h.temperature_sensor[sensor - 1] != 0);
    }

  private:
    static constexpr std::array<std::uint16_t, 2> never{0xffff, 0};
    std::array<std::array<std::uint16_t, 2>, sensors> limits_{
        {{warning_kelvin, 0}, never, never, never, never, never, never, never, never}};
};

}  // namespace causeway::nvmf
