// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/event.h"
#include "core/gate.h"
#include "nvmf/reservation/shared_object.h"
#include "nvmf/reservation/store.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace causeway::nvmf::reservation {

/// A reservation that several gateways enforce: see docs/design.md, "Reservations that gateways share".
///
/// The object has an entry for each gateway that serves the disk. A gateway has one before its namespace is active, and
/// as long as it is. So whoever changes the reservation knows who has to confirm, whether or not they can be reached:
/// who does not confirm is fenced. The entries of the gateways and the reservation have one number, which each change
/// of either makes higher.
class shared_store final : public store, private shared_object::observer {
  public:
    /// How long a round of notices waits for answers, and for how long a gateway may leave all of them unanswered
    /// before it is fenced: two rounds at least, because the cluster itself may have stood still in one.
    static constexpr core::nanoseconds round_limit = std::chrono::seconds(2);
    static constexpr core::nanoseconds silence_limit = std::chrono::seconds(4);
    /// For all rounds of one confirmation.
    static constexpr core::nanoseconds confirm_limit = std::chrono::seconds(20);

    shared_store(core::reactor_group& group, std::unique_ptr<shared_object> object);
    ~shared_store() override;

    bool can_persist() const noexcept override { return true; }
    bool is_shared() const noexcept override { return true; }
    void observe(store_observer& o) override { observer_ = &o; }
    core::task<core::result<version>> load() override;
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) override;
    core::task<core::result<confirmation>> confirm(std::vector<notification> notifications, bool end_commands) override;
    void cancel() override { closing_.set(); }
    core::task<> close() override;

    /// The object has another client, because the one before was fenced. Ends when this gateway is registered by it,
    /// and every core enforces what is stored now: before that, nothing may be served by that client.
    core::task<core::result<>> rejoin();

  private:
    using addresses = std::set<std::string>;
    struct round;

    void notified(std::uint64_t id, std::string text) override;
    void watch_lost() override;
    core::task<> answer(std::uint64_t id, std::string text);
    core::task<std::string> confirmation_of(const notice& n);
    core::task<> watch_again();

    core::task<core::result<>> join();
    core::task<core::result<bool>> try_to_join();
    core::task<core::result<>> read();
    core::task<core::result<>> write(std::uint64_t expected, shared_content next, entries set,
                                     std::vector<std::string> remove);
    core::task<core::result<>> settle_failed_write();
    core::task<core::result<>> follow_map();
    void take(shared_content c);
    bool is_registered() const { return now_.gateways.contains(object_->address()); }
    addresses others() const;

    core::task<core::result<round>> ask(const notice& n, const addresses& who);
    core::task<core::result<>> fence_silent(const std::map<std::string, core::ticks>& silent, core::ticks now);
    core::task<core::result<>> remove_fenced(const addresses& dead);
    bool is_announced(std::string change);

    core::reactor_group& group_;
    const std::unique_ptr<shared_object> object_;
    store_observer* observer_ = nullptr;
    shared_content now_;                 ///< the latest that is known
    std::uint64_t map_at_ = 0;           ///< the own client knows of the fences up to this version
    bool joined_ = false;                ///< has been registered, and is not known to have lost that
    bool write_failed_ = false;          ///< and it is not known whether it has had, or will have, an effect
    std::deque<std::string> announced_;  ///< the last changes whose notifications were
    core::async_mutex joining_;
    bool watching_again_ = false;
    std::uint64_t losses_ = 0;  ///< of the watch
    core::event closing_;
    core::gate tasks_;  ///< that the cluster has started
};

}  // namespace causeway::nvmf::reservation
