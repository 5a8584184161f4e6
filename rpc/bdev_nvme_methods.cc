// SPDX-License-Identifier: Apache-2.0
// bdev_nvme_attach_controller, bdev_nvme_detach_controller, bdev_nvme_reset_controller; what devices say of their
// namespaces.

#include "rpc/bdev_nvme_service.h"

#include <algorithm>
#include <fmt/format.h>
#include <strings.h>

namespace causeway::rpc {

namespace {

bool same(const std::string& a, const std::string& b) {
    return ::strcasecmp(a.c_str(), b.c_str()) == 0;
}

/// nullopt: it is one that we attach.
std::optional<rpc_error> refuse_other_transport(const std::string& trtype) {
    if (same(trtype, pcie))
        return std::nullopt;
    return to_rpc_error({EINVAL, "only local controllers are attached, by trtype PCIe", trtype});
}

enum class multipath : std::uint8_t { failover, multipath, disable };

struct attach_params {
    std::string name, trtype, traddr;
    std::uint32_t max_bdevs = 128;
    std::uint32_t num_io_queues = 1024;
    multipath paths{};
};
constexpr std::string_view of_networks = "a local controller is not reached by a network";
constexpr std::string_view not_waited_for = "the gateway does not wait for a local controller that is lost";
const declaration<attach_params> attach_method = {
    .name = "bdev_nvme_attach_controller",
    .summary = "Takes over a local SSD, which deploy/causeway-bind has taken from the kernel.",
    .parameters =
        {
            required("name", &attach_params::name,
                     "The controller's name; its devices are called that, `n` and a number."),
            required("trtype", &attach_params::trtype, "`PCIe`, in any case."),
            required("traddr", &attach_params::traddr, "Its PCI address: `0000:3b:00.0`."),
            optional("max_bdevs", &attach_params::max_bdevs, "Devices that it may have at most.").within(1, 0xffffffff),
            optional("num_io_queues", &attach_params::num_io_queues,
                     "I/O queues at most: one for each core is all that is used.")
                .within(1, 0xffffffff),
            // A local controller has one path, whatever is to be done with others.
            optional("multipath", &attach_params::paths,
                     {{"failover", multipath::failover},
                      {"multipath", multipath::multipath},
                      {"disable", multipath::disable}},
                     "Without effect: a local controller has one path."),
            ignored<attach_params, json>("multipath_opts", "a local controller has one path"),
            ignored<attach_params, std::string>("adrfam", of_networks),
            ignored<attach_params, std::string>("trsvcid", of_networks),
            ignored<attach_params, std::string>("priority", of_networks),
            ignored<attach_params, std::string>("subnqn", of_networks),
            ignored<attach_params, std::string>("hostnqn", of_networks),
            ignored<attach_params, std::string>("hostaddr", of_networks),
            ignored<attach_params, std::string>("hostsvcid", of_networks),
            ignored<attach_params, std::uint64_t>("fabrics_connect_timeout_us", of_networks),
            ignored<attach_params, bool>("disable_sq_flow_control", of_networks),
            // What an operator would rely on.
            only<attach_params>("hdgst", false, "a local controller has no digests"),
            only<attach_params>("ddgst", false, "a local controller has no digests"),
            only<attach_params>("prchk_reftag", false, "protection information is not checked by the gateway"),
            only<attach_params>("prchk_guard", false, "protection information is not checked by the gateway"),
            only<attach_params>("ctrlr_loss_timeout_sec", 0, not_waited_for),
            only<attach_params>("reconnect_delay_sec", 0, not_waited_for),
            only<attach_params>("fast_io_fail_timeout_sec", 0, not_waited_for),
            only<attach_params>("allow_unrecognized_csi", false, "other command sets than NVM are not supported"),
            unsupported<attach_params>("psk", "a local controller has no secure channel"),
            unsupported<attach_params>("dhchap_key", "a local controller does not authenticate"),
            unsupported<attach_params>("dhchap_ctrlr_key", "a local controller does not authenticate"),
        },
    .result = "an array of the names of its devices",
    .errors = {{-EINVAL, "the transport is another than PCIe, or the address is none"},
               {-EEXIST, "there is a controller of that name"},
               {-EBUSY, "the controller is attached already"},
               {-ENODEV, "there is no such PCI device"}},
};

core::task<answer> attach(bdev_nvme_service& service, attach_params p) {
    if (auto other = refuse_other_transport(p.trtype))
        co_return tl::make_unexpected(std::move(*other));
    bdev_nvme::attach_params wanted{std::move(p.name), std::move(p.traddr), p.max_bdevs, p.num_io_queues};
    const auto made = co_await service.controllers.attach(std::move(wanted));
    if (!made)
        co_return refuse(made.error());
    co_return json(*made);
}

struct detach_params {
    std::string name;
    std::optional<std::string> trtype, traddr;
};
const declaration<detach_params> detach_method = {
    .name = "bdev_nvme_detach_controller",
    .summary = "Gives a local SSD back; the hosts of its devices lose them.",
    .parameters =
        {
            required("name", &detach_params::name, "The controller."),
            optional("trtype", &detach_params::trtype, "Only if it is `PCIe`."),
            optional("traddr", &detach_params::traddr, "Only if the controller has this address."),
            ignored<detach_params, std::string>("adrfam", of_networks),
            ignored<detach_params, std::string>("trsvcid", of_networks),
            ignored<detach_params, std::string>("subnqn", of_networks),
            ignored<detach_params, std::string>("hostaddr", of_networks),
            ignored<detach_params, std::string>("hostsvcid", of_networks),
        },
    .errors = {no_such_controller},
};

/// Operators leave the domain out of an address, and write letters as they like.
bool same_place(const std::string& address, const std::string& said) {
    return same(address, said) || same(address, "0000:" + said);
}

/// A path in the call selects that controller.
core::task<answer> detach(bdev_nvme_service& service, detach_params p) {
    const auto found = find_controller(service, p.name);
    if (!found)
        co_return tl::make_unexpected(found.error());
    if ((p.trtype && !same(*p.trtype, pcie)) || (p.traddr && !same_place(found->params.address, *p.traddr)))
        co_return refuse_errno(ENODEV, fmt::format("the controller is at {} {}", pcie, found->params.address), p.name);
    co_return ok_if(co_await service.controllers.detach(std::move(p.name)));
}

struct reset_params {
    std::string name;
    std::uint16_t cntlid = 0;  ///< 0: whichever it has
};
const declaration<reset_params> reset_method = {
    .name = "bdev_nvme_reset_controller",
    .summary = "Resets a local SSD; commands of hosts wait meanwhile.",
    .parameters =
        {
            required("name", &reset_params::name, "The controller."),
            optional("cntlid", &reset_params::cntlid, "Only if this is its controller ID; 0: whichever it has."),
        },
    .errors = {no_such_controller},
};

core::task<answer> reset(bdev_nvme_service& service, reset_params p) {
    const auto found = find_controller(service, p.name);
    if (!found)
        co_return tl::make_unexpected(found.error());
    if (p.cntlid != 0 && p.cntlid != found->controller->info().cntlid)
        co_return refuse_errno(ENODEV, fmt::format("the controller has cntlid {}", found->controller->info().cntlid),
                               p.name);
    co_return ok_if(co_await service.controllers.reset(std::move(p.name)));
}

json attach_call(const bdev_nvme::controllers::view& v) {
    json params = {{"name", v.name}, {"trtype", pcie}, {"traddr", v.params.address}};
    const attach_params usual;
    if (v.params.max_devices != usual.max_bdevs)
        params["max_bdevs"] = v.params.max_devices;
    if (v.params.io_queues != usual.num_io_queues)
        params["num_io_queues"] = v.params.io_queues;
    return saved_config::call("bdev_nvme_attach_controller", std::move(params));
}

std::string version_text(std::uint32_t version) {
    const unsigned third = version & 0xff;
    return fmt::format("{}.{}{}", version >> 16, version >> 8 & 0xff, third ? fmt::format(".{}", third) : "");
}

json controller_data(const bdev_nvme::controller_info& f) {
    const auto bit = [&](std::uint16_t which) { return f.oacs & which ? 1 : 0; };
    json all = {{"cntlid", f.cntlid},
                {"vendor_id", fmt::format("{:#06x}", f.vendor)},
                {"model_number", f.model_number},
                {"serial_number", f.serial_number},
                {"firmware_revision", f.firmware_revision}};
    if (!f.subnqn.empty())
        all["subnqn"] = f.subnqn;
    all["oacs"] = {{"security", bit(nvme::oacs_security)},
                   {"format", bit(nvme::oacs_format_nvm)},
                   {"firmware", bit(nvme::oacs_firmware)},
                   {"ns_manage", bit(nvme::oacs_namespace_management)}};
    all["multi_ctrlr"] = (f.cmic & nvme::cmic_multi_controller) != 0;
    all["ana_reporting"] = (f.cmic & nvme::cmic_ana) != 0;
    return all;
}

std::optional<json> driver_specific(const bdev::device& d) {
    const auto* disk = dynamic_cast<const bdev_nvme::nvme_device*>(&d);
    if (!disk)
        return std::nullopt;
    const bdev_nvme::controller& c = disk->controller();
    json path = {{"pci_address", c.address()},
                 {"trid", {{"trtype", pcie}, {"traddr", c.address()}}},
                 {"ctrlr_data", controller_data(c.info())},
                 {"vs", {{"nvme_version", version_text(c.info().version)}}},
                 {"ns_data", {{"id", disk->info().nsid}, {"can_share", disk->info().shared}}}};
    return json{{"nvme", json::array({std::move(path)})}, {"mp_policy", "active_passive"}};
}

}  // namespace

json transport_id(const bdev_nvme::controllers::view& v) {
    return {{"trtype", pcie}, {"traddr", v.params.address}};
}

tl::expected<bdev_nvme::controllers::view, rpc_error> find_controller(const bdev_nvme_service& service,
                                                                      const std::string& name) {
    auto all = service.controllers.all();
    const auto found = std::ranges::find(all, name, &bdev_nvme::controllers::view::name);
    if (found == all.end())
        return refuse_errno(ENODEV, "there is no such NVMe controller", name);
    return std::move(*found);
}

void add_bdev_nvme_methods(method_table& methods, saved_config& config, device_kinds& kinds,
                           bdev_nvme_service& service) {
    kinds.add({{}, driver_specific});
    methods.add(attach_method, [&service](attach_params p) { return attach(service, std::move(p)); });
    methods.add(detach_method, [&service](detach_params p) { return detach(service, std::move(p)); });
    methods.add(reset_method, [&service](reset_params p) { return reset(service, std::move(p)); });
    config.add_writer("bdev", config_phase::modules, [&service](json& calls) {
        for (const auto& v : service.controllers.all())
            if (!v.by_hotplug)  // hot plug finds those again
                calls.push_back(attach_call(v));
    });
    add_bdev_nvme_option_methods(methods, config, service);
    add_bdev_nvme_report_methods(methods, service);
}

}  // namespace causeway::rpc
