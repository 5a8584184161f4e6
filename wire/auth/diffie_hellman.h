// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/auth/algorithms.h"

#include <memory>
#include <optional>

struct evp_pkey_st;

namespace causeway::auth {

/// One end's ephemeral key of a Diffie-Hellman exchange in a group of RFC 7919. Any thread.
///
/// Making one, and shared_secret(), take up to tens of milliseconds in the largest group: they do not belong on a
/// reactor.
class ephemeral_key {
  public:
    /// REQUIRES: not the NULL group.
    static ephemeral_key generate(auth_dhgroup g);

    const bytes& public_value() const noexcept { return public_value_; }  ///< size_of(group), big-endian
    /// size_of(group) bytes. nullopt: `peer` is no public value of this group, or one that gives the secret away.
    std::optional<secret> shared_secret(byte_view peer) const;

  private:
    struct deleter {
        void operator()(evp_pkey_st* k) const noexcept;
    };
    using key_ptr = std::unique_ptr<evp_pkey_st, deleter>;
    ephemeral_key(key_ptr key, bytes public_value) noexcept
        : key_(std::move(key)), public_value_(std::move(public_value)) {}

    key_ptr key_;
    bytes public_value_;
};

}  // namespace causeway::auth
