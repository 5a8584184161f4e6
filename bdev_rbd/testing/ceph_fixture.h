// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests against a real cluster share. They need CEPH_CONF, and OSD_PID for those that stop the OSD;
// tests/ceph/test_rbd_device.py starts a cluster and runs them.

#include "bdev/memory_device.h"
#include "bdev/registry.h"
#include "bdev_rbd/disks.h"
#include "core/blocking_pool.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/placement.h"

#include <chrono>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace causeway::bdev_rbd {

using bytes = std::vector<std::byte>;
using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::string ceph_conf();
/// Runs a tool of the cluster's, "rbd create rbd/x --size 64M"; its output. A failure fails the test.
std::string tool(const std::string& command_line);
/// An image that is removed when the test has closed it and ends.
class test_image {
  public:
    explicit test_image(std::string name, const std::string& size = "64M", const std::string& more = "");
    ~test_image();
    test_image(const test_image&) = delete;
    const std::string& name() const { return name_; }
    image_spec spec() const { return {.pool = "rbd", .rados_namespace = {}, .name = name_}; }
    /// The content as the cluster has it, past everything under test.
    bytes content() const;

  private:
    std::string name_;
};

/// The OSD does not respond while this lives.
class stopped_osd {
  public:
    stopped_osd();
    ~stopped_osd() { resume(); }
    stopped_osd(const stopped_osd&) = delete;
    void resume();

  private:
    int pid_;
};

/// Two reactors on threads of their own, with all that disks need.
class CephTest : public testing::Test {
  protected:
    explicit CephTest(core::placement_policy policy = core::placement_policy::round_robin);
    ~CephTest() override;

    /// Runs on the control reactor and waits.
    void on(core::reactor& r, std::function<void()> f);
    void on_control(std::function<void()> f) { on(group_.control(), std::move(f)); }
    /// Starts a task on the control reactor.
    template <class T>
    std::future<T> start(core::task<T> t) {
        auto promise = std::make_shared<std::promise<T>>();
        auto held = std::make_shared<core::task<T>>(std::move(t));
        group_.control().execute([promise, held] {
            core::detach(std::move(*held), [promise](T value) { promise->set_value(std::move(value)); });
        });
        return promise->get_future();
    }
    template <class T>
    T run(core::task<T> t) {
        return start(std::move(t)).get();
    }

    ceph::client_options options() const;
    disk_params params(const test_image& image, std::string name = "") const;
    /// Opens; a failure fails the test. With the registered client "shared".
    std::shared_ptr<rbd_device> open(disk_params p);
    std::shared_ptr<rbd_device> open(const test_image& image) { return open(params(image)); }
    core::result<> remove(const std::string& name) { return run(disks_.remove(name)); }
    std::shared_ptr<bdev::memory_device> memory(core::reactor& home, std::uint64_t blocks = 4096);

    /// One I/O from a reactor, waited for.
    struct request {
        bdev::op operation;
        std::uint64_t offset_blocks = 0;
        std::uint64_t length_blocks = 0;
        bool force_unit_access = false;
    };
    nvme::status io(bdev::device& d, core::reactor& from, request r, std::vector<iovec> data = {},
                    std::vector<iovec> write_data = {});
    nvme::status read(bdev::device& d, core::reactor& from, std::uint64_t offset, bytes& into);
    nvme::status write(bdev::device& d, core::reactor& from, std::uint64_t offset, const bytes& from_bytes,
                       bool force_unit_access = false);

    core::reactor& core(std::size_t i) { return group_[i]; }

    core::tsc_clock clock_;
    core::blocking_pool pool_;
    core::reactor_group group_;
    bdev::registry registry_;
    ceph::clusters clusters_;
    core::placement homes_;
    disks disks_;

  private:
    std::vector<std::thread> threads_;
    bool shared_ = false;
};

/// Keeps `depth` I/Os in flight from one reactor until stopped, and notes how it went.
class load {
  public:
    load(bdev::device& d, core::reactor& from, bdev::op operation, unsigned depth, std::uint32_t block_count = 8);
    ~load() { stop(); }
    void stop();  ///< no new ones; waits for those in flight

    std::uint64_t done() const { return done_.load(); }
    std::uint64_t failed() const { return failed_.load(); }
    std::uint64_t in_flight() const { return started_.load() - done_.load(); }
    steady::duration longest_gap() const { return steady::duration(longest_gap_.load()); }
    void reset() { longest_gap_ = 0; }

  private:
    struct slot {
        bdev::io io;
        load* owner = nullptr;
        bytes memory;
        iovec vector{};
    };
    void issue(slot& s);
    void ended(slot& s);

    bdev::device& device_;
    core::reactor& from_;
    const bdev::op operation_;
    const std::uint32_t block_count_;
    std::vector<std::unique_ptr<slot>> slots_;
    std::uint64_t next_block_ = 0;
    steady::time_point last_ = steady::now();
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> started_{0}, done_{0}, failed_{0}, retired_{0};
    std::atomic<std::int64_t> longest_gap_{0};
};

bytes pattern(std::size_t size, unsigned seed);
/// Cuts memory into pieces of odd sizes, as buffers of hosts come.
std::vector<iovec> scattered(bytes& memory, std::size_t piece = 3000);
/// Waits until it is so, at most `limit`.
bool eventually(const std::function<bool()>& so, steady::duration limit = 30s);

}  // namespace causeway::bdev_rbd
