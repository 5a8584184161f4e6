// SPDX-License-Identifier: Apache-2.0
#pragma once

// A target in virtual time behind the RDMA transport, its device and hosts being test::fabric.

#include "bdev/fault_device.h"
#include "bdev/memory_device.h"
#include "bdev/registry.h"
#include "nvme/fabrics.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "transport/rdma/options.h"
#include "transport/rdma/testing/fabric.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace causeway::rdma::test {

using nvme::status;
namespace sc = nvme::sc;

inline constexpr std::uint32_t block = 512;
inline const std::string nqn = "nqn.2024-01.io.example:disks";
inline const std::string slow_nqn = "nqn.2024-01.io.example:slow";

/// What a command's data pointer looks like.
enum class how { keyed, invalidating, in_capsule, listed };

/// One queue of a host, from its connection request on.
class host_queue {
  public:
    host_queue(class rdma_fixture& w, host_end& end, std::uint16_t qid) : fixture_(w), end_(end), qid_(qid) {}

    /// Sends a command whose data are at `offset` of the host's memory. Its cid.
    std::uint16_t send(nvme::command c, std::uint32_t length = 0, std::uint32_t offset = 0, how h = how::keyed);
    /// And waits. nullopt: the connection is closed.
    std::optional<nvme::completion> call(nvme::command c, std::uint32_t length = 0, std::uint32_t offset = 0,
                                         how h = how::keyed);
    status connect(const std::string& subnqn, std::uint16_t sqsize, std::uint16_t cntlid);
    /// The response that carries `cid`, if it is there.
    std::optional<nvme::completion> response(std::uint16_t cid);
    bool closed() const { return end_.is == host_end::state::closed; }
    host_end& end() { return end_; }
    std::byte* memory(std::uint32_t offset = 0) { return end_.memory.data() + offset; }

    std::uint16_t cntlid = 0;
    std::uint32_t key_error = 0;  ///< what is wrong with the key that commands carry
    unsigned sent = 0, received = 0;

  private:
    rdma_fixture& fixture_;
    host_end& end_;
    std::uint16_t qid_;
    std::uint16_t next_cid_ = 1;
};

nvme::command read(std::uint64_t lba, std::uint32_t blocks);
nvme::command write(std::uint64_t lba, std::uint32_t blocks);
nvme::command flush();
nvme::command identify_controller();
nvme::command abort_command(std::uint16_t sqid, std::uint16_t cid);

/// An admin queue and one I/O queue.
struct host {
    std::unique_ptr<host_queue> admin, io;
};

/// The defaults, but for memory, which each fixture takes and clears.
inline transport_options small_options() {
    transport_options o;
    o.max_srq_depth = 512;
    o.small_buffers = 32;
    o.large_buffers = 8;
    return o;
}

class rdma_fixture {
  public:
    explicit rdma_fixture(std::uint64_t seed = 1, transport_options options = small_options(),
                          device_options device = {});
    ~rdma_fixture();

    template <class T>
    T run(core::task<T> t) {
        std::optional<T> value;
        sim.group().control().execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(sim.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    void run(core::task<> t);
    bool until(const std::function<bool()>& done) { return sim.run_until(done, 3'000'000); }
    void pass(core::nanoseconds d) { sim.run_for(d); }

    /// Until the host is answered.
    std::unique_ptr<host_queue> open(std::uint16_t qid, std::uint16_t depth, std::uint16_t cntlid = 0,
                                     std::uint8_t reads = 16, std::uint32_t from = 0);
    /// Connects an admin queue and enables its controller.
    bool enable(host_queue& admin, const std::string& subnqn);
    host make_host(const std::string& subnqn = nqn, std::uint16_t depth = 32, std::uint8_t reads = 16);

    void add_subsystem(const std::string& subnqn, const std::string& device);
    void hang(bool on);
    nvmf::transport& transport() { return *target.find_transport("RDMA"); }
    std::uint64_t counter(std::string_view name);

    core::simulation sim;
    class fabric fabric;
    core::placement homes;
    bdev::registry devices;
    std::shared_ptr<bdev::fault_device> slow;
    nvmf::target target;
    const nvmf::transport_address here{"RDMA", "IPv4", "10.0.0.1", "4420"};
};

}  // namespace causeway::rdma::test
