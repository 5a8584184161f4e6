// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "bdev_nvme/testing/model_bus.h"
#include "core/task.h"
#include "core/testing/core_fixture.h"

#include <optional>

namespace causeway::bdev_nvme::testing {

/// Reactors, a bus of models and a registry, in virtual time: each round is a turn of every reactor, then a step of
/// every model, then a tenth of a millisecond.
class model_fixture {
  public:
    explicit model_fixture(std::size_t cores = 2) : reactors(cores) {}

    void round() {
        for (std::size_t i = 0; i < reactors.group.size(); ++i)
            reactors[i].turn();
        for (const auto& [address, model] : models.models)
            model->step();
        reactors.clock.advance_to(reactors.clock.now() + 100'000);
    }

    /// False: not within `limit` of virtual time.
    template <class Condition>
    bool until(Condition condition, core::nanoseconds limit = std::chrono::minutes(5)) {
        const core::ticks end = reactors.clock.now() + reactors.clock.to_ticks(limit);
        while (!condition()) {
            if (reactors.clock.now() > end)
                return false;
            round();
        }
        return true;
    }
    void pass(core::nanoseconds time) {
        const core::ticks end = reactors.clock.now() + reactors.clock.to_ticks(time);
        until([&] { return reactors.clock.now() >= end; });
    }

    /// Starts a task on the control reactor and runs until it ends. nullopt: it does not.
    template <class T>
    std::optional<T> run(core::task<T> t) {
        std::optional<T> value;
        auto* const task = new core::task<T>(std::move(t));
        reactors.group.control().execute([&value, task] {
            core::detach(std::move(*task), [&value, task](T v) {
                value.emplace(std::move(v));
                delete task;
            });
        });
        until([&] { return value.has_value(); });
        return value;
    }
    bool run(core::task<> t) {
        return run([](core::task<> t) -> core::task<bool> {
                   co_await std::move(t);
                   co_return true;
               }(std::move(t)))
            .has_value();
    }

    core::test::manual_reactors reactors;
    model_bus models;
    bdev::registry devices{reactors.group};
};

}  // namespace causeway::bdev_nvme::testing
