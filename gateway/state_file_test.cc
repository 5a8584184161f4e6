// SPDX-License-Identifier: Apache-2.0
#include "gateway/state_file.h"

#include "core/random.h"
#include "gateway/config_file.h"
#include "net/testing/net_fixture.h"
#include "rpc/config_saver.h"
#include "rpc/testing/rpc_fixture.h"

#include <fstream>
#include <gmock/gmock.h>
#include <map>

namespace causeway::gateway {
namespace {

using namespace std::chrono_literals;
using rpc::json;
using ::testing::HasSubstr;

/// A disk that loses power: after `operations_left` operations every other fails. What was not synced may be there
/// afterwards, in part, or not.
class failing_disk final : public file_system {
  public:
    explicit failing_disk(core::random_source& random) : random_(random) {}

    void fail_after(unsigned operations) { left_ = operations; }
    void restore_power() {
        left_ = ~0u;
        failed_ = false;
        pending_.reset();
    }

    core::result<std::optional<std::string>> read(const std::string& path) override {
        const auto file = names_.find(path);
        return file == names_.end() ? std::optional<std::string>() : std::optional(file->second);
    }
    core::result<> write_synced(const std::string& path, std::string_view content) override {
        if (!powered()) {
            if (power_fails_now())
                names_[path] = content.substr(0, random_.below(content.size() + 1));
            return gone();
        }
        names_[path] = content;
        return {};
    }
    core::result<> rename(const std::string& from, const std::string& to) override {
        if (!powered()) {
            if (power_fails_now() && random_.below(2) != 0)
                move(from, to);
            return gone();
        }
        pending_ = {from, to};
        before_ = names_.contains(to) ? std::optional(names_[to]) : std::nullopt;
        move(from, to);
        return {};
    }
    core::result<> sync_folder(const std::string&) override {
        if (!powered()) {
            if (power_fails_now() && pending_ && random_.below(2) != 0)
                undo_rename();
            return gone();
        }
        pending_.reset();
        return {};
    }
    bool has_failed() const noexcept { return failed_; }

  private:
    bool powered() noexcept { return !failed_ && left_-- > 0; }
    bool power_fails_now() noexcept { return !std::exchange(failed_, true); }
    static core::result<> gone() { return core::fail(EIO, "the disk has no power"); }
    void move(const std::string& from, const std::string& to) {
        names_[to] = names_[from];
        names_.erase(from);
    }
    void undo_rename() {
        names_[pending_->first] = names_[pending_->second];
        if (before_)
            names_[pending_->second] = *before_;
        else
            names_.erase(pending_->second);
    }

    core::random_source& random_;
    std::map<std::string, std::string> names_;
    std::optional<std::pair<std::string, std::string>> pending_;  ///< a rename that was not synced
    std::optional<std::string> before_;
    unsigned left_ = ~0u;
    bool failed_ = false;
};

void write_raw(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

TEST(state_file, what_was_stored_is_loaded) {
    const net::test::scratch_directory in;
    auto opened = state_folder::open(in / "state");
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened->file().load(), std::nullopt);
    for (const std::string body : {"{\"subsystems\": []}\n", "{}", ""}) {
        ASSERT_TRUE(opened->file().store(body));
        EXPECT_EQ(*opened->file().load(), body);
    }
}

TEST(state_file, a_folder_has_one_gateway) {
    const net::test::scratch_directory in;
    auto first = std::make_optional(*state_folder::open(in / "state"));
    const auto second = state_folder::open(in / "state");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    first.reset();
    EXPECT_TRUE(state_folder::open(in / "state"));
}

TEST(state_file, a_folder_that_cannot_be_made_says_which) {
    const auto opened = state_folder::open("/nowhere/at/all");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().text(), "/nowhere/at/all: No such file or directory");
}

TEST(state_file, a_damaged_file_is_refused_wherever_it_is_damaged) {
    const net::test::scratch_directory in;
    auto opened = state_folder::open(in / "state");
    const state_file& file = opened->file();
    ASSERT_TRUE(file.store("{\"subsystems\": []}\n"));
    std::ifstream stored(file.path(), std::ios::binary);
    const std::string good{std::istreambuf_iterator<char>(stored), {}};
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 1);
        write_raw(file.path(), bad);
        const auto loaded = file.load();
        // The version of the writer is for people only.
        const bool in_version = i >= good.find("version") && i < good.find("bytes") - 2;
        if (!in_version) {
            EXPECT_FALSE(loaded && *loaded) << i << ": " << bad;
        }
        write_raw(file.path(), good.substr(0, i));
        EXPECT_FALSE(file.load()) << i;
    }
    write_raw(file.path(), good + "x");
    EXPECT_THAT(file.load().error().text(), HasSubstr("its content does not match its checksum"));
}

TEST(state_file, a_newer_format_is_refused_and_says_what_to_do) {
    const net::test::scratch_directory in;
    auto opened = state_folder::open(in / "state");
    write_raw(opened->file().path(), "{\"causeway_state\": 2, \"layout\": \"other\"}\nanything");
    EXPECT_THAT(opened->file().load().error().text(),
                HasSubstr("its format is 2, and this program reads formats up to 1"));
}

/// The gateway that a disk's state makes, and its clients.
class gateway_on {
  public:
    explicit gateway_on(failing_disk& disk, std::uint64_t seed)
        : w(seed), file(disk, "/state"),
          saver(w.sim.group(), w.config, [this](const std::string& text) { return file.store(text); }) {
        w.start();
        w.dispatcher.save_with(saver);
        const auto kept = file.load();
        EXPECT_TRUE(kept) << kept.error().text();
        if (kept && *kept) {
            auto calls = parse_config(**kept);
            EXPECT_TRUE(calls) << calls.error().text();
            for (auto& c : *calls) {
                const answer a = w.call(c.method, c.params);
                EXPECT_TRUE(a) << c.method << ": " << a.error().message;
            }
        }
        w.sim.group().control().execute([this] { saver.begin(); });
    }
    ~gateway_on() {
        w.run([](rpc::config_saver& s) -> core::task<bool> {
            co_await s.stop(1s);
            co_return true;
        }(saver));
    }
    /// True: it was answered with success.
    bool client(const char* method, json params) {
        const json request = {{"id", 1}, {"method", method}, {"params", std::move(params)}};
        const auto reply = w.run(w.dispatcher.serve(request.dump()));
        return rpc::test::parsed(reply.line).contains("result");
    }
    json config() { return w.config.all(); }

  private:
    using answer = rpc::answer;
    rpc::test::method_fixture w;
    state_file file;
    rpc::config_saver saver;
};

/// A change drawn at random, some of which are refused.
bool change_something(gateway_on& g, core::random_source& random) {
    const std::string nqn = "nqn.2024-01.io.example:" + std::to_string(random.below(4));
    const std::string host = "nqn.2024-01.io.example:host" + std::to_string(random.below(4));
    switch (random.below(7)) {
    case 0: return g.client("nvmf_create_transport", {{"trtype", "LOOP"}});
    case 1: return g.client("nvmf_create_subsystem", {{"nqn", nqn}, {"ana_reporting", random.below(2) != 0}});
    case 2: return g.client("nvmf_delete_subsystem", {{"nqn", nqn}});
    case 3: return g.client("nvmf_subsystem_add_host", {{"nqn", nqn}, {"host", host}});
    case 4: return g.client("nvmf_subsystem_remove_host", {{"nqn", nqn}, {"host", host}});
    case 5: return g.client("nvmf_subsystem_allow_any_host", {{"nqn", nqn}, {"allow_any_host", random.below(2) != 0}});
    default:
        return g.client("nvmf_subsystem_add_listener",
                        {{"nqn", nqn}, {"listen_address", {{"trtype", "LOOP"}, {"traddr", host}}}});
    }
}

TEST(state_file, a_loss_of_power_at_any_moment_loses_no_change_that_was_answered) {
    core::random_source random(20260101);
    unsigned lost = 0, kept = 0;
    for (unsigned round = 0; round < 1000; ++round) {
        failing_disk disk(random);
        disk.fail_after(static_cast<unsigned>(random.below(40)));
        json answered, attempted;
        {
            gateway_on before(disk, round);
            answered = before.config();
            while (!disk.has_failed()) {
                const bool succeeded = change_something(before, random);
                attempted = before.config();
                if (succeeded)
                    answered = attempted;
            }
        }
        disk.restore_power();
        gateway_on after(disk, round);
        const json found = after.config();
        EXPECT_TRUE(found == answered || found == attempted) << round << ":\n"
                                                             << found << "\nanswered:\n"
                                                             << answered << "\nattempted:\n"
                                                             << attempted;
        if (answered != attempted)
            ++(found == answered ? lost : kept);
    }
    // Both happen, or the disk does not do what it is here for.
    EXPECT_GT(lost, 0u);
    EXPECT_GT(kept, 0u);
}

}  // namespace
}  // namespace causeway::gateway
