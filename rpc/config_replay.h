// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/timer.h"
#include "rpc/config_names.h"
#include "rpc/dispatcher.h"
#include "rpc/saved_config.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace causeway::rpc {

/// A call that a configuration asks for.
struct config_call {
    std::string subsystem;
    std::string method;
    json params;
    std::string where;  ///< for errors: "bdev, entry 3"
};

/// Makes the calls of a configuration, as far as they can be made now, and keeps trying the others.
///
/// Settings of the startup state come first, one after the other; they cannot be made later, so one that fails ends the
/// start. Then the rest: in the order of the configuration, but calls that wait for a cluster (config_names::lane)
/// at the same time, and what names another call's thing after that call. A call that fails is tried again, after 1 s
/// and at last every 60 s, and what needs its thing follows when that has come. Where a lane does not answer in time,
/// the rest of the lane is not waited for, and one call at a time finds out whether it answers again.
///
/// An operator's own calls count: what an operator makes by the same name is not tried again, nor is what is removed.
///
/// Lives on the control reactor, outlives every call.
class config_replay final : public call_observer {
  public:
    config_replay(core::reactor& control, const method_table& methods, dispatcher& calls, lifecycle& cycle)
        : control_(control), methods_(methods), calls_(calls), cycle_(cycle),
          retry_timer_(control, [this] { retry_due(); }) {}

    /// What happens with the first call that fails.
    enum class on_failure : bool { keep_trying, end };

    /// Ends when every call has been attempted once. EINVAL, before anything is done: a method that is not there, or
    /// parameters that it does not have. With on_failure::end the first failure ends it. ECANCELED: stop().
    core::task<core::result<>> run(std::vector<config_call> calls, on_failure policy);
    /// `f` is called once, in run(), when settings have been made and every other call is among what write_unmade()
    /// writes: from then on a saved configuration has all of it.
    void when_listed(std::function<void()> f) { listed_ = std::move(f); }
    /// No call is begun any more.
    void stop();

    /// A call that has not been made. Secrets are withheld from its parameters.
    struct failed_call {
        unsigned id;  ///< its place in the configuration, from 1
        std::string subsystem, method;
        json params;
        rpc_error error;
        unsigned attempts;
        std::optional<core::nanoseconds>
            next_attempt;  ///< from now; absent: it is being tried, or waits for another call
    };
    /// Those that have failed, or wait for one that has, in the order of the configuration.
    std::vector<failed_call> failed() const;
    std::size_t failed_count() const;  ///< of failed()
    /// Ok, or EAGAIN with how many have failed.
    core::result<> check_complete() const;

    /// Tries what has failed now, and ends when no call is under way any more. ENOENT: no failed call has that id.
    core::task<core::result<>> retry(std::optional<unsigned> id);
    /// Forgets a failed call, as if it had not been in the configuration. ENOENT.
    core::result<> forget(unsigned id);

    /// Adds what has not been made, of the sections that `belongs` names, to `calls`, so that saving does not lose it.
    void write_unmade(const std::function<bool(const std::string& subsystem)>& belongs, json& calls) const;

    bool watching() const noexcept override { return unmade_ > 0; }
    bool on_call(std::string_view method, const json& params, bool succeeded) override;

  private:
    enum class state : std::uint8_t {
        waiting,  ///< for what it needs or follows; no attempt yet
        queued,   ///< may begin when it is its turn
        running,
        made,
        failed,   ///< by itself: will be tried again
        blocked,  ///< what it needs has failed
        dropped,  ///< an operator has done something else about it
    };
    struct entry {
        config_call call;
        config_names names;
        state now = state::waiting;
        bool attempted = false;    ///< for what follows it
        unsigned unattempted = 0;  ///< calls that it follows
        std::vector<std::size_t> followers;
        unsigned attempts = 0;
        rpc_error error{};
        core::ticks due = 0;  ///< while failed
    };
    /// Calls that wait for the same thing outside.
    struct lane {
        unsigned admitted = 0;
        bool is_silent = false;         ///< the last call that ended was not answered in time
        unsigned silent_rounds = 0;     ///< how many times in a row all calls under way have ended so
        std::set<std::size_t> waiting;  ///< queued entries
    };

    core::result<> check(const std::vector<config_call>& calls) const;
    core::task<core::result<>> run_settings(std::vector<config_call>& calls);
    void build(std::vector<config_call> calls);
    void connect_followers();

    core::task<> pump();
    core::task<> attempt(std::size_t i);
    void consider(std::size_t i);
    void admit(std::size_t i);
    void fill(lane& l);
    void leave_lane(const entry& e, const answer& a);
    void on_made(std::size_t i);
    void on_failed(std::size_t i, rpc_error why);
    void block(std::size_t i, const entry& by);
    void consider_users(const entry& maker);
    void set(entry& e, state s) noexcept;
    void notify_if_settled();
    void mark_attempted(std::size_t i);
    void drop(std::size_t i);
    void drop_removed(const std::string& name);
    void end_run(core::result<> r);
    void retry_due();
    void arm_retry();
    core::nanoseconds backoff(const entry& e) const;

    bool is_listed(const entry& e) const noexcept;
    bool is_listed(unsigned id) const noexcept;
    const entry* missing(const entry& e) const;

    core::reactor& control_;
    const method_table& methods_;
    dispatcher& calls_;
    lifecycle& cycle_;

    std::vector<entry> entries_;
    std::unordered_map<std::string, std::size_t> makers_;
    std::unordered_map<std::string, std::vector<std::size_t>> users_;  ///< by what they need
    std::map<std::string, lane> lanes_;
    std::set<std::size_t> ready_;
    std::size_t unmade_ = 0;       ///< neither made nor dropped
    std::size_t unattempted_ = 0;  ///< how many run() waits for
    std::size_t under_way_ = 0;    ///< queued or running
    std::vector<std::shared_ptr<core::one_shot<bool>>> settled_;
    core::timer retry_timer_;

    std::function<void()> listed_ = [] {};
    on_failure policy_ = on_failure::keep_trying;
    std::optional<core::result<>> outcome_;
    std::shared_ptr<core::one_shot<bool>> ended_;
    bool pumping_ = false;
    bool stopped_ = false;
};

/// framework_get_failed_config, framework_retry_failed_config, framework_forget_failed_config; and the writers that
/// keep what has not been made, for every section that there is.
void add_failed_config_methods(method_table& methods, saved_config& config, config_replay& replay);

}  // namespace causeway::rpc
