#include "nvmf/async_events.h"

#include "nvmf/controller.h"

#include <utility>

namespace causeway::nvmf {

namespace {

struct description {
    std::uint32_t configuration_bit;
    nvme::notice_event event;
    nvme::lid page;
};

constexpr description descriptions[] = {
    {nvme::async_config_namespace_attribute, nvme::notice_event::namespace_attribute_changed,
     nvme::lid::changed_namespace_list},
    {nvme::async_config_discovery_log_change, nvme::notice_event::discovery_log_change, nvme::lid::discovery},
};
static_assert(std::size(descriptions) == async_events::kinds);

}  // namespace

outcome async_events::wait(request& r) {
    if (waiting_ == limit)
        return verdict(nvme::sc::async_event_limit_exceeded.with_dnr());
    ++waiting_;
    request** last = &oldest_;
    while (*last)
        last = &(*last)->next;
    r.next = nullptr;
    *last = &r;
    tell();
    return {};
}

void async_events::raise(kind k) {
    if (states_[k] != state::quiet || !(enabled_ & descriptions[k].configuration_bit))
        return;
    states_[k] = state::pending;
    tell();
}

void async_events::tell() {
    for (unsigned k = 0; k < kinds && oldest_; ++k) {
        if (states_[k] != state::pending)
            continue;
        states_[k] = state::told;
        request& r = *std::exchange(oldest_, oldest_->next);
        --waiting_;
        r.completion.dw0 = nvme::async_event_dw0(descriptions[k].event, nvme::to_underlying(descriptions[k].page));
        finish_at_home(r, {});
    }
}

void async_events::page_read(nvme::lid page) noexcept {
    for (unsigned k = 0; k < kinds; ++k)
        if (descriptions[k].page == page)
            states_[k] = state::quiet;
}

bool async_events::abort(std::uint16_t cid) noexcept {
    for (request** at = &oldest_; *at; at = &(*at)->next) {
        request& r = **at;
        if (r.command.cid != cid)
            continue;
        *at = r.next;
        --waiting_;
        finish_at_home(r, nvme::sc::aborted_by_request);
        return true;
    }
    return false;
}

void async_events::end() noexcept {
    while (oldest_) {
        request& r = *std::exchange(oldest_, oldest_->next);
        finish_at_home(r, nvme::sc::aborted_sq_deletion);
    }
    waiting_ = 0;
    states_ = {};
}

outcome async_event_request(controller& c, request& r) {
    // It may have been on its way when the controller ended: nobody would ever hand it back.
    if (c.ended())
        return verdict(nvme::sc::aborted_sq_deletion);
    return c.events().wait(r);
}

}  // namespace causeway::nvmf
