// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/gate.h"
#include "rpc/config_saver.h"
#include "rpc/json_text.h"
#include "rpc/lifecycle.h"
#include "rpc/method.h"

#include <optional>
#include <string>
#include <string_view>

namespace causeway::rpc {

/// Observes the calls of clients. Control reactor.
class call_observer {
  public:
    virtual ~call_observer() = default;
    virtual bool watching() const noexcept = 0;
    /// A call has ended. True for one that has failed: what it was to remove is gone all the same, so it is answered
    /// with success.
    virtual bool on_call(std::string_view method, const json& params, bool succeeded) = 0;
};

/// Finds the method of a request, runs it and words the answer: JSON-RPC 2.0 as the established target speaks it.
///
/// Lives on the control reactor, outlives every call. Handlers of different requests run at the same time, each from
/// one co_await to the next.
class dispatcher {
  public:
    static constexpr std::size_t max_answer_bytes = 32u << 20;
    static constexpr std::size_t max_in_batch = 4096;

    dispatcher(core::reactor& control, const method_table& methods, const lifecycle& cycle)
        : control_(control), methods_(methods), cycle_(cycle) {}

    /// One call, by name or alias: what a request ends up as, and what a configuration file is made of. ECANCELED:
    /// close().
    core::task<answer> call(std::string method, json params);

    struct reply {
        std::string line;         ///< empty: nothing is to be sent
        bool unparsable = false;  ///< what comes after such a text cannot be trusted
    };
    /// The text of one request, or of a batch of them.
    core::task<reply> serve(std::string text);

    /// Sets the observer of clients' calls, which outlives them. nullptr: none.
    void observe(call_observer* o) noexcept { observer_ = o; }

    /// From now on what a client's call has changed is stored before the call is answered with success.
    void save_with(config_saver& s) noexcept { saver_ = &s; }

    /// From now on calls are refused: the gateway ends. Those that have begun go on.
    void close() noexcept { closed_ = true; }
    /// REQUIRES: close(). Ends when no call runs any more, or `limit` is over. True: none runs.
    core::task<bool> calls_ended(core::nanoseconds limit);
    /// Calls that have begun and not ended.
    unsigned running() const noexcept { return static_cast<unsigned>(calls_.holders()); }

    /// The response to text that is not a request.
    static std::string error_line(rpc_error e);

  private:
    core::task<answer> observed_call(std::string method, json params);
    core::task<answer> call_of_client(std::string method, json params);
    core::task<std::optional<json>> serve_one(json request, std::string duplicate);
    core::task<reply> serve_batch(parsed_text batch);

    core::reactor& control_;
    const method_table& methods_;
    const lifecycle& cycle_;
    call_observer* observer_ = nullptr;
    config_saver* saver_ = nullptr;
    core::gate calls_;
    bool closed_ = false;
};

}  // namespace causeway::rpc
