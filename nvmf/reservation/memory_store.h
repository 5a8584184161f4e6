// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/store.h"

#include <utility>

namespace causeway::nvmf::reservation {

/// A reservation that ends with its namespace.
class memory_store final : public store {
  public:
    bool can_persist() const noexcept override { return false; }
    core::task<core::result<version>> load() override { co_return kept_; }
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) override {
        if (expected != kept_.number)
            co_return core::fail(ESTALE, "the reservation has changed meanwhile");
        kept_.state = std::move(next);
        co_return ++kept_.number;
    }

  private:
    version kept_;
};

}  // namespace causeway::nvmf::reservation
