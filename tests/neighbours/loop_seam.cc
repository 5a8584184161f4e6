// SPDX-License-Identifier: Apache-2.0
#include "host/loop/loop_connector.h"
#include "tests/neighbours/seam.h"
#include "transport/loop/loop_transport.h"

#include <gtest/gtest.h>
#include <optional>

namespace causeway::neighbours {

namespace {

class loop_seam final : public seam {
  public:
    core::result<std::unique_ptr<nvmf::transport>> make_transport(nvmf::target& t) override {
        auto made = loop::loop_transport::create(t, seam_options(), loop::data_path::copy);
        transport_ = made->get();
        connector_.emplace(*transport_, host::address{"loop", address_.traddr, address_.trsvcid});
        return std::move(*made);
    }
    const nvmf::transport_address& address() const override { return address_; }
    host::connector& connector() override { return *connector_; }
    std::size_t connections() const override {
        EXPECT_EQ(transport_->on(0).broken.get(), 0u);
        return transport_->connections();
    }

  private:
    const nvmf::transport_address address_{"LOOP", "", "here", "4420"};
    loop::loop_transport* transport_ = nullptr;
    std::optional<host::loop_connector> connector_;
};

}  // namespace

std::unique_ptr<seam> make_loop_seam(core::simulation&) {
    return std::make_unique<loop_seam>();
}

}  // namespace causeway::neighbours
