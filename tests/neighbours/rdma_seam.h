// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/poller.h"
#include "tests/neighbours/seam.h"
#include "transport/rdma/testing/fabric.h"

#include <vector>

namespace causeway::neighbours {

/// An initiator's queue pair on the fake device, as host::rdma_queue_pair is on a real one.
class fabric_queue_pair final : public host::queue_pair, private core::poller {
  public:
    /// `end` is accepted.
    fabric_queue_pair(rdma::test::host_end& end, unsigned depth);
    ~fabric_queue_pair() override;

    bool submit(host::request& r) noexcept override;
    void close() noexcept override;
    rdma::test::host_end& end() noexcept { return end_; }

  private:
    static constexpr std::uint32_t slot_bytes = 8192;

    unsigned poll(unsigned budget) noexcept override;
    std::byte* memory(std::size_t slot) noexcept { return end_.memory.data() + slot * slot_bytes; }
    void finish(std::size_t slot, const nvme::completion& c) noexcept;
    void end_all() noexcept;

    rdma::test::host_end& end_;
    std::vector<host::request*> slots_;  ///< by cid
    std::vector<std::uint16_t> free_;
    core::poller_registration registration_;
};

class fabric_connector final : public host::connector {
  public:
    fabric_connector(rdma::test::fabric& f, nvmf::transport_address to) : fabric_(f), address_(std::move(to)) {}
    core::task<core::result<std::unique_ptr<host::queue_pair>>> open(host::queue_pair_options o) override;
    std::string name() const override { return address_.text(); }
    /// As open() begins. nullptr: no listener at this address.
    rdma::test::host_end* request(const host::queue_pair_options& o, std::uint32_t from = 0);

  private:
    rdma::test::fabric& fabric_;
    const nvmf::transport_address address_;
};

class rdma_seam final : public seam {
  public:
    explicit rdma_seam(core::simulation& s);
    core::result<std::unique_ptr<nvmf::transport>> make_transport(nvmf::target& t) override;
    const nvmf::transport_address& address() const override { return address_; }
    fabric_connector& connector() override { return connector_; }
    std::size_t connections() const override;
    rdma::test::fabric& fabric() noexcept { return fabric_; }

  private:
    const nvmf::transport_address address_{"RDMA", "IPv4", "10.0.0.1", "4420"};
    rdma::test::fabric fabric_;
    fabric_connector connector_{fabric_, address_};
};

}  // namespace causeway::neighbours
