// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "wire/tls/hkdf.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::tcp {

/// What an operator has given a host and a subsystem. NVM Express TCP Transport Specification 1.0, "PSK and PSK
/// Identity Derivation".
struct configured_psk {
    psk_hash hash;  ///< how the retained PSK is made of it; none: it is the retained PSK
    secret key;     ///< 32 bytes, or 48: SHA-384
};

/// "NVMeTLSkey-1:01:<base64 of the key and its CRC-32>:". NVM Express TCP Transport Specification 1.0, "PSK Interchange
/// Format". EINVAL; what it says quotes nothing of the key.
core::result<configured_psk> parse_psk(std::string_view interchange);

/// What TLS works with.
struct tls_psk {
    std::string identity;
    psk_hash hash;  ///< of the only cipher suite that goes with it; never none
    secret key;     ///< as long as the hash
};

/// The first digit of a PSK identity. NVM Express TCP Transport Specification 1.0 has version 0, "NVMe0R01 hostnqn
/// subnqn"; since 1.1 there is version 1, "NVMe1R01 hostnqn subnqn digest", whose digest tells keys apart.
enum class psk_version : std::uint8_t { zero, one };

/// How HKDF-Expand-Label has been read.
enum class psk_reading : std::uint8_t {
    rfc8446,
    /// As the nvme command of many Linux distributions reads it (2.13 in Debian 13): without the lengths of label and
    /// context, and the length of the result in little endian. Such hosts have other keys under the same identities.
    bare,
};

/// nullopt: the names are so long that there is no such identity (version 0, as RFC 8446 has it).
std::optional<tls_psk> derive_tls_psk(const configured_psk& configured, psk_version version, psk_reading reading,
                                      std::string_view hostnqn, std::string_view subnqn);

/// What stream::proven_identity() answers for this host and subsystem.
std::string proof_of(std::string_view hostnqn, std::string_view subnqn);
/// Whether a host that has proved `proven` may name these in its Connect command.
bool identity_matches(std::string_view proven, std::string_view hostnqn, std::string_view subnqn);

}  // namespace causeway::tcp
