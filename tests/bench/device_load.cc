// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_load.h"

#include "tests/bench/gateway.h"

namespace causeway::bench {

using namespace std::chrono_literals;

device_load::device_load(bdev::device& d, options o)
    : device_(d), options_(o), slots_(d.blocks() * d.geometry().block_size / o.bytes),
      blocks_(o.bytes / d.geometry().block_size), random_(o.seed),
      memory_(need(core::dma_memory::allocate(std::size_t{o.bytes} * o.depth))) {
    for (unsigned i = 0; i < o.depth; ++i) {
        auto f = std::make_unique<flight>();
        f->piece = {memory_.data() + std::size_t{i} * o.bytes, o.bytes};
        f->data = {&f->piece, 1};
        f->length_blocks = blocks_;
        f->context = this;
        f->done = [](bdev::io& i) noexcept {
            auto& self = *static_cast<device_load*>(i.context);
            --self.outstanding_;
            (i.status.ok() ? self.completed_ : self.failed_).add();
            if (!self.stopping_ && self.begun_ < self.options_.most)
                self.send(static_cast<flight&>(i));
        };
        flights_.push_back(std::move(f));
    }
}

void device_load::start() {
    for (const auto& f : flights_)
        send(*f);
}

void device_load::send(flight& f) noexcept {
    ++begun_;
    ++outstanding_;
    f.operation =
        options_.write_percent && random_.below(100) < options_.write_percent ? bdev::op::write : bdev::op::read;
    f.offset_blocks = random_.below(slots_) * blocks_;
    device_.start(f);
}

core::task<> device_load::stop() {
    stopping_ = true;
    while (outstanding_)
        co_await core::sleep_for(1ms);
}

}  // namespace causeway::bench
