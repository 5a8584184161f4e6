// SPDX-License-Identifier: Apache-2.0
// bdev_error_create, bdev_error_delete, bdev_error_inject_error, bdev_error_resume_pending: what a fault_device can do,
// in the words of the interface.

#include "bdev/fault_device.h"
#include "rpc/bdev_service.h"
#include "rpc/uuid_param.h"

namespace causeway::rpc {

namespace {

using bdev::fault_rule;
using bdev::op;

struct create_params {
    std::string base_name;
    std::optional<bdev::uuid> uuid;
};
const declaration<create_params> create_method = {
    .name = "bdev_error_create",
    .summary =
        "Puts a device in front of another whose commands can be made to fail, to hang or to be corrupted: for tests.",
    .parameters =
        {
            required("base_name", &create_params::base_name, "The device behind it."),
            optional("uuid", &create_params::uuid, "Its UUID; without one it gets a random one."),
        },
    .result = "the name of the new device: `EE_` and that of the other",
    .errors = {no_such_device, {-EBUSY, "the device behind it is in use"}},
};

answer create(bdev_service& service, const create_params& p) {
    auto base = find_device<bdev::device>(service, p.base_name);
    if (!base)
        return tl::make_unexpected(base.error());
    const std::string name = "EE_" + (*base)->name();
    auto made = bdev::fault_device::create(name, std::move(*base), p.uuid ? *p.uuid : bdev::random_uuid());
    if (!made)
        return refuse(made.error());
    // Deferred: the device that calls this goes with its removal.
    (*made)->on_base_removed = [&service, name] { core::detach_deferred(service.devices.remove(name)); };
    const auto added = add_device(service, std::move(*made));
    return added ? ok() : added;
}

enum class io_type : std::uint8_t { clear, read, write, unmap, flush, all };
enum class error_type : std::uint8_t { failure, pending, corrupt_data, nomem, nvme_failure };

struct inject_params {
    std::string name;
    io_type type{};
    error_type error{};
    std::uint32_t nvme_sct = 0, nvme_sc = 0, num = 1;
    std::uint64_t queue_depth = 0, corrupt_offset = 0;
    std::uint8_t corrupt_value = 0;
};
const declaration<inject_params> inject_method = {
    .name = "bdev_error_inject_error",
    .summary = "Makes the next commands of such a device fail, hang or be corrupted.",
    .parameters =
        {
            required("name", &inject_params::name, "A device of bdev_error_create."),
            required("io_type", &inject_params::type,
                     {{"clear", io_type::clear},
                      {"read", io_type::read},
                      {"write", io_type::write},
                      {"unmap", io_type::unmap},
                      {"flush", io_type::flush},
                      {"all", io_type::all}},
                     "Which commands; `clear` ends what earlier calls began."),
            required("error_type", &inject_params::error,
                     {{"failure", error_type::failure},
                      {"pending", error_type::pending},
                      {"corrupt_data", error_type::corrupt_data},
                      {"nomem", error_type::nomem},
                      {"nvme_failure", error_type::nvme_failure}},
                     "What happens to them; `pending`: they hang until bdev_error_resume_pending."),
            optional("nvme_sct", &inject_params::nvme_sct, "The status code type of `nvme_failure`.").within(0, 7),
            optional("nvme_sc", &inject_params::nvme_sc, "The status code of `nvme_failure`.").within(0, 255),
            optional("num", &inject_params::num, "How many commands."),
            optional("queue_depth", &inject_params::queue_depth, "Only while so many commands are outstanding."),
            optional("corrupt_offset", &inject_params::corrupt_offset, "The byte that `corrupt_data` changes."),
            optional("corrupt_value", &inject_params::corrupt_value, "What it becomes."),
        },
    .errors = {no_such_device},
};

std::uint32_t ops_of(io_type t) {
    switch (t) {
    case io_type::read: return bdev::ops({op::read});
    case io_type::write: return bdev::ops({op::write});
    case io_type::unmap: return bdev::ops({op::unmap});
    case io_type::flush: return bdev::ops({op::flush});
    case io_type::clear:
    case io_type::all: break;
    }
    return fault_rule().ops;
}

fault_rule rule_of(const inject_params& p) {
    fault_rule r;
    r.ops = ops_of(p.type);
    r.times = p.num;
    r.from_depth = p.queue_depth;
    switch (p.error) {
    case error_type::failure: break;
    case error_type::pending: r.what = fault_rule::kind::hang; break;
    case error_type::corrupt_data:
        r.what = fault_rule::kind::corrupt;
        r.corrupt_offset = p.corrupt_offset;
        r.corrupt_value = std::byte{p.corrupt_value};
        break;
    case error_type::nomem: r.status = nvme::sc::command_interrupted; break;
    case error_type::nvme_failure:
        r.status = nvme::status(static_cast<nvme::sct>(p.nvme_sct), static_cast<std::uint8_t>(p.nvme_sc));
        break;
    }
    return r;
}

answer inject(bdev_service& service, const inject_params& p) {
    const auto d = find_device<bdev::fault_device>(service, p.name);
    if (!d)
        return tl::make_unexpected(d.error());
    if (p.error == error_type::nvme_failure && p.nvme_sct == 0 && p.nvme_sc == 0)
        return refuse_parameters("parameters 'nvme_sct' and 'nvme_sc' must name a failure");
    if (p.type == io_type::clear)
        (*d)->clear_rules();
    else
        (*d)->add_rule(rule_of(p));
    return ok();
}

const declaration<name_params> delete_method = {
    .name = "bdev_error_delete",
    .summary = "Deletes a device of bdev_error_create; the one behind it stays.",
    .parameters = name_field("The device."),
    .errors = {no_such_device},
};

const declaration<name_params> resume_method = {
    .name = "bdev_error_resume_pending",
    .summary = "Lets commands go on that bdev_error_inject_error made hang.",
    .parameters = name_field("A device of bdev_error_create."),
    .errors = {no_such_device},
};

core::task<answer> resume(bdev_service& service, name_params p) {
    const auto d = find_device<bdev::fault_device>(service, p.name);
    if (!d)
        co_return tl::make_unexpected(d.error());
    co_await (*d)->release_hung();
    co_return ok();
}

std::optional<json> config(const bdev::device& d) {
    const auto* faults = dynamic_cast<const bdev::fault_device*>(&d);
    if (!faults)
        return std::nullopt;
    return saved_config::call("bdev_error_create",
                              {{"base_name", faults->base().name()}, {"uuid", bdev::to_string(d.id())}});
}

std::optional<json> driver_specific(const bdev::device& d) {
    const auto* faults = dynamic_cast<const bdev::fault_device*>(&d);
    if (!faults)
        return std::nullopt;
    return json{{"error_disk", {{"base_bdev", faults->base().name()}, {"pending", faults->hung()}}}};
}

}  // namespace

void add_bdev_error_methods(method_table& methods, bdev_service& service) {
    service.kinds.add({config, driver_specific});
    methods.add(create_method, [&service](const create_params& p) { return create(service, p); });
    methods.add(delete_method,
                [&service](name_params p) { return remove_device<bdev::fault_device>(service, std::move(p)); });
    methods.add(inject_method, [&service](const inject_params& p) { return inject(service, p); });
    methods.add(resume_method, [&service](name_params p) { return resume(service, std::move(p)); });
}

}  // namespace causeway::rpc
