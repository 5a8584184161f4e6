// SPDX-License-Identifier: Apache-2.0
// What a host may send and ask for while it authenticates (DH-HMAC-CHAP): it succeeds only with a response that was
// made with its key for the challenge of that moment, and what has failed stays so.

#include "nvmf/model/auth_exchange.h"
#include "nvmf/testing/dhchap_host.h"
#include "tests/fuzz/must.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

using namespace causeway;
using fuzz::must;
using state = nvmf::auth_exchange::state;

namespace {

const std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:44444444-4444-4444-4444-444444444444";
const std::string disks = "nqn.2024-01.io.causeway:fuzz";

std::shared_ptr<const nvmf::dhchap_keys> keys() {
    static const auto made = std::make_shared<const nvmf::dhchap_keys>(nvmf::dhchap_keys{
        *auth::parse_dhchap_key(nvmf::test::key_of_a), *auth::parse_dhchap_key(nvmf::test::key_of_disks)});
    return made;
}

/// Takes the input from its front; beyond its end it gives zeros.
class script {
  public:
    script(const std::uint8_t* bytes, std::size_t size) : rest_(bytes, size) {}
    bool is_over() const { return rest_.empty(); }
    std::uint8_t byte() {
        const std::uint8_t b = rest_.empty() ? 0 : rest_[0];
        rest_ = rest_.subspan(rest_.empty() ? 0 : 1);
        return b;
    }
    std::uint16_t word() { return static_cast<std::uint16_t>(byte() | byte() << 8); }
    auth::bytes take(std::size_t n) {
        n = std::min(n, rest_.size());
        auth::bytes b(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n));
        rest_ = rest_.subspan(n);
        return b;
    }

  private:
    std::span<const std::uint8_t> rest_;
};

class session {
  public:
    void step(script& from) {
        switch (from.byte() % 6) {
        case 0: return receive();
        case 1: return send(spoilt(host_.negotiate(), from));
        case 2: return reply(from);
        case 3: return send(from.take(from.word()));
        case 4: return send(spoilt(host_.success2(), from));
        default: return send(spoilt(host_.failure2(), from));
        }
    }

  private:
    /// With one byte changed, or none.
    static auth::bytes spoilt(auth::bytes m, script& from) {
        const std::uint16_t at = from.word();
        m[at % m.size()] ^= from.byte();
        return m;
    }

    void receive() {
        const state before = controller_.current();
        const auth::bytes* const due = controller_.due_message();
        must((due == nullptr) == (before == state::error));
        if (!due)
            return;
        if (before == state::challenge) {
            challenge_ = *due;
            must(auth::read_challenge(challenge_).has_value());
        }
        controller_.on_message_taken();
        judge();
    }

    void reply(script& from) {
        if (challenge_.empty())
            return;
        const auth::reply good = host_.reply_to(challenge_);
        const auth::bytes message = spoilt(auth::write(good), from);
        const auto read = auth::read_reply(message);
        if (read && read->t_id == good.t_id && read->response == good.response &&
            read->public_value == good.public_value && controller_.current() == state::reply)
            has_proved_ = true;
        send(message);
    }

    void send(const auth::bytes& message) {
        const state before = controller_.current();
        // Exactly as long as it is, so that the sanitizer sees a byte beyond.
        const auth::bytes exact(message);
        if (const auto work = controller_.on_message(exact, keys())) {
            work->run();
            controller_.on_computed(std::move(*work));
        }
        if (before == state::failure1 || before == state::error)
            must(controller_.current() == before);
        judge();
    }

    void judge() const {
        must(!controller_.has_succeeded() || has_proved_);
        must(controller_.current() != state::completed || controller_.has_succeeded());
        const bool has_failed = controller_.current() == state::failure1 || controller_.current() == state::error;
        must(has_failed == !controller_.failure().empty());
    }

    nvmf::auth_exchange controller_{
        host_nqn, disks, {{auth::all_hashes.begin(), auth::all_hashes.end()}, {auth::auth_dhgroup::null}}};
    nvmf::test::dhchap_host host_{
        host_nqn, disks, std::string(nvmf::test::key_of_a), std::string(nvmf::test::key_of_disks), {1, 2, 3}};
    auth::bytes challenge_;
    bool has_proved_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    script from(bytes, size);
    session s;
    while (!from.is_over())
        s.step(from);
    return 0;
}
