// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/testing/driver_fixture.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace causeway::fuzz {

/// What is left of an input. At its end there are zeros.
class byte_source {
  public:
    explicit byte_source(std::span<const std::uint8_t> bytes) noexcept : rest_(bytes) {}
    bool empty() const noexcept { return rest_.empty(); }
    std::uint64_t number(std::size_t bytes) noexcept {
        std::uint64_t n = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            n |= std::uint64_t{byte()} << 8 * i;
        return n;
    }
    std::uint8_t byte() noexcept {
        if (rest_.empty())
            return 0;
        const auto b = rest_.front();
        rest_ = rest_.subspan(1);
        return b;
    }
    std::vector<std::byte> bytes(std::size_t n) {
        std::vector<std::byte> all(n);
        for (auto& b : all)
            b = std::byte{byte()};
        return all;
    }

  private:
    std::span<const std::uint8_t> rest_;
};

struct nvme_counts {
    std::uint64_t inputs = 0, attached = 0, io = 0, failed_io = 0, resets = 0, failed_resets = 0;
};

/// Plays one input: a controller, a driver, and what they do to each other. README.md has the format, and what is
/// checked.
class nvme_session {
  public:
    nvme_session(byte_source& in, nvme_counts& counts);
    void play();

  private:
    enum class kind : std::uint8_t { io, turns, rule, controller, namespaces, operation, completion, alter };

    static std::size_t cores(std::uint8_t head) noexcept { return 1 + (head & 1); }
    static bdev_nvme::testing::model_options options(byte_source& in);

    void step();
    void io(unsigned how);
    void turns(unsigned how);
    void rule(unsigned how);
    void controller(unsigned how);
    void namespaces(unsigned how);
    void operation(unsigned how);
    void completion(unsigned how);
    void alter(unsigned how);
    void attach();
    void judge();
    template <class T>
    void begin(core::task<T> t);

    byte_source& in_;
    nvme_counts& counts_;
    const std::uint8_t head_;
    bdev_nvme::testing::driver_fixture bench_;
    std::shared_ptr<bdev_nvme::testing::controller_model> model_;
    const std::uint64_t cap_;
    const std::uint32_t version_;
    struct patch {
        nvme::cns of;
        std::size_t at;
        std::vector<std::byte> bytes;
    };
    std::vector<patch> patches_;
    std::vector<std::shared_ptr<bdev_nvme::testing::io_user::outcome>> started_;
    unsigned waits_ = 0;
    unsigned operations_begun_ = 0;
    unsigned operations_ = 0;  ///< that have not ended
    bool poked_ = false;       ///< registers hold false values
};

}  // namespace causeway::fuzz
