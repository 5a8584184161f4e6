// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/controllers.h"

#include "bdev/testing/bdev_fixture.h"
#include "bdev_nvme/counters.h"
#include "bdev_nvme/testing/model_fixture.h"
#include "nvme/make_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using bdev::test::request;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::left_behind;
using testing::model_namespace;
using testing::model_options;

constexpr std::size_t block = 512;
const std::string here = "0000:00:04.0";

/// What a host would be to the devices: it holds a claim until they go.
struct listener final : bdev::observer {
    explicit listener(bdev::device& d) : of(&d) { EXPECT_TRUE(d.claim(*this)); }
    ~listener() override {
        if (of)
            of->release(*this);
    }
    void resized(bdev::device&, std::uint64_t blocks) override { sizes.push_back(blocks); }
    void health_changed(bdev::device& d) override { warnings.push_back(d.medium_health()->critical_warning); }
    void removed(bdev::device& d) override {
        d.release(*this);
        of = nullptr;
    }
    bdev::device* of;
    std::vector<std::uint64_t> sizes;
    std::vector<unsigned> warnings;
};

struct controllers_test : ::testing::Test {
    explicit controllers_test(std::size_t cores = 2) : w(cores) {}
    core::result<std::vector<std::string>> attach(model_options o, const std::string& name = "Nvme0") {
        model = w.models.add(std::move(o));
        return attach_again(name);
    }
    core::result<std::vector<std::string>> attach_again(const std::string& name = "Nvme0") {
        attach_params p;
        p.name = name;
        p.address = model->address();
        auto made = w.run(all.attach(p));
        EXPECT_TRUE(made) << "it never ends";
        return *made;
    }
    void TearDown() override {
        EXPECT_TRUE(w.run(all.close()));
        EXPECT_EQ(w.models.lent, 0u);
        EXPECT_THAT(w.devices.all(), IsEmpty());
    }
    void start(request& r, const std::string& name = "Nvme0n1", std::size_t core = 0) {
        w.reactors[core].execute([&, name] { w.devices.find(name)->start(r); });
    }
    nvme::status run(request&& r, const std::string& name = "Nvme0n1", std::size_t core = 0) {
        start(r, name, core);
        EXPECT_TRUE(w.until([&] { return r.ended(); }));
        EXPECT_EQ(r.times_ended, 1);
        return r.status;
    }
    bool works(std::size_t core = 0) {
        std::string text(block, 'x');
        return run(request(op::read, 0, 1, bdev::test::cut(text, block)), "Nvme0n1", core).ok();
    }
    const controller& the_controller() { return *all.all().front().controller; }
    testing::model_fixture w;
    controllers all{w.devices, w.models};
    std::shared_ptr<testing::controller_model> model;
    std::string data = std::string(64 * block, 'd');
};

// Bring-up.

TEST_F(controllers_test, each_namespace_becomes_a_device) {
    model_options o;
    o.namespaces = {{.nsid = 1, .blocks = 100}, {.nsid = 3, .blocks = 200, .lbads = 12}};
    const auto made = attach(o);
    ASSERT_TRUE(made);
    EXPECT_THAT(*made, ElementsAre("Nvme0n1", "Nvme0n3"));
    EXPECT_EQ(w.devices.find("Nvme0n3")->geometry().block_size, 4096u);
    EXPECT_EQ(the_controller().queue_count(), 2u);
    EXPECT_EQ(model->submission_queues(), 2u);
}

TEST_F(controllers_test, a_controller_comes_up_from_any_state_that_its_last_owner_left) {
    for (const auto state : {left_behind::nothing, left_behind::enabled, left_behind::enabling, left_behind::fatal,
                             left_behind::shut_down}) {
        model_options o;
        o.before = state;
        const auto made = attach(o);
        ASSERT_TRUE(made) << static_cast<int>(state) << ' ' << made.error().text();
        EXPECT_TRUE(works());
        EXPECT_TRUE(*w.run(all.detach("Nvme0")));
    }
}

TEST_F(controllers_test, a_controller_is_shut_down_at_the_end_without_queues) {
    ASSERT_TRUE(attach({}));
    ASSERT_TRUE(*w.run(all.detach("Nvme0")));
    EXPECT_EQ(model->shutdowns(), 1u);
    EXPECT_EQ(model->admin_commands(nvme::admin_opcode::delete_io_sq), 2u);
    EXPECT_EQ(model->admin_commands(nvme::admin_opcode::delete_io_cq), 2u);
    EXPECT_FALSE(model->ready());
}

TEST_F(controllers_test, names_and_controllers_are_taken_once) {
    ASSERT_TRUE(attach({}));
    EXPECT_THAT(attach_again("Nvme0").error().text(), HasSubstr("of that name"));
    EXPECT_EQ(attach_again("Nvme1").error().code, EBUSY);
    ASSERT_TRUE(*w.run(all.detach("Nvme0")));
    EXPECT_TRUE(attach_again("Nvme1"));
    EXPECT_EQ((*w.run(all.detach("Nvme0"))).error().code, ENODEV);
}

TEST_F(controllers_test, blocks_with_metadata_that_hosts_would_not_get_are_refused_and_the_others_served) {
    model_options o;
    o.namespaces = {{.nsid = 1, .metadata_bytes = 8}, {.nsid = 2}, {.nsid = 3, .metadata_bytes = 64, .extended = true}};
    const auto made = attach(o);
    ASSERT_TRUE(made);
    EXPECT_THAT(*made, ElementsAre("Nvme0n2"));
    EXPECT_THAT(the_controller().namespaces()[0].info.error().text(), HasSubstr("8 bytes of metadata"));
}

TEST_F(controllers_test, protection_information_is_made_and_checked_by_the_controller) {
    model_options o;
    o.namespaces = {{.nsid = 1, .metadata_bytes = 8, .dps = 1}};
    const auto made = attach(o);
    ASSERT_TRUE(made);
    EXPECT_THAT(*made, ElementsAre("Nvme0n1"));
    EXPECT_TRUE(run(request(op::write, 0, 64, bdev::test::cut(data, data.size()))).ok());
    std::string found(data.size(), '?');
    EXPECT_TRUE(run(request(op::read, 0, 64, bdev::test::cut(found, found.size()))).ok());
    EXPECT_EQ(found, data);
}

TEST_F(controllers_test, operations_that_need_the_metadata_are_not_offered_if_the_controller_makes_it) {
    model_options o;
    o.acwu = 7;
    o.namespaces = {{.nsid = 1, .metadata_bytes = 8, .dps = 1}};
    ASSERT_TRUE(attach(o));
    const auto& capabilities = w.devices.find("Nvme0n1")->capabilities();
    for (const op each : {op::compare, op::compare_and_write, op::verify, op::copy})
        EXPECT_FALSE(capabilities.supports(each)) << bdev::to_string(each);
    EXPECT_TRUE(run(request(op::write_zeroes, 0, 64)).ok());
}

TEST_F(controllers_test, with_fewer_queues_than_cores_cores_share_them) {
    model_options o;
    o.queues = 1;
    ASSERT_TRUE(attach(o));
    EXPECT_EQ(the_controller().queue_count(), 1u);
    EXPECT_TRUE(works(0));
    EXPECT_TRUE(works(1));
}

TEST_F(controllers_test, the_counters_of_its_queues_are_listed_while_it_is_attached) {
    const auto submitted = [this](std::size_t core) {
        std::optional<std::uint64_t> n;
        if (const auto* const g = w.devices.counter_list().find(queue_table, {{"controller", "Nvme0"}}))
            n = g->value(*std::ranges::find(g->rows(), "causeway_bdev_nvme_submitted_total", &core::metric::name),
                         core);
        return n;
    };
    ASSERT_TRUE(attach({}));
    EXPECT_EQ(submitted(0), 0u);
    EXPECT_TRUE(works(0));
    EXPECT_EQ(submitted(0), the_controller().queue(0).stats().submitted.get());
    EXPECT_GT(submitted(0), 0u);
    EXPECT_EQ(submitted(1), 0u);
    ASSERT_TRUE(*w.run(all.detach("Nvme0")));
    EXPECT_FALSE(submitted(0));
    ASSERT_TRUE(attach_again());
    EXPECT_EQ(submitted(0), 0u);
}

TEST_F(controllers_test, shadow_doorbells_are_used_if_the_controller_has_them) {
    model_options o;
    o.oacs = nvme::oacs_doorbell_buffer;
    ASSERT_TRUE(attach(o));
    EXPECT_TRUE(model->has_shadow_doorbells());
    std::vector<std::unique_ptr<request>> many;  // one a turn, so that the controller stays awake; around both rings
    for (unsigned i = 0; i < 600; ++i) {
        many.push_back(std::make_unique<request>(op::read, i, 1, bdev::test::cut(data, 512)));
        start(*many.back());
        w.round();
    }
    ASSERT_TRUE(w.until([&] { return std::ranges::all_of(many, [](const auto& r) { return r->ended(); }); }));
    const auto& q = the_controller().queue(0).stats();
    EXPECT_EQ(q.sq_doorbells.get() + q.sq_shadow_doorbells.get(), 600u);
    EXPECT_LT(q.sq_doorbells.get(), 10u);
}

TEST_F(controllers_test, the_host_memory_buffer_has_the_preferred_size) {
    model_options o;
    o.hmpre = 16 << 8;  // 16 MiB in units of 4 KiB
    o.hmmin = 1 << 8;
    ASSERT_TRUE(attach(o));
    EXPECT_EQ(model->host_memory_bytes(), 16u << 20);
}

TEST_F(controllers_test, a_controller_that_needs_more_host_memory_than_there_is_is_refused) {
    model_options o;
    o.hmpre = o.hmmin = 1u << 20;  // 4 GiB
    EXPECT_EQ(attach(o).error().code, ENOMEM);
}

// Reset.

TEST_F(controllers_test, a_reset_completes_io_in_flight_and_holds_new_io) {
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::lose, .qid = 1});
    request in_flight(op::write, 0, 1, bdev::test::cut(data, 512));
    start(in_flight);
    w.pass(1ms);
    EXPECT_FALSE(in_flight.ended());
    std::optional<core::result<>> done;
    w.reactors.group.control().execute([&] { core::detach(all.reset("Nvme0"), [&](core::result<> r) { done = r; }); });
    w.round();
    request meanwhile(op::write, 8, 1, bdev::test::cut(data, 512));
    start(meanwhile, "Nvme0n1", 1);
    ASSERT_TRUE(w.until([&] { return done.has_value(); }));
    ASSERT_TRUE(*done) << done->error().text();
    EXPECT_EQ(in_flight.status, nvme::sc::internal_path_error);  // without DNR: the host tries again
    ASSERT_TRUE(w.until([&] { return meanwhile.ended(); }));
    EXPECT_TRUE(meanwhile.status.ok());
    EXPECT_EQ(model->enables(), 2u);
    EXPECT_TRUE(works(0));
}

TEST_F(controllers_test, a_command_that_is_not_answered_is_aborted) {
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::withhold, .qid = 1});
    const auto s = run(request(op::write, 0, 1, bdev::test::cut(data, 512)));
    EXPECT_EQ(s, nvme::sc::internal_path_error);
    EXPECT_EQ(the_controller().stats().aborts, 1u);
    EXPECT_EQ(the_controller().stats().resets, 0u);
    EXPECT_TRUE(works());
}

TEST_F(controllers_test, a_controller_is_reset_if_an_abort_does_not_help) {
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::lose, .qid = 1});
    EXPECT_EQ(run(request(op::write, 0, 1, bdev::test::cut(data, 512))), nvme::sc::internal_path_error);
    EXPECT_EQ(the_controller().stats().aborts, 1u);
    EXPECT_EQ(the_controller().stats().resets, 1u);
    EXPECT_TRUE(works());
}

TEST_F(controllers_test, a_controller_has_failed_if_a_reset_does_not_help) {
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::lose, .qid = 1});
    model->hold_ready(true);
    EXPECT_EQ(run(request(op::write, 0, 1, bdev::test::cut(data, 512))), nvme::sc::internal_path_error);
    ASSERT_TRUE(w.until([&] { return the_controller().now() == controller::state::failed; }));
    EXPECT_EQ(run(request(op::write, 0, 1, bdev::test::cut(data, 512))), nvme::sc::internal_path_error.with_dnr());
    // Until the operator has more luck.
    model->hold_ready(std::nullopt);
    ASSERT_TRUE(*w.run(all.reset("Nvme0")));
    EXPECT_TRUE(works());
}

TEST_F(controllers_test, a_fatal_status_is_noticed_without_any_io) {
    ASSERT_TRUE(attach({}));
    model->set_fatal();
    ASSERT_TRUE(w.until([&] { return the_controller().stats().resets == 1; }, 5s));
    ASSERT_TRUE(w.until([&] { return the_controller().now() == controller::state::enabled; }));
    EXPECT_TRUE(works());
}

TEST_F(controllers_test, timeouts_that_are_only_counted_leave_the_command_alone) {
    controller_options o;
    o.on_timeout = timeout_action::none;
    o.io_timeout = 100ms;
    all.set_options(o);
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::withhold, .qid = 1});
    request r(op::write, 0, 1, bdev::test::cut(data, 512));
    start(r);
    w.pass(2s);
    EXPECT_FALSE(r.ended());
    EXPECT_GT(the_controller().queue(0).stats().timeouts.get(), 10u);
    model->release();
    ASSERT_TRUE(w.until([&] { return r.ended(); }));
    EXPECT_TRUE(r.status.ok());
}

TEST_F(controllers_test, a_controller_that_answers_no_admin_command_is_reset) {
    ASSERT_TRUE(attach({}));
    model->inject(
        {.what = testing::fault::lose, .qid = 0, .opcode = nvme::to_underlying(nvme::admin_opcode::get_log_page)});
    EXPECT_EQ((*w.run(all.read_health("Nvme0"))).error().code, ETIMEDOUT);
    ASSERT_TRUE(w.until([&] { return the_controller().stats().resets == 1; }, 5s));
    ASSERT_TRUE(w.until([&] { return the_controller().now() == controller::state::enabled; }));
    EXPECT_TRUE(*w.run(all.read_health("Nvme0")));
}

TEST_F(controllers_test, a_reset_helps_a_detachment_that_waits_for_a_command) {
    controller_options o;
    o.on_timeout = timeout_action::none;
    all.set_options(o);
    ASSERT_TRUE(attach({}));
    model->inject({.what = testing::fault::lose, .qid = 1});
    request stuck(op::write, 0, 1, bdev::test::cut(data, 512));
    start(stuck);
    w.pass(1ms);
    std::optional<core::result<>> detached;
    w.reactors.group.control().execute(
        [&] { core::detach(all.detach("Nvme0"), [&](core::result<> r) { detached = r; }); });
    w.pass(2min);
    EXPECT_FALSE(detached);
    ASSERT_TRUE(*w.run(all.reset("Nvme0")));
    ASSERT_TRUE(w.until([&] { return detached.has_value(); }));
    EXPECT_TRUE(*detached);
    EXPECT_EQ(stuck.status, nvme::sc::internal_path_error);
}

// Removal.

TEST_F(controllers_test, removing_a_device_fails_its_own_io_only) {
    ASSERT_TRUE(attach({}));
    const auto gone = model;
    model_options other;
    other.address = "0000:00:05.0";
    other.serial = "another";
    ASSERT_TRUE(attach(other, "Nvme1"));
    listener host(*w.devices.find("Nvme0n1"));
    gone->inject({.what = testing::fault::lose, .qid = 1});
    request lost(op::write, 0, 1, bdev::test::cut(data, 512));
    start(lost);
    w.pass(1ms);
    gone->remove();
    ASSERT_TRUE(w.until([&] { return w.models.lent == 1; }));
    EXPECT_EQ(lost.status, nvme::sc::internal_path_error.with_dnr());
    EXPECT_EQ(host.of, nullptr);
    EXPECT_FALSE(w.devices.find("Nvme0n1"));
    EXPECT_TRUE(run(request(op::write, 0, 1, bdev::test::cut(data, 512)), "Nvme1n1").ok());
}

TEST_F(controllers_test, a_removal_that_the_bus_does_not_report_is_detected) {
    ASSERT_TRUE(attach({}));
    model->remove(false);
    ASSERT_TRUE(w.until([&] { return w.models.lent == 0; }, 5s));
    EXPECT_THAT(all.all(), IsEmpty());
}

TEST_F(controllers_test, a_device_that_returns_gets_its_name_back) {
    ASSERT_TRUE(all.set_hotplug(true, 0ns));
    ASSERT_TRUE(attach({}));
    model->remove();
    ASSERT_TRUE(w.until([&] { return w.models.lent == 0; }));
    w.models.models.clear();
    w.pass(1s);
    w.models.add({});
    ASSERT_TRUE(w.until([&] { return w.devices.find("Nvme0n1") != nullptr; }, 5s));
    model_options stranger;
    stranger.address = "0000:00:09.0";
    stranger.serial = "a stranger";
    w.models.add(stranger);
    ASSERT_TRUE(w.until([&] { return w.devices.find("HotInNvme0n1") != nullptr; }, 5s));
}

TEST_F(controllers_test, a_device_that_is_being_removed_is_not_attached_again) {
    ASSERT_TRUE(all.set_hotplug(true, 0ns));
    ASSERT_TRUE(attach({}));
    model->remove();
    ASSERT_TRUE(w.until([&] { return w.models.lent == 0; }));
    w.pass(3s);  // in which the bus still lists it
    EXPECT_EQ(w.models.opened, 1u);
}

TEST_F(controllers_test, a_controller_that_the_operator_detached_stays_detached) {
    ASSERT_TRUE(all.set_hotplug(true, 0ns));
    ASSERT_TRUE(attach({}));
    ASSERT_TRUE(*w.run(all.detach("Nvme0")));
    w.pass(3s);
    EXPECT_THAT(all.all(), IsEmpty());
    EXPECT_EQ(all.set_hotplug(true, 11s).error().code, EINVAL);
}

// Events.

TEST_F(controllers_test, critical_warnings_reach_the_observers_of_the_devices) {
    ASSERT_TRUE(attach({}));
    listener host(*w.devices.find("Nvme0n1"));
    model->health().available_spare = 3;
    model->warn(nvme::critical_warning_spare);
    ASSERT_TRUE(w.until([&] { return !host.warnings.empty(); }, 5s));
    EXPECT_THAT(host.warnings, ElementsAre(nvme::critical_warning_spare));
    EXPECT_EQ(host.of->medium_health()->available_spare, 3);
    w.pass(1s);
    EXPECT_EQ(model->event_requests(), 4u) << "all requests are out again";
}

TEST_F(controllers_test, namespaces_may_be_added_grow_and_be_removed) {
    ASSERT_TRUE(attach({}));
    listener host(*w.devices.find("Nvme0n1"));
    model->resize_namespace(1, 9999);
    ASSERT_TRUE(w.until([&] { return !host.sizes.empty(); }, 5s));
    EXPECT_THAT(host.sizes, ElementsAre(9999u));
    model->add_namespace({.nsid = 2});
    ASSERT_TRUE(w.until([&] { return w.devices.find("Nvme0n2") != nullptr; }, 5s));
    model->remove_namespace(1);
    ASSERT_TRUE(w.until([&] { return host.of == nullptr; }, 5s));
    EXPECT_FALSE(w.devices.find("Nvme0n1"));
    EXPECT_TRUE(run(request(op::read, 0, 1, bdev::test::cut(data, 512)), "Nvme0n2").ok());
}

TEST_F(controllers_test, a_namespace_that_an_event_does_not_mention_stays) {
    ASSERT_TRUE(attach({}));
    listener host(*w.devices.find("Nvme0n1"));
    model->inject({.what = testing::fault::wrong_status,
                   .qid = 0,
                   .opcode = nvme::to_underlying(nvme::admin_opcode::identify),
                   .times = 3,
                   .value = 0x06});
    model->add_namespace({.nsid = 2});
    w.pass(1s);
    EXPECT_NE(host.of, nullptr);
    model->resize_namespace(1, 5555);
    ASSERT_TRUE(w.until([&] { return w.devices.find("Nvme0n2") != nullptr; }, 5s));
    EXPECT_THAT(host.sizes, ElementsAre(5555u));
}

TEST_F(controllers_test, a_controller_that_always_has_an_event_does_not_keep_a_core_busy) {
    ASSERT_TRUE(attach({}));
    const auto before = model->admin_commands(nvme::admin_opcode::async_event_request);
    model->answer_events_at_once(nvme::async_event_dw0(nvme::async_event_type::smart, 0, 2));
    w.pass(2s);
    EXPECT_LT(model->admin_commands(nvme::admin_opcode::async_event_request) - before, 4 * 2s / 10ms + 10);
    EXPECT_TRUE(works());
    model->answer_events_at_once(std::nullopt);
}

}  // namespace
}  // namespace causeway::bdev_nvme
