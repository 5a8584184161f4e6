#pragma once

#include "rpc/json_text.h"
#include "rpc/lifecycle.h"
#include "rpc/method.h"

#include <optional>
#include <string>
#include <string_view>

namespace causeway::rpc {

/// Finds the method of a request, runs it and words the answer: JSON-RPC 2.0 as the established target speaks it.
///
/// Lives on the control reactor, outlives every call. Handlers of different requests run at the same time, each from
/// one co_await to the next.
class dispatcher {
  public:
    static constexpr std::size_t most_answer_bytes = 32u << 20;
    static constexpr std::size_t most_in_batch = 4096;

    dispatcher(core::reactor& control, const method_table& methods, const lifecycle& cycle)
        : control_(control), methods_(methods), cycle_(cycle) {}

    /// One call, by name or alias: what a request ends up as, and what a configuration file is made of. ECANCELED: close().
    core::task<answer> call(std::string method, json params);

    struct reply {
        std::string line;         ///< empty: nothing is to be sent
        bool unparsable = false;  ///< what comes after such a text cannot be trusted
    };
    /// The text of one request, or of a batch of them.
    core::task<reply> serve(std::string text);

    /// From now on calls are refused: the gateway ends.
    void close() noexcept { closed_ = true; }
    /// Calls that have begun and not ended.
    unsigned running() const noexcept { return running_; }

    /// An answer to what is no request at all.
    static std::string error_line(rpc_error e);

  private:
    core::task<std::optional<json>> serve_one(json request, std::string duplicate);
    core::task<reply> serve_batch(parsed_text batch);

    core::reactor& control_;
    const method_table& methods_;
    const lifecycle& cycle_;
    unsigned running_ = 0;
    bool closed_ = false;
};

}  // namespace causeway::rpc
