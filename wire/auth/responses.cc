// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/responses.h"

namespace causeway::auth {

namespace {

/// A text to authenticate, as it grows.
class message {
  public:
    message& add(byte_view part) {
        text_.insert(text_.end(), part.begin(), part.end());
        return *this;
    }
    message& add(std::string_view part) {
        return add({reinterpret_cast<const unsigned char*>(part.data()), part.size()});
    }
    message& add(nvme::le32 part) { return add(byte_view(part.bytes)); }
    message& add(nvme::le16 part) { return add(byte_view(part.bytes)); }

    byte_view text() const noexcept { return text_; }

  private:
    secret text_;
};

constexpr std::string_view zero("\0", 1);
constexpr std::string_view no_secure_channel = zero;  ///< SC_C

}  // namespace

secret augmented_challenge(auth_hash h, const secret& shared, byte_view challenge) {
    const secret session_key = digest(h, shared);
    return hmac(h, session_key, challenge);
}

secret host_response(const transaction& t, const secret& key, byte_view challenge, std::uint32_t s1) {
    message m;
    m.add(challenge).add(nvme::le32(s1)).add(nvme::le16(t.t_id)).add(no_secure_channel);
    m.add("HostHost").add(t.hostnqn).add(zero).add(t.subnqn);
    return hmac(t.hash, key, m.text());
}

secret controller_response(const transaction& t, const secret& key, byte_view challenge, std::uint32_t s2) {
    message m;
    m.add(challenge).add(nvme::le32(s2)).add(nvme::le16(t.t_id)).add(no_secure_channel);
    m.add("Controller").add(t.subnqn).add(zero).add(t.hostnqn);
    return hmac(t.hash, key, m.text());
}

}  // namespace causeway::auth
