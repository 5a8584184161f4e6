// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "nvme/endian.h"

// Controller properties: registers in PCIe's BAR, values of Property Get and Property Set over fabrics. Here
// they are integers in host order.

namespace causeway::nvme {

/// Property offsets. NVM Express Base Specification 2.0, "Property Definition".
enum class property : std::uint32_t {
    cap = 0x00,
    vs = 0x08,
    intms = 0x0c,
    intmc = 0x10,
    cc = 0x14,
    csts = 0x1c,
    nssr = 0x20,
    aqa = 0x24,
    asq = 0x28,
    acq = 0x30,
    cmbloc = 0x38,
    cmbsz = 0x3c,
    bpinfo = 0x40,
    bprsel = 0x44,
    bpmbl = 0x48,
    cmbmsc = 0x50,
    cmbsts = 0x58,
    cmbebs = 0x5c,
    cmbswtp = 0x60,
    nssd = 0x64,
    crto = 0x68,
    pmrcap = 0xe00,
};

/// Bytes of a property: 4 or 8.
constexpr unsigned property_bytes(property p) noexcept {
    switch (p) {
    case property::cap:
    case property::asq:
    case property::acq:
    case property::bpmbl:
    case property::cmbmsc: return 8;
    default: return 4;
    }
}

/// Controller Capabilities. NVM Express Base Specification 2.0, "Offset 0h: CAP - Controller Capabilities".
struct cap {
    std::uint64_t value = 0;

    /// Largest queue, entries, 0's based.
    constexpr std::uint16_t mqes() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(value)); }
    constexpr cap& set_mqes(std::uint16_t v) noexcept { return set<15, 0>(v); }
    /// Contiguous Queues Required: always set over fabrics.
    constexpr bool cqr() const noexcept { return bits<16, 16>(value) != 0; }
    constexpr cap& set_cqr(bool v) noexcept { return set<16, 16>(v); }
    constexpr std::uint8_t ams() const noexcept { return static_cast<std::uint8_t>(bits<18, 17>(value)); }
    constexpr cap& set_ams(std::uint8_t v) noexcept { return set<18, 17>(v); }
    /// How long CSTS.RDY may take to follow CC.EN, in units of 500 ms.
    constexpr std::uint8_t to() const noexcept { return static_cast<std::uint8_t>(bits<31, 24>(value)); }
    constexpr cap& set_to(std::uint8_t v) noexcept { return set<31, 24>(v); }
    /// Doorbell stride is 2^(2 + DSTRD) bytes.
    constexpr std::uint8_t dstrd() const noexcept { return static_cast<std::uint8_t>(bits<35, 32>(value)); }
    constexpr cap& set_dstrd(std::uint8_t v) noexcept { return set<35, 32>(v); }
    constexpr bool nssrs() const noexcept { return bits<36, 36>(value) != 0; }
    constexpr cap& set_nssrs(bool v) noexcept { return set<36, 36>(v); }
    /// Command sets: css_nvm, css_io_command_sets, css_admin_only.
    constexpr std::uint8_t css() const noexcept { return static_cast<std::uint8_t>(bits<44, 37>(value)); }
    constexpr cap& set_css(std::uint8_t v) noexcept { return set<44, 37>(v); }
    /// Memory page sizes are 2^(12 + n) bytes.
    constexpr std::uint8_t mpsmin() const noexcept { return static_cast<std::uint8_t>(bits<51, 48>(value)); }
    constexpr cap& set_mpsmin(std::uint8_t v) noexcept { return set<51, 48>(v); }
    constexpr std::uint8_t mpsmax() const noexcept { return static_cast<std::uint8_t>(bits<55, 52>(value)); }
    constexpr cap& set_mpsmax(std::uint8_t v) noexcept { return set<55, 52>(v); }
    /// Controller Ready With Media Support.
    constexpr bool crwms() const noexcept { return bits<59, 59>(value) != 0; }
    constexpr cap& set_crwms(bool v) noexcept { return set<59, 59>(v); }
    /// Controller Ready Independent of Media Support.
    constexpr bool crims() const noexcept { return bits<60, 60>(value) != 0; }
    constexpr cap& set_crims(bool v) noexcept { return set<60, 60>(v); }

    static constexpr std::uint8_t css_nvm = 1 << 0;
    static constexpr std::uint8_t css_io_command_sets = 1 << 6;
    static constexpr std::uint8_t css_admin_only = 1 << 7;

  private:
    template <unsigned High, unsigned Low>
    constexpr cap& set(std::uint64_t v) noexcept {
        value = with_bits<High, Low>(value, v);
        return *this;
    }
};

/// VS. NVM Express Base Specification 2.0, "Offset 8h: VS - Version".
constexpr std::uint32_t version(std::uint16_t major, std::uint8_t minor, std::uint8_t tertiary = 0) noexcept {
    return std::uint32_t{major} << 16 | std::uint32_t{minor} << 8 | tertiary;
}

/// Controller Configuration. NVM Express Base Specification 2.0, "Offset 14h: CC - Controller Configuration".
struct cc {
    std::uint32_t value = 0;

    enum class shutdown : std::uint8_t { none = 0, normal = 1, abrupt = 2, reserved = 3 };

    constexpr bool en() const noexcept { return bits<0, 0>(value) != 0; }
    constexpr cc& set_en(bool v) noexcept { return set<0, 0>(v); }
    /// I/O command set: css_nvm, css_all or css_admin_only.
    constexpr std::uint8_t css() const noexcept { return static_cast<std::uint8_t>(bits<6, 4>(value)); }
    constexpr cc& set_css(std::uint8_t v) noexcept { return set<6, 4>(v); }
    constexpr std::uint8_t mps() const noexcept { return static_cast<std::uint8_t>(bits<10, 7>(value)); }
    constexpr cc& set_mps(std::uint8_t v) noexcept { return set<10, 7>(v); }
    constexpr std::uint8_t ams() const noexcept { return static_cast<std::uint8_t>(bits<13, 11>(value)); }
    constexpr cc& set_ams(std::uint8_t v) noexcept { return set<13, 11>(v); }
    constexpr shutdown shn() const noexcept { return static_cast<shutdown>(bits<15, 14>(value)); }
    constexpr cc& set_shn(shutdown v) noexcept { return set<15, 14>(to_underlying(v)); }
    /// Queue entry sizes are 2^n bytes: 6 and 4.
    constexpr std::uint8_t iosqes() const noexcept { return static_cast<std::uint8_t>(bits<19, 16>(value)); }
    constexpr cc& set_iosqes(std::uint8_t v) noexcept { return set<19, 16>(v); }
    constexpr std::uint8_t iocqes() const noexcept { return static_cast<std::uint8_t>(bits<23, 20>(value)); }
    constexpr cc& set_iocqes(std::uint8_t v) noexcept { return set<23, 20>(v); }
    /// Controller Ready Independent of Media Enable.
    constexpr bool crime() const noexcept { return bits<24, 24>(value) != 0; }
    constexpr cc& set_crime(bool v) noexcept { return set<24, 24>(v); }

    static constexpr std::uint8_t css_nvm = 0;
    static constexpr std::uint8_t css_all = 6;
    static constexpr std::uint8_t css_admin_only = 7;

  private:
    template <unsigned High, unsigned Low>
    constexpr cc& set(std::uint32_t v) noexcept {
        value = with_bits<High, Low>(value, v);
        return *this;
    }
};

/// Controller Status. NVM Express Base Specification 2.0, "Offset 1Ch: CSTS - Controller Status".
struct csts {
    std::uint32_t value = 0;

    enum class shutdown : std::uint8_t { none = 0, occurring = 1, complete = 2, reserved = 3 };

    constexpr bool rdy() const noexcept { return bits<0, 0>(value) != 0; }
    constexpr csts& set_rdy(bool v) noexcept { return set<0, 0>(v); }
    /// Controller Fatal Status.
    constexpr bool cfs() const noexcept { return bits<1, 1>(value) != 0; }
    constexpr csts& set_cfs(bool v) noexcept { return set<1, 1>(v); }
    constexpr shutdown shst() const noexcept { return static_cast<shutdown>(bits<3, 2>(value)); }
    constexpr csts& set_shst(shutdown v) noexcept { return set<3, 2>(to_underlying(v)); }
    /// NVM Subsystem Reset Occurred.
    constexpr bool nssro() const noexcept { return bits<4, 4>(value) != 0; }
    constexpr csts& set_nssro(bool v) noexcept { return set<4, 4>(v); }
    /// Processing Paused.
    constexpr bool pp() const noexcept { return bits<5, 5>(value) != 0; }
    constexpr csts& set_pp(bool v) noexcept { return set<5, 5>(v); }

  private:
    template <unsigned High, unsigned Low>
    constexpr csts& set(std::uint32_t v) noexcept {
        value = with_bits<High, Low>(value, v);
        return *this;
    }
};

/// What a host writes to NSSR to reset the subsystem: "NVMe".
/// NVM Express Base Specification 2.0, "Offset 20h: NSSR - NVM Subsystem Reset".
inline constexpr std::uint32_t nssr_reset = 0x4e564d65;

/// Controller Ready Timeouts. NVM Express Base Specification 2.0, "Offset 68h: CRTO - Controller Ready
/// Timeouts". Units of 500 ms.
struct crto {
    std::uint32_t value = 0;

    /// With media.
    constexpr std::uint16_t crwmt() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(value)); }
    constexpr crto& set_crwmt(std::uint16_t v) noexcept {
        value = with_bits<15, 0>(value, v);
        return *this;
    }
    /// Independent of media.
    constexpr std::uint16_t crimt() const noexcept { return static_cast<std::uint16_t>(bits<31, 16>(value)); }
    constexpr crto& set_crimt(std::uint16_t v) noexcept {
        value = with_bits<31, 16>(value, v);
        return *this;
    }
};

}  // namespace causeway::nvme
