// SPDX-License-Identifier: Apache-2.0
// Reservations in files: what is in them, whatever that is, and what survives the gateway.

#include "nvmf/reservation/file_store.h"

#include "nvmf/reservation/file_text.h"
#include "nvmf/testing/reservation_fixture.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <semaphore>
#include <sstream>
#include <sys/stat.h>
#include <thread>

namespace causeway::nvmf::reservation {
namespace {

const bdev::uuid disk{0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr host_id a{0xaa}, b{0xbb};

const state of_one_holder{.type = reservation_type::write_exclusive_registrants_only,
                          .holder = b,
                          .persists = true,
                          .registrants = {{a, 1}, {b, 0xffffffffffffffff}}};

// As SPDK's target writes it.
const char* const text_of_one_holder =
    R"({"ptpl":true,"rtype":3,"crkey":18446744073709551615,)"
    R"("bdev_uuid":"12345678-0000-0000-0000-000000000001","holder_uuid":"bb000000-0000-0000-0000-000000000000",)"
    R"("registrants":[{"rkey":1,"host_uuid":"aa000000-0000-0000-0000-000000000000"},)"
    R"({"rkey":18446744073709551615,"host_uuid":"bb000000-0000-0000-0000-000000000000"}]})"
    "\n";

TEST(reservation_file_text, of_one_holder) {
    EXPECT_EQ(to_file_text(of_one_holder, disk), text_of_one_holder);
    const auto read = from_file_text(text_of_one_holder, disk);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, of_one_holder);
}

TEST(reservation_file_text, of_all_registrants) {
    state s = of_one_holder;
    s.type = reservation_type::exclusive_access_all_registrants;
    s.holder = {};
    const std::string text = to_file_text(s, disk);
    EXPECT_NE(text.find(R"("holder_uuid":"aa0)"), std::string::npos) << "SPDK's target wants one";
    EXPECT_EQ(*from_file_text(text, disk), s);
}

TEST(reservation_file_text, of_registrants_alone) {
    const state s{.persists = true, .registrants = {{a, 1}}};
    EXPECT_EQ(*from_file_text(to_file_text(s, disk), disk), s);
}

TEST(reservation_file_text, leaves_nobody_behind_who_does_not_persist) {
    state s = of_one_holder;
    s.persists = false;
    EXPECT_EQ(to_file_text(s, disk), "{\"ptpl\":false,\"bdev_uuid\":\"12345678-0000-0000-0000-000000000001\"}\n");
    EXPECT_EQ(*from_file_text(to_file_text(s, disk), disk), state());
}

TEST(reservation_file_text, may_be_anything) {
    const std::string good = text_of_one_holder;
    const auto with = [&](std::string_view old, std::string_view fresh) {
        std::string text = good;
        text.replace(text.find(old), old.size(), fresh);
        return text;
    };
    struct {
        const char* sentence;
        std::string text;
    } const rows[] = {
        {"nothing", ""},
        {"zeroes", std::string(100, '\0')},
        {"a list", "[1]"},
        {"cut off", good.substr(0, good.size() / 2)},
        {"no device", with("bdev_uuid", "x")},
        {"another device", with("0001\"", "0002\"")},
        {"a device that is no UUID", with("12345678", "1234567x")},
        {"ptpl of a number", with("true", "1")},
        {"type 7", with("\"rtype\":3", "\"rtype\":7")},
        {"type -1", with("\"rtype\":3", "\"rtype\":-1")},
        {"a type of text", with("\"rtype\":3", "\"rtype\":\"3\"")},
        {"a holder that is no registrant", with("\"bb000000", "\"cc000000")},
        {"no holder", with("holder_uuid", "x")},
        {"registrants that are no list", with("[", "{\"x\":[").replace(with("[", "{\"x\":[").rfind(']') + 1, 0, "}")},
        {"a registrant of text", with("{\"rkey\":1,\"host_uuid\":\"aa000000-0000-0000-0000-000000000000\"}", "\"x\"")},
        {"key 0", with("\"rkey\":1,", "\"rkey\":0,")},
        {"a key that is too large", with("\"rkey\":1,", "\"rkey\":18446744073709551616,")},
        {"a host twice", with("\"aa000000", "\"bb000000")},
        {"a reservation of all registrants without any",
         R"({"ptpl":true,"rtype":5,"bdev_uuid":"12345678-0000-0000-0000-000000000001","registrants":[]})"},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        const auto read = from_file_text(r.text, disk);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, EINVAL);
        EXPECT_FALSE(read.error().sentence.empty());
    }
}

class temporary_folder {
  public:
    temporary_folder() : path_(std::filesystem::temp_directory_path() / "causeway-reservation-XXXXXX") {
        std::string name = path_;
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    ~temporary_folder() { std::filesystem::remove_all(path_); }
    std::string file(const char* name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

std::string content(const std::string& path) {
    std::ifstream f(path);
    std::ostringstream all;
    all << f.rdbuf();
    return all.str();
}

class file_store_test : public testing::Test {
  protected:
    temporary_folder folder;
    const std::string path = folder.file("r.json");
    test::nvmf_fixture w;
    const std::shared_ptr<file_threads> threads = std::make_shared<file_threads>(w.sim.group().blocking());

    core::result<store::version> load(file_store& s) { return w.run(s.load()); }
    std::uint64_t replace(file_store& s, std::uint64_t expected, state next) {
        const auto number = w.run(s.replace(expected, std::move(next)));
        EXPECT_TRUE(number) << number.error().text();
        return number.value_or(0);
    }
};

TEST_F(file_store_test, begins_without_a_file) {
    file_store s(threads, disk, path);
    const auto v = load(s);
    ASSERT_TRUE(v);
    EXPECT_EQ(v->state, state());
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(file_store_test, keeps_what_persists) {
    file_store s(threads, disk, path);
    const auto first = replace(s, load(s)->number, of_one_holder);
    EXPECT_EQ(content(path), text_of_one_holder);
    EXPECT_FALSE(std::filesystem::exists(path + ".new"));

    file_store again(threads, disk, path);
    EXPECT_EQ(load(again)->state, of_one_holder);

    state ends = of_one_holder;
    ends.persists = false;
    replace(s, first, ends);
    EXPECT_EQ(load(again)->state, state());
}

TEST_F(file_store_test, writes_nothing_that_does_not_persist) {
    file_store s(threads, disk, path);
    replace(s, load(s)->number, {.registrants = {{a, 1}}});
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(file_store_test, replaces_the_version_that_is_expected_and_no_other) {
    file_store s(threads, disk, path);
    const auto number = load(s)->number;
    replace(s, number, of_one_holder);
    EXPECT_EQ(w.run(s.replace(number, {})).error().code, ESTALE);
    EXPECT_EQ(content(path), text_of_one_holder);
}

TEST_F(file_store_test, removes_what_a_crash_has_left) {
    std::ofstream(path + ".new") << "half";
    file_store s(threads, disk, path);
    replace(s, load(s)->number, of_one_holder);
    EXPECT_EQ(content(path), text_of_one_holder);
}

TEST_F(file_store_test, says_what_cannot_be_read_or_written) {
    file_store nowhere(threads, disk, folder.file("not/there"));
    EXPECT_FALSE(load(nowhere));

    std::ofstream(path) << "rubbish";
    file_store damaged(threads, disk, path);
    EXPECT_NE(load(damaged).error().sentence.find("remove it"), std::string::npos);

    ASSERT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
    file_store fifo(threads, disk, folder.file("fifo"));
    EXPECT_EQ(load(fifo).error().code, EINVAL);

    std::filesystem::create_directory(folder.file("folder"));
    file_store is_a_folder(threads, disk, folder.file("folder"));
    EXPECT_FALSE(load(is_a_folder));
    EXPECT_FALSE(w.run(is_a_folder.replace(0, of_one_holder)));
}

// ---- Through a namespace.

class persistent_reservation : public file_store_test {
  protected:
    subsystem& s = w.make_subsystem();

    void SetUp() override {
        w.make_memory("disk");
        add();
    }
    void add() {
        namespace_params p;
        p.bdev_name = "disk";
        p.ptpl_file = path;
        const auto added = w.run(s.namespaces().add(p));
        ASSERT_TRUE(added) << added.error().text();
    }
    void restart() {
        EXPECT_TRUE(w.run(s.namespaces().remove(1)));
        add();
    }
    /// CPTPL 11b.
    void register_persistently(const test::host& h, std::uint64_t key) {
        nvme::command c = test::reservation_command(nvme::io_opcode::reservation_register, 0);
        c.cdw10 = c.cdw10 | 3u << 30;
        EXPECT_EQ(h.queues[0]->call(c, test::raw(nvme::reservation_register_data{.crkey = 0, .nrkey = key})).status(),
                  nvme::sc::success);
    }
    nvme::status write(const test::host& h) {
        return h.queues[0]->call(test::io(nvme::io_opcode::write, 1), test::bytes(512)).status();
    }
};

TEST_F(persistent_reservation, is_enforced_again_from_the_first_command_on) {
    const test::host holder = w.make_host(test::host_a), other = w.make_host(test::host_b);
    register_persistently(holder, 7);
    EXPECT_EQ(test::acquire(holder, 7, reservation_type::write_exclusive), nvme::sc::success);
    restart();
    EXPECT_TRUE(write(other).is(nvme::sc::reservation_conflict));
    EXPECT_EQ(write(holder), nvme::sc::success);
    EXPECT_EQ(test::report(holder, 64).page<nvme::reservation_status_extended_header>().status.ptpls, 1);
    EXPECT_EQ(test::release(holder, 7, reservation_type::write_exclusive), nvme::sc::success);
    restart();
    EXPECT_EQ(write(other), nvme::sc::success);
    EXPECT_EQ(test::acquire(holder, 7, reservation_type::write_exclusive), nvme::sc::success) << "still a registrant";
}

TEST_F(persistent_reservation, is_switched_by_the_feature) {
    const test::host h = w.make_host(test::host_a);
    const auto set = [&](std::uint32_t value, std::uint32_t nsid) {
        return h.admin->call(test::set_features(nvme::fid::reservation_persistence, value, nsid)).status();
    };
    const auto get = [&] {
        nvme::command c = test::get_features(nvme::fid::reservation_persistence);
        c.nsid = 1;
        return h.admin->call(c).dw0();
    };
    EXPECT_EQ(test::register_key(h, 7), nvme::sc::success);
    EXPECT_EQ(get(), 0u);
    EXPECT_EQ(set(1, 1), nvme::sc::success);
    EXPECT_EQ(get(), 1u);
    restart();
    EXPECT_EQ(get(), 1u);
    EXPECT_EQ(test::acquire(h, 7, reservation_type::write_exclusive), nvme::sc::success);
    EXPECT_EQ(set(0, nvme::broadcast_nsid), nvme::sc::success);
    restart();
    EXPECT_TRUE(test::acquire(h, 7, reservation_type::write_exclusive).is(nvme::sc::reservation_conflict));
}

TEST_F(persistent_reservation, is_not_changed_where_its_file_cannot_be_written) {
    const test::host holder = w.make_host(test::host_a), other = w.make_host(test::host_b);
    register_persistently(holder, 7);
    std::filesystem::create_directory(path + ".new");
    std::ofstream(path + ".new/in_the_way");
    const auto s = test::acquire(holder, 7, reservation_type::exclusive_access);
    EXPECT_TRUE(s.is(nvme::sc::internal_error));
    EXPECT_FALSE(s.dnr());
    EXPECT_EQ(write(other), nvme::sc::success);
    std::filesystem::remove_all(path + ".new");
    EXPECT_EQ(test::acquire(holder, 7, reservation_type::exclusive_access), nvme::sc::success);
    EXPECT_TRUE(write(other).is(nvme::sc::reservation_conflict));
}

TEST_F(persistent_reservation, shows_in_identify) {
    const test::host h = w.make_host(test::host_a);
    EXPECT_EQ(h.admin->call(test::identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().rescap, 0xff);
}

TEST_F(persistent_reservation, has_a_file_of_its_own) {
    w.make_memory("second");
    namespace_params p;
    p.bdev_name = "second";
    p.ptpl_file = path;
    EXPECT_EQ(w.run(s.namespaces().add(p)).error().code, EEXIST);
}

TEST_F(persistent_reservation, keeps_a_namespace_with_a_damaged_file_away) {
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    std::ofstream(path) << "rubbish";
    namespace_params p;
    p.bdev_name = "disk";
    p.ptpl_file = path;
    EXPECT_EQ(w.run(s.namespaces().add(p)).error().code, EINVAL);
    EXPECT_TRUE(s.namespaces().all().empty());
    p.ptpl_file.clear();
    EXPECT_TRUE(w.run(s.namespaces().add(p))) << "the device is free";
}

// ---- A file system that does not answer.

/// A file system that hangs while `hangs`: a call enters it, and leaves it with answer(). Others run on the spot.
class hanging_files final : public core::blocking_executor {
  public:
    ~hanging_files() override { answer(); }

    void submit(std::function<void()> work) override {
        if (!hangs)
            return work();
        thread_ = std::thread(std::move(work));
        entered_.acquire();
    }
    /// The call that hangs goes on, to its end.
    void answer() {
        hangs = false;
        if (!thread_.joinable())
            return;
        left_.release();
        thread_.join();
    }
    file_operations operations() {
        file_operations real = local_files();
        return {
            .read =
                [this, real](const std::string& path) {
                    enter();
                    return real.read(path);
                },
            .replace = [this, real](const std::string& path, std::string_view text, bool& replaced) -> core::result<> {
                enter();
                if (fails)
                    return core::fail(EIO, path);
                return real.replace(path, text, replaced);
            }};
    }

    std::atomic<bool> hangs = false;
    bool fails = false;  ///< and changes nothing

  private:
    void enter() {
        if (!hangs)
            return;
        entered_.release();
        left_.acquire();
    }
    std::thread thread_;
    std::binary_semaphore entered_{0}, left_{0};
};

class hung_file_store : public file_store_test {
  protected:
    void SetUp() override {
        number = replace(s, load(s)->number, of_one_holder);
        files.hangs = true;
    }
    /// An errno; 0: no error.
    int code_of_load() {
        const auto loaded = load(s);
        return loaded ? 0 : loaded.error().code;
    }
    int code_of_replace(state next) {
        const auto done = w.run(s.replace(number, std::move(next)));
        return done ? 0 : done.error().code;
    }

    hanging_files files;
    const std::shared_ptr<file_threads> own = std::make_shared<file_threads>(files);
    file_store s{own, disk, path, files.operations()};
    std::uint64_t number = 0;
    const state one_registrant{.persists = true, .registrants = {{a, 1}}};
};

TEST_F(hung_file_store, answers_in_time_and_nothing_more_until_it_is_known_what_is_stored) {
    const auto before = w.sim.time().now();
    EXPECT_EQ(code_of_replace(one_registrant), ETIMEDOUT);
    EXPECT_EQ(code_of_replace(one_registrant), EBUSY);
    EXPECT_EQ(code_of_load(), EBUSY);
    EXPECT_LT(w.sim.time().to_nanoseconds(w.sim.time().now() - before), 2 * file_threads::time_limit);

    files.answer();
    EXPECT_EQ(code_of_replace({}), ESTALE) << "it was stored after all";
    const auto v = load(s);
    ASSERT_TRUE(v);
    EXPECT_EQ(v->state, one_registrant);
    EXPECT_GT(v->number, number);
    number = v->number;
    EXPECT_EQ(code_of_replace(of_one_holder), 0);
    EXPECT_EQ(content(path), text_of_one_holder);
}

TEST_F(hung_file_store, has_its_old_content_if_the_change_fails_in_the_end) {
    files.fails = true;
    EXPECT_EQ(code_of_replace(one_registrant), ETIMEDOUT);
    files.answer();
    files.fails = false;
    EXPECT_EQ(load(s)->state, of_one_holder);
    EXPECT_EQ(code_of_replace(one_registrant), 0) << "of the number from before";
}

/// The file says nothing of it, so it must not be read from there.
TEST_F(hung_file_store, keeps_what_is_in_no_file_any_more) {
    const state in_memory{.registrants = {{b, 2}}};
    EXPECT_EQ(code_of_replace(in_memory), ETIMEDOUT);
    files.answer();
    const auto v = load(s);
    ASSERT_TRUE(v);
    EXPECT_EQ(v->state, in_memory);
}

TEST_F(hung_file_store, can_be_loaded_when_its_file_system_answers) {
    EXPECT_EQ(code_of_load(), ETIMEDOUT);
    file_store another(own, disk, path, files.operations());
    EXPECT_EQ(load(another).error().code, EBUSY) << "no second thread for the same file";
    files.answer();
    EXPECT_EQ(load(another)->state, of_one_holder);
}

TEST_F(hung_file_store, does_not_keep_others_waiting) {
    EXPECT_EQ(code_of_replace(one_registrant), ETIMEDOUT);
    files.hangs = false;
    file_store other(own, disk, folder.file("other.json"), files.operations());
    EXPECT_EQ(replace(other, load(other)->number, of_one_holder), 1u);
    files.answer();
}

class hung_reservation : public testing::Test {
  protected:
    temporary_folder folder;
    hanging_files files;
    const std::shared_ptr<file_threads> own = std::make_shared<file_threads>(files);
    test::nvmf_fixture w{1, 3, {.reservation_stores = [this](auto&, auto& device, const std::string& file) {
                             return std::make_unique<file_store>(own, device.id(), file, files.operations());
                         }}};
};

TEST_F(hung_reservation, is_an_internal_error_that_a_host_may_repeat_and_delays_nobody) {
    w.make_memory("disk");
    namespace_params p;
    p.bdev_name = "disk";
    p.ptpl_file = folder.file("r.json");
    subsystem& s = w.make_subsystem();
    ASSERT_TRUE(w.run(s.namespaces().add(p)));
    const test::host h = w.make_host(test::host_a), other = w.make_host(test::host_b);
    nvme::command persistent = test::reservation_command(nvme::io_opcode::reservation_register, 0);
    persistent.cdw10 = persistent.cdw10 | 3u << 30;
    const auto key = test::raw(nvme::reservation_register_data{.crkey = 0, .nrkey = 7});
    ASSERT_EQ(h.queues[0]->call(persistent, key).status(), nvme::sc::success);

    files.hangs = true;
    const auto hung = test::acquire(h, 7, reservation_type::write_exclusive);
    EXPECT_TRUE(hung.is(nvme::sc::internal_error));
    EXPECT_FALSE(hung.dnr());
    EXPECT_EQ(other.queues[0]->call_for(test::io(nvme::io_opcode::read, 1), 512).status(), nvme::sc::success);

    files.answer();
    EXPECT_EQ(test::acquire(h, 7, reservation_type::write_exclusive), nvme::sc::success);
    EXPECT_TRUE(other.queues[0]
                    ->call(test::io(nvme::io_opcode::write, 1), test::bytes(512))
                    .status()
                    .is(nvme::sc::reservation_conflict));
}

// ---- The threads.

/// Nothing runs before it is told to.
class stopped_threads final : public core::blocking_executor {
  public:
    void submit(std::function<void()> work) override { waiting.push_back(std::move(work)); }
    void run_all() {
        for (const auto& work : std::exchange(waiting, {}))
            work();
    }
    std::vector<std::function<void()>> waiting;
};

class file_threads_test : public testing::Test {
  protected:
    /// Begins a call for this file; its code comes to `codes`.
    void begin(const std::string& file) {
        w.at_control([&] {
            core::detach(files.run(file, [this, file] { ran += file + " "; }),
                         [this, file](const core::result<>& r) { codes[file] = r ? 0 : r.error().code; });
        });
    }
    test::nvmf_fixture w;
    stopped_threads threads;
    file_threads files{threads};
    std::string ran;
    std::map<std::string, int> codes;
};

TEST_F(file_threads_test, are_bounded_for_each_folder) {
    for (unsigned i = 0; i < 2 * file_threads::max_running_of_folder; ++i)
        begin("/nfs/" + std::to_string(i));
    EXPECT_EQ(threads.waiting.size(), file_threads::max_running_of_folder);
    begin("/etc/a");
    EXPECT_EQ(threads.waiting.size(), file_threads::max_running_of_folder + 1u);
    threads.run_all();
    w.pass(std::chrono::milliseconds(1));
    EXPECT_EQ(codes.size(), 2u * file_threads::max_running_of_folder + 1);
    for (const auto& [file, code] : codes)
        EXPECT_EQ(code, 0) << file;
}

TEST_F(file_threads_test, never_begin_what_was_given_up) {
    begin("/nfs/a");
    w.pass(file_threads::time_limit + std::chrono::milliseconds(1));
    EXPECT_EQ(codes["/nfs/a"], ETIMEDOUT);
    EXPECT_FALSE(files.hangs("/nfs/a")) << "it has not begun";
    threads.run_all();
    EXPECT_EQ(ran, "");
    begin("/nfs/a");
    threads.run_all();
    w.pass(std::chrono::milliseconds(1));
    EXPECT_EQ(ran, "/nfs/a ");
    EXPECT_EQ(codes["/nfs/a"], 0);
}

}  // namespace
}  // namespace causeway::nvmf::reservation
