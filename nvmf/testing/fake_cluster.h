// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cluster in virtual time: one object that gateways share, those who watch it, a map that says who is fenced. Each
// gateway is a fake_object. Everything runs on the control reactor; answers and messages come late, out of order, or
// not at all, as the seed has it.

#include "core/event.h"
#include "core/random.h"
#include "nvmf/reservation/shared_object.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace causeway::nvmf::test {

class fake_object;

class fake_cluster {
  public:
    explicit fake_cluster(std::uint64_t seed) : random_(seed) {}

    /// In a thousand.
    struct odds {
        unsigned lost_notice = 0, lost_reply = 0;
        unsigned failed_write = 0;  ///< whose outcome the gateway does not know
        unsigned late_write = 333;  ///< of those: they have an effect 3 s later, if they still can
        unsigned failed_read = 0;
        core::nanoseconds max_delay = std::chrono::milliseconds(5);
    };

    bool is_fenced(const std::string& address) const { return fenced.contains(address); }
    void fence(const std::string& address);
    bool happens(unsigned in_a_thousand) { return random_.below(1000) < in_a_thousand; }
    core::nanoseconds draw_delay();

    odds trouble;
    bool stopped = false;  ///< the object's OSD answers nobody
    reservation::entries object;
    bool exists = false;
    std::map<std::string, std::uint64_t> fenced;  ///< the epoch of the map that says so, by address
    std::uint64_t epoch = 1;
    std::vector<fake_object*> gateways;
    unsigned notices = 0;
    /// A reservation has been stored, by the gateway of that index.
    std::function<void(std::size_t by, const reservation::version& now)> on_stored;
    std::function<void(std::size_t gateway)> on_fenced;
    std::function<void(std::size_t by)> before_write;  ///< a write has arrived, and not been made
    core::nanoseconds leaving_takes{};                 ///< of a gateway, until its entry is removed

  private:
    core::random_source random_;
};

class fake_object final : public reservation::shared_object {
  public:
    fake_object(fake_cluster& c, std::size_t index);
    ~fake_object() override;

    std::string text() const override { return "the object"; }
    std::string address() const override { return addresses_.back(); }
    std::vector<std::string> dead_clients() const override;
    core::task<core::result<>> watch(observer& o) override;
    core::task<core::result<reservation::entries>> read() override;
    core::task<core::result<>> write(std::uint64_t expected, reservation::entries set,
                                     std::vector<std::string> remove) override;
    core::task<core::result<>> remove_entry(std::string name) override;
    core::task<core::result<std::vector<std::string>>> notify(std::string text, core::nanoseconds limit) override;
    void acknowledge(std::uint64_t id, std::string reply) override;
    core::task<core::result<>> fence(std::vector<std::string> addresses) override;
    core::task<core::result<>> wait_for_latest_map() override;
    core::task<> close() override;

    // ---- What happens to the gateway.

    /// Nothing reaches it, and nothing of it arrives, until it goes on.
    void stop() { running_->reset(); }
    void go_on() { running_->set(); }
    bool is_stopped() const { return !running_->is_set(); }
    bool is_watching() const { return observer_ != nullptr; }
    void lose_watch();
    /// The next client, which is not fenced.
    void reconnect();

    std::uint64_t map_epoch() const { return map_epoch_; }
    std::uint64_t stored_last = 0;  ///< the number of the last reservation that it has been told to be stored

  private:
    struct pending_notice {
        core::event changed;
        std::vector<std::string> replies;
        unsigned missing = 0;
    };

    core::task<core::result<>> reach();
    core::result<> apply(const std::string& by, std::uint64_t expected, const reservation::entries& set,
                         const std::vector<std::string>& remove);
    core::task<> apply_later(std::string by, std::uint64_t expected, reservation::entries set,
                             std::vector<std::string> remove);
    static core::task<> deliver(fake_cluster& c, std::size_t to, std::shared_ptr<pending_notice> n, std::string text);

    fake_cluster& cluster_;
    const std::size_t index_;
    std::vector<std::string> addresses_;
    observer* observer_ = nullptr;
    std::shared_ptr<core::event> running_ = std::make_shared<core::event>();
    std::uint64_t map_epoch_ = 1;
    std::map<std::uint64_t, std::shared_ptr<pending_notice>> received_;
    std::uint64_t next_id_ = 1;
};

}  // namespace causeway::nvmf::test
