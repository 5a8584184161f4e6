// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.h"
#include "nvme/command.h"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// What is wrong with how a command ends.
enum class fault : std::uint8_t {
    none,
    withhold,        ///< executed when it is released; Abort finds it
    delay,           ///< executed `value` steps later, so that others overtake it; Abort finds it
    lose,            ///< never executed; Abort does not find it
    complete_twice,  ///< two completions, the same
    wrong_cid,       ///< executed; the completion names command `value` instead
    wrong_sqid,      ///< executed; the completion names queue `value` instead
    wrong_sqhd,      ///< executed; the completion says that the queue's head is `value`
    wrong_phase,     ///< executed; the completion has the phase of the round before
    wrong_status,    ///< not executed; ends with status `value`
    wrong_result,    ///< executed; `dw0` is `value`
    short_data,      ///< succeeds, but nothing is written to the host
    garbage,         ///< succeeds with random bytes
};
inline constexpr std::size_t fault_kinds = 13;

/// A fault for the commands that it fits.
struct fault_rule {
    static constexpr unsigned always = std::numeric_limits<unsigned>::max();

    fault what = fault::none;
    std::optional<std::uint16_t> qid{};
    std::optional<std::uint8_t> opcode{};
    std::optional<std::uint16_t> cid{};
    unsigned times = 1;
    unsigned after = 0;  ///< how many matching commands pass before the first fault
    std::uint32_t value = 0;
};

/// Faults by chance, the same for the same seed.
struct random_faults {
    std::uint64_t seed = 1;
    std::array<std::uint16_t, fault_kinds> per_mille{};  ///< by fault
    bool of_admin = false;                               ///< of admin commands, too
    std::uint16_t& operator[](fault f) noexcept { return per_mille[static_cast<std::size_t>(f)]; }
};

struct chosen_fault {
    fault what = fault::none;
    std::uint32_t value = 0;
};

/// What befalls which command: by rule, else by chance.
class fault_plan {
  public:
    void add(const fault_rule& r) { rules_.push_back(r); }
    void follow(const random_faults& f) {
        chances_ = f;
        random_ = core::random_source(f.seed);
    }
    void clear() {
        rules_.clear();
        chances_.reset();
    }
    bool empty() const noexcept { return rules_.empty() && !chances_; }

    chosen_fault choose(std::uint16_t qid, const nvme::command& c);
    core::random_source& random() noexcept { return random_; }

  private:
    std::vector<fault_rule> rules_;
    std::optional<random_faults> chances_;
    core::random_source random_{1};
};

}  // namespace causeway::bdev_nvme::testing
