#pragma once

#include <cstdint>
#include <vector>

namespace causeway::host {

/// What must be in each place of a disk: the generation that was acknowledged last, or, while a write has not been
/// acknowledged, that or the new one. One command at a time has a place.
class ledger {
  public:
    explicit ledger(std::uint64_t places) : places_(places) {}

    std::uint64_t size() const noexcept { return places_.size(); }

    /// Takes a place for one command. False: another has it.
    bool take(std::uint64_t place) noexcept {
        if (places_[place].taken)
            return false;
        return places_[place].taken = true;
    }
    void give_back(std::uint64_t place) noexcept { places_[place].taken = false; }

    /// 0: nothing is known of what is there.
    std::uint32_t acknowledged(std::uint64_t place) const noexcept { return places_[place].acknowledged; }
    /// The generation that a write to the place has: the same again until it is acknowledged.
    std::uint32_t begin_write(std::uint64_t place) noexcept {
        places_[place].pending = true;
        return places_[place].acknowledged + 1;
    }
    void acknowledge(std::uint64_t place) noexcept {
        ++places_[place].acknowledged;
        places_[place].pending = false;
    }

    /// A write has begun and has not been acknowledged: the generation after that may be there as well.
    bool is_pending(std::uint64_t place) const noexcept { return places_[place].pending; }

  private:
    struct entry {
        std::uint32_t acknowledged = 0;
        bool pending = false;
        bool taken = false;
    };
    std::vector<entry> places_;
};

}  // namespace causeway::host
