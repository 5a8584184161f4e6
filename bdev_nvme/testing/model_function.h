#pragma once

#include "bdev_nvme/testing/controller_model.h"

#include <memory>
#include <utility>

namespace causeway::bdev_nvme::testing {

/// A model on the bus, as a driver owns it; the test keeps the model.
class model_function final : public function {
  public:
    explicit model_function(std::shared_ptr<controller_model> model) : model_(std::move(model)) {}
    ~model_function() override { model_->on_removal(nullptr); }

    const std::string& address() const noexcept override { return model_->address(); }
    std::span<std::byte> registers() const noexcept override { return model_->registers(); }
    const dma_reach& reach() const noexcept override { return model_->reach(); }
    void start_dma() noexcept override { model_->start_dma(); }
    void stop_dma() noexcept override { model_->stop_dma(); }
    int numa_node() const noexcept override { return model_->numa_node(); }
    void on_removal(std::function<void()> f) override { model_->on_removal(std::move(f)); }

  private:
    std::shared_ptr<controller_model> model_;
};

}  // namespace causeway::bdev_nvme::testing
