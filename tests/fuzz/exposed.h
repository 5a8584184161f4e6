// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace causeway::fuzz {

// The product has no use for these counts, so it offers none. An explicit instantiation may name private members: that
// lets a test look without changing what it looks at.
template <class Tag, typename Tag::type Member>
struct exposed {
    friend constexpr typename Tag::type member(Tag) { return Member; }
};

}  // namespace causeway::fuzz
