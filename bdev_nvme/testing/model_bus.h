// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/bus.h"
#include "bdev_nvme/testing/controller_model.h"

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// The driver's hold on a model that outlives it.
class lent_function final : public function {
  public:
    lent_function(std::shared_ptr<controller_model> of, unsigned& lent, const dma_reach* reach)
        : of_(std::move(of)), lent_(lent), reach_(reach ? *reach : of_->reach()) {
        ++lent_;
    }
    ~lent_function() override {
        of_->keep_dma(false);  // the kernel resets it
        std::ignore = of_->stop_dma();
        --lent_;
    }
    const std::string& address() const noexcept override { return of_->address(); }
    std::span<std::byte> registers() const noexcept override { return of_->registers(); }
    const dma_reach& reach() const noexcept override { return reach_; }
    void start_dma() noexcept override { of_->start_dma(); }
    bool stop_dma() noexcept override { return of_->stop_dma(); }
    int numa_node() const noexcept override { return of_->numa_node(); }
    void on_removal(std::function<void()> f) override { of_->on_removal(std::move(f)); }

  private:
    const std::shared_ptr<controller_model> of_;
    unsigned& lent_;
    const dma_reach& reach_;
};

/// Models by address.
class model_bus final : public bus {
  public:
    std::shared_ptr<controller_model> add(model_options o) {
        auto m = std::make_shared<controller_model>(std::move(o));
        models[m->address()] = m;
        return m;
    }
    core::result<std::unique_ptr<function>> open(const std::string& address) override {
        const auto it = models.find(address);
        if (it == models.end())
            return core::fail(ENODEV, "there is no PCI function at this address", address);
        ++opened;
        return std::make_unique<lent_function>(it->second, lent, reach);
    }
    std::vector<std::string> present() override {
        std::vector<std::string> all;
        for (const auto& [address, model] : models)
            all.push_back(address);
        return all;
    }
    core::result<std::string> normalized(const std::string& address) override {
        if (address.empty())
            return core::fail(EINVAL, "not the address of a PCI function", address);
        return address;
    }

    std::map<std::string, std::shared_ptr<controller_model>> models;
    const dma_reach* reach = nullptr;  ///< the reach that the driver sees; nullptr: the real one
    unsigned lent = 0;                 ///< functions that the driver has
    unsigned opened = 0;               ///< and so many times it has taken one
};

}  // namespace causeway::bdev_nvme::testing
