// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/secret.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

/// A key, as an operator has written it, by which hosts authenticate.
struct key {
    std::string name, path;
    core::secret content;  ///< of the file, without the end of its line

    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(content.data()), content.size()}; }
};

/// Keys by name. A key that is in use lives on after it was removed. Control reactor.
class keyring {
  public:
    /// Reads the file, which is not looked at again. EEXIST; EINVAL (no absolute path, no plain file, too long, empty);
    /// EPERM (others than its owner may do something with it); open()'s.
    core::result<> add_file(const std::string& name, const std::string& path);
    core::result<> remove(std::string_view name);  ///< ENOKEY
    /// nullptr: not found.
    std::shared_ptr<const key> find(std::string_view name) const noexcept;

    struct listed {
        std::shared_ptr<const key> which;
        bool removed;
        long uses;  ///< the keyring's own included
    };
    /// In the order in which they came; at the end those that are removed and in use.
    std::vector<listed> all() const;

  private:
    std::vector<std::shared_ptr<const key>> keys_;
    std::vector<std::weak_ptr<const key>> removed_;
};

}  // namespace causeway::nvmf
