// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/testing/rdma_fixture.h"

#include "core/log.h"
#include "nvme/properties.h"
#include "transport/rdma/rdma_transport.h"

#include <bit>
#include <cstring>
#include <gtest/gtest.h>
#include <stdexcept>

namespace causeway::rdma::test {

namespace {

constexpr const char* host_nqn = "nqn.2014-08.org.nvmexpress:uuid:33333333-3333-3333-3333-333333333333";
constexpr std::uint8_t sgl_flag = 1 << 6;

nvme::command blank(std::uint8_t opcode, std::uint32_t nsid) {
    nvme::command c{};
    c.opcode = opcode;
    c.flags = sgl_flag;
    c.nsid = nsid;
    return c;
}

}  // namespace

nvme::command read(std::uint64_t lba, std::uint32_t blocks) {
    nvme::command c = blank(nvme::to_underlying(nvme::io_opcode::read), 1);
    nvme::set_block_range(c, lba, blocks);
    return c;
}

nvme::command write(std::uint64_t lba, std::uint32_t blocks) {
    nvme::command c = blank(nvme::to_underlying(nvme::io_opcode::write), 1);
    nvme::set_block_range(c, lba, blocks);
    return c;
}

nvme::command flush() {
    return blank(nvme::to_underlying(nvme::io_opcode::flush), 1);
}

nvme::command identify_controller() {
    nvme::command c = blank(nvme::to_underlying(nvme::admin_opcode::identify), 0);
    c.cdw10 = 1u;
    return c;
}

nvme::command abort_command(std::uint16_t sqid, std::uint16_t cid) {
    nvme::command c = blank(nvme::to_underlying(nvme::admin_opcode::abort), 0);
    c.cdw10 = std::uint32_t{cid} << 16 | sqid;
    return c;
}

std::uint16_t host_queue::send(nvme::command c, std::uint32_t length, std::uint32_t offset, how h) {
    const std::uint16_t cid = next_cid_++;
    c.cid = cid;
    const std::uint64_t at = end_.address() + offset;
    std::vector<std::byte> behind;
    if (length && h == how::in_capsule) {
        c.sgl = nvme::sgl_descriptor::data_block(0, length, nvme::sgl_subtype::offset);
        behind.assign(memory(offset), memory(offset) + length);
    } else if (length && h == how::listed) {
        const std::uint32_t each = length / 16;
        for (std::uint32_t i = 0; i < 16; ++i) {
            const auto d = nvme::sgl_descriptor::keyed_data_block(at + i * each, each, end_.key ^ key_error);
            const auto bytes = std::as_bytes(std::span(&d, 1));
            behind.insert(behind.end(), bytes.begin(), bytes.end());
        }
        c.sgl = nvme::sgl_descriptor::last_segment(0, 256);
    } else {
        c.sgl = nvme::sgl_descriptor::keyed_data_block(at, length, end_.key ^ key_error,
                                                       h == how::invalidating ? nvme::sgl_subtype::invalidate_key
                                                                              : nvme::sgl_subtype::address);
    }
    std::vector<std::byte> capsule(sizeof c);
    std::memcpy(capsule.data(), &c, sizeof c);
    capsule.insert(capsule.end(), behind.begin(), behind.end());
    end_.send(std::move(capsule));
    ++sent;
    return cid;
}

std::optional<nvme::completion> host_queue::response(std::uint16_t cid) {
    for (auto it = end_.responses.begin(); it != end_.responses.end(); ++it) {
        if (it->completion.cid == cid) {
            const nvme::completion c = it->completion;
            end_.responses.erase(it);
            ++received;
            return c;
        }
    }
    return std::nullopt;
}

std::optional<nvme::completion> host_queue::call(nvme::command c, std::uint32_t length, std::uint32_t offset, how h) {
    const std::uint16_t cid = send(c, length, offset, h);
    std::optional<nvme::completion> got;
    EXPECT_TRUE(fixture_.until([&] {
        got = response(cid);
        return got || closed();
    }));
    return got;
}

status host_queue::connect(const std::string& subnqn, std::uint16_t sqsize, std::uint16_t id) {
    nvme::connect_data d{};
    std::memset(d.hostid, 0x33, sizeof d.hostid);
    d.cntlid = id;
    std::strcpy(d.subnqn, subnqn.c_str());
    std::strcpy(d.hostnqn, host_nqn);
    std::memcpy(memory(), &d, sizeof d);
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = sgl_flag;
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.qid = qid_;
    c.sqsize = sqsize;
    const auto answer = call(std::bit_cast<nvme::command>(c), sizeof d);
    if (!answer)
        return sc::internal_error;
    cntlid = static_cast<std::uint16_t>(answer->dw0 & 0xffff);
    return answer->status();
}

rdma_fixture::rdma_fixture(std::uint64_t seed, transport_options options, device_options device)
    : sim(seed, 3), fabric(sim, std::move(device)), homes(sim.group()), devices(sim.group()), target(homes, devices) {
    core::log::set_level(core::log::level::error);
    sim.group().control().execute([&] {
        auto made = make_rdma_transport(target, options);
        ASSERT_TRUE(made) << made.error().text();
        ASSERT_TRUE(target.add_transport(std::move(*made)));
        const bdev::device_geometry shape{.block_size = block, .blocks = 8192};
        auto fast = bdev::memory_device::create(sim[2], "fast", shape, bdev::random_uuid());
        ASSERT_TRUE(devices.add(*fast));
        auto base = bdev::memory_device::create(sim[1], "base", shape, bdev::random_uuid());
        ASSERT_TRUE(devices.add(*base));
        auto faulty = bdev::fault_device::create("slow", *base, bdev::random_uuid());
        slow = *faulty;
        ASSERT_TRUE(devices.add(slow));
    });
    EXPECT_TRUE(until([&] { return slow != nullptr; }));
    add_subsystem(nqn, "fast");
    add_subsystem(slow_nqn, "slow");
}

rdma_fixture::~rdma_fixture() {
    bool done = false;
    sim.group().control().execute([&] {
        core::detach([](rdma_fixture& w, bool& done) -> core::task<> {
            w.slow->clear_rules();
            co_await w.slow->release_hung();
            w.slow.reset();
            co_await w.target.shutdown();
            for (const char* name : {"slow", "base", "fast"}) {
                std::string n(name);
                co_await w.devices.remove(n);
            }
            done = true;
        }(*this, done));
    });
    EXPECT_TRUE(until([&] { return done; })) << "it does not come to an end";
    EXPECT_EQ(homes.count(core::lease_kind::admin_queue) + homes.count(core::lease_kind::io_queue), 0u);
}

void rdma_fixture::run(core::task<> t) {
    bool done = false;
    auto flagged = [](core::task<> t, bool& done) -> core::task<> {
        co_await std::move(t);
        done = true;
    };
    sim.group().control().execute([&] { core::detach(flagged(std::move(t), done)); });
    EXPECT_TRUE(until([&] { return done; }));
}

void rdma_fixture::add_subsystem(const std::string& subnqn, const std::string& device) {
    nvmf::subsystem_options o;
    o.nqn = subnqn;
    o.allow_any_host = true;
    auto s = run(target.create_subsystem(o));
    ASSERT_TRUE(s);
    nvmf::namespace_params p;
    p.bdev_name = device;
    ASSERT_TRUE(run((*s)->namespaces().add(p)));
    const auto listening = run((*s)->listeners().add(here));
    ASSERT_TRUE(listening) << listening.error().text();
}

std::unique_ptr<host_queue> rdma_fixture::open(std::uint16_t qid, std::uint16_t depth, std::uint16_t cntlid,
                                               std::uint8_t reads, std::uint32_t from) {
    nvme::rdma_cm_request r{};
    r.qid = qid;
    r.hrqsize = depth;
    r.hsqsize = static_cast<std::uint16_t>(depth - 1);
    r.cntlid = cntlid;
    host_end* end = nullptr;
    until([&] { return (end = fabric.request(here.traddr, 4420, r, reads, from)) != nullptr; });
    if (!end)
        throw std::runtime_error("nobody listens");
    EXPECT_TRUE(until([&] { return end->is != host_end::state::requesting; }));
    return std::make_unique<host_queue>(*this, *end, qid);
}

bool rdma_fixture::enable(host_queue& admin, const std::string& subnqn) {
    if (!admin.connect(subnqn, 31, nvme::cntlid_dynamic).ok())
        return false;
    nvme::property_set_command p{};
    p.opcode = nvme::fabrics_opcode;
    p.flags = sgl_flag;
    p.type = nvme::to_underlying(nvme::fctype::property_set);
    p.ofst = nvme::to_underlying(nvme::property::cc);
    p.value = 0x00460001u;
    const auto enabled = admin.call(std::bit_cast<nvme::command>(p));
    return enabled && enabled->status().ok();
}

host rdma_fixture::make_host(const std::string& subnqn, std::uint16_t depth, std::uint8_t reads) {
    host h;
    h.admin = open(0, 32);
    EXPECT_TRUE(enable(*h.admin, subnqn));
    h.io = open(1, depth, h.admin->cntlid, reads);
    EXPECT_TRUE(h.io->connect(subnqn, static_cast<std::uint16_t>(depth - 1), h.admin->cntlid).ok());
    return h;
}

void rdma_fixture::hang(bool on) {
    if (on) {
        bdev::fault_rule r;
        r.what = bdev::fault_rule::kind::hang;
        slow->add_rule(r);
    } else {
        slow->clear_rules();
        run(slow->release_hung());
    }
}

std::uint64_t rdma_fixture::counter(std::string_view name) {
    return target.counter_list().total("transport", name).value_or(0);
}

}  // namespace causeway::rdma::test
