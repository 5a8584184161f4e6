// SPDX-License-Identifier: Apache-2.0
// What a host may send and ask for while it authenticates (DH-HMAC-CHAP): it succeeds only with a response that was
// made with its key for the challenge of that moment, and what has failed stays so.

#include "nvmf/model/auth_exchange.h"
#include "nvmf/testing/dhchap_host.h"
#include "tests/fuzz/must.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

using namespace causeway;
using fuzz::must;
using state = nvmf::auth_exchange::state;

namespace {

const std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:44444444-4444-4444-4444-444444444444";
const std::string disks = "nqn.2024-01.io.causeway:fuzz";

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

/// Of `all`, the weakest first; no bit is all of them.
template <class All>
std::vector<typename All::value_type> chosen(const All& all, unsigned bits) {
    std::vector<typename All::value_type> some;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (bits == 0 || (bits >> i & 1) != 0)
            some.push_back(all[i]);
    return some;
}

template <class T>
auth::bytes numbers_of(const std::vector<T>& algorithms) {
    auth::bytes numbers;
    for (const T a : algorithms)
        numbers.push_back(nvme::to_underlying(a));
    return numbers;
}

/// What the host and the subsystem are made of, as the first three bytes say: README.md.
struct setting {
    explicit setting(script& from) {
        const unsigned host = from.byte(), controller = from.byte(), groups = from.byte();
        challenges_controller = host & 1;
        has_right_key = (host & 4) == 0;
        offered = chosen(auth::all_hashes, host >> 3 & 7);
        allowed.digests = chosen(auth::all_hashes, controller & 7);
        const std::array two{auth::auth_dhgroup::null,
                             auth::all_dhgroups[1 + groups % (auth::all_dhgroups.size() - 1)]};
        offered_groups = chosen(two, controller >> 3 & 3 ? controller >> 3 & 3 : 1);
        allowed.dhgroups = chosen(two, controller >> 5 & 3 ? controller >> 5 & 3 : 1);
        if (host & 0x40)
            return;
        keys = std::make_shared<const nvmf::dhchap_keys>(nvmf::dhchap_keys{
            *auth::parse_dhchap_key(nvmf::test::key_of_a),
            host & 2 ? std::nullopt : std::optional(*auth::parse_dhchap_key(nvmf::test::key_of_disks))});
    }

    nvmf::test::dhchap_host host() const {
        nvmf::test::dhchap_host h{host_nqn, disks};
        h.key = has_right_key ? nvmf::test::key_of_a : nvmf::test::other_key;
        h.ctrlr_key = challenges_controller ? nvmf::test::key_of_disks : "";
        h.hashes = numbers_of(offered);
        h.dhgroups = numbers_of(offered_groups);
        return h;
    }
    /// The strongest that both have.
    template <class T>
    static std::optional<T> common(const std::vector<T>& a, const std::vector<T>& b) {
        for (auto it = a.rbegin(); it != a.rend(); ++it)
            if (std::ranges::count(b, *it))
                return *it;
        return std::nullopt;
    }
    /// In other inputs, which take as long; those without a group are 1.
    std::int64_t price() const {
        std::size_t largest = 0;
        for (std::size_t i = 0; i < auth::all_dhgroups.size(); ++i)
            if (std::ranges::count(allowed.dhgroups, auth::all_dhgroups[i]))
                largest = i;
        return std::int64_t{1} << (largest ? largest + 3 : 0);
    }
    bool can_begin() const {
        return keys && common(offered, allowed.digests) && common(offered_groups, allowed.dhgroups);
    }
    bool can_succeed() const { return has_right_key && (!challenges_controller || keys->ctrlr); }

    bool challenges_controller, has_right_key;
    std::vector<auth::auth_hash> offered;
    std::vector<auth::auth_dhgroup> offered_groups;
    nvmf::auth_algorithms allowed{{}, {}};
    std::shared_ptr<const nvmf::dhchap_keys> keys;  ///< nullptr: the host has none any more
};

class session {
  public:
    explicit session(const setting& is) : is_(is), controller_(host_nqn, disks, is_.allowed), host_(is_.host()) {}

    void step(script& from) {
        switch (from.byte() % 8) {
        case 0: return receive();
        case 1: return send(spoilt(host_.negotiate(), from));
        case 2: return reply(challenge_, from);
        case 3: return send(from.take(from.word()));
        case 4: return send(spoilt(host_.success2(), from));
        case 5: return send(spoilt(host_.failure2(), from));
        case 6: return finish();
        default: return reply(stale_challenge_, from);
        }
    }

  private:
    /// With one byte changed, or none.
    static auth::bytes spoilt(auth::bytes m, script& from) {
        const std::uint16_t at = from.word();
        m[at % m.size()] ^= from.byte();
        return m;
    }
    bool has_failed() const {
        return controller_.current() == state::failure1 || controller_.current() == state::error;
    }
    bool is_tired() const { return computations_ >= max_computations; }

    auth::bytes receive_message() {
        const state before = controller_.current();
        const auth::bytes* const due = controller_.due_message();
        must((due == nullptr) == (before == state::error));
        if (!due)
            return {};
        const auth::bytes message = *due;
        if (before == state::challenge) {
            const auto fresh = auth::read_challenge(message), last = auth::read_challenge(challenge_);
            must(fresh && (!last || (fresh->value != last->value && fresh->seqnum != 0)));
            stale_challenge_ = std::exchange(challenge_, message);
        }
        controller_.on_message_taken();
        judge();
        return message;
    }
    void receive() { (void)receive_message(); }

    void reply(const auth::bytes& to, script& from) {
        if (to.empty() || is_tired())
            return;
        const auth::reply good = host_.reply_to(to);
        const auth::bytes message = spoilt(auth::write(good), from);
        const auto read = auth::read_reply(message);
        if (&to == &challenge_ && is_.has_right_key && read && read->t_id == good.t_id &&
            read->response == good.response && read->public_value == good.public_value &&
            controller_.current() == state::reply)
            has_proved_ = has_ever_proved_ = true;
        send(message);
    }

    /// All that a good host does from here on: it gets through, unless something forbids that from the beginning, or
    /// has gone wrong before.
    void finish() {
        if (has_failed() || is_tired())
            return receive();
        for (unsigned messages = 0; messages < 5; ++messages)
            switch (controller_.current()) {
            case state::completed:
                if (messages != 0)
                    return;
                [[fallthrough]];
            case state::negotiate:
                send(host_.negotiate());
                if (!is_.can_begin()) {
                    must(controller_.current() == state::failure1);
                    return;
                }
                must(controller_.digest() == setting::common(is_.offered, is_.allowed.digests));
                must(controller_.dhgroup() == setting::common(is_.offered_groups, is_.allowed.dhgroups));
                break;
            case state::challenge: receive(); break;
            case state::reply: {
                host_.t_id = auth::read_challenge(challenge_)->t_id;
                const auth::bytes message = host_.reply(challenge_);
                has_proved_ |= is_.has_right_key;
                has_ever_proved_ |= has_proved_;
                send(message);
                must(controller_.current() == (is_.can_succeed() ? state::success1 : state::failure1));
                if (!is_.can_succeed())
                    return;
                must(host_.accepts(receive_message()));
                must(controller_.current() == (is_.challenges_controller ? state::success2 : state::completed));
                break;
            }
            case state::success1: receive(); break;
            case state::success2:
                host_.t_id = auth::read_challenge(challenge_)->t_id;
                send(host_.success2());
                must(controller_.current() == state::completed);
                return;
            case state::failure1:
            case state::error: must(false);
            }
    }

    void send(const auth::bytes& message) {
        const state before = controller_.current();
        // Exactly as long as it is, so that the sanitizer sees a byte beyond.
        const auth::bytes exact(message);
        if (const auto work = controller_.on_message(exact, is_.keys)) {
            computations_ += controller_.dhgroup() != auth::auth_dhgroup::null;
            work->run();
            controller_.on_computed(std::move(*work));
        }
        if (before == state::failure1 || before == state::error)
            must(controller_.current() == before);
        if (controller_.current() == state::challenge)  // another transaction
            has_proved_ = false;
        judge();
    }

    void judge() const {
        must(!controller_.has_succeeded() || has_ever_proved_);
        must(controller_.current() != state::completed || (controller_.has_succeeded() && has_proved_));
        must(has_failed() == !controller_.failure().empty());
    }

    static constexpr unsigned max_computations = 4;  // of a group: two exchanges

    const setting is_;
    nvmf::auth_exchange controller_;
    nvmf::test::dhchap_host host_;
    auth::bytes challenge_, stale_challenge_;
    unsigned computations_ = 0;
    bool has_proved_ = false;  ///< in this transaction
    bool has_ever_proved_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    script from(bytes, size);
    const setting is(from);
    // A corpus is read whole; later, inputs with Diffie-Hellman are played only as long as they take half the time.
    static std::int64_t credit = 2000;
    if (is.price() > 1 && credit < is.price())
        return -1;
    credit += is.price() > 1 ? -is.price() : 1;
    session s(is);
    while (!from.is_over())
        s.step(from);
    return 0;
}
