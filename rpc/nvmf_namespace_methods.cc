// SPDX-License-Identifier: Apache-2.0
#include "rpc/nvmf_service.h"
#include "rpc/uuid_param.h"

#include <charconv>

namespace causeway::rpc {

namespace {

/// An identifier in hexadecimal, the most significant byte first.
template <std::size_t Bytes>
struct hex_id {
    std::array<std::uint8_t, Bytes> value{};
};

}  // namespace

template <std::size_t Bytes>
struct value_reader<hex_id<Bytes>> {
    static complaint read(const json& v, hex_id<Bytes>& to) {
        const std::string wrong = "must be " + std::to_string(2 * Bytes) + " hexadecimal digits";
        if (!v.is_string())
            return wrong;
        const auto& text = v.get_ref<const std::string&>();
        if (text.size() != 2 * Bytes)
            return wrong;
        for (std::size_t i = 0; i < Bytes; ++i) {
            const char* const at = text.data() + 2 * i;
            if (std::from_chars(at, at + 2, to.value[i], 16).ptr != at + 2)
                return wrong;
        }
        return {};
    }
    static value_type type() {
        return {.is = value_type::kind::string,
                .words = std::to_string(2 * Bytes) + " hexadecimal digits",
                .example = std::string(2 * Bytes, '1'),
                .choices = {}};
    }
};

namespace {

struct nvm_namespace {
    std::string bdev_name;
    std::uint32_t nsid = 0;
    std::optional<hex_id<16>> nguid;
    std::optional<hex_id<8>> eui64;
    std::optional<bdev::uuid> uuid;
    bool no_auto_visible = false;
    std::uint32_t anagrpid = 0;
    std::string ptpl_file;
};
const fields<nvm_namespace> namespace_fields = {
    required("bdev_name", &nvm_namespace::bdev_name, "The device to export."),
    optional("nsid", &nvm_namespace::nsid, "Its number, up to `max_namespaces`; 0: the lowest that is free."),
    optional("nguid", &nvm_namespace::nguid, "Its NGUID; without one, its UUID."),
    optional("eui64", &nvm_namespace::eui64, "Its EUI-64."),
    optional("uuid", &nvm_namespace::uuid, "Its UUID; without one, the device's."),
    optional("anagrpid", &nvm_namespace::anagrpid, "Its ANA group, with `ana_reporting`; 0: that of its number."),
    optional("no_auto_visible", &nvm_namespace::no_auto_visible,
             "Only hosts that nvmf_ns_add_host names see it; otherwise all hosts of the subsystem do."),
    optional("ptpl_file", &nvm_namespace::ptpl_file,
             "An absolute path: where its reservation is kept while it persists through power loss."),
    only<nvm_namespace>("hide_metadata", false, "there is no metadata to hide"),
};

struct add_params {
    std::string tgt_name = target_name;
    std::string nqn;
    nvm_namespace ns;
};
const declaration<add_params> add_method = {
    .name = "nvmf_subsystem_add_ns",
    .summary = "Exports a device as a namespace of a subsystem.",
    .parameters =
        {
            nqn_field(&add_params::nqn),
            required("namespace", &add_params::ns, namespace_fields, "What to export, and how."),
            tgt_name_field(&add_params::tgt_name),
        },
    .result = "the number of the namespace",
    .errors = {{error_code::parameters,
                "there is no such subsystem or device, the device is in use, or its number or an "
                "identifier is taken"}},
};

template <class To, class From>
std::optional<To> value_of(const std::optional<From>& id) {
    return id ? std::optional<To>(id->value) : std::nullopt;
}

core::task<answer> add(nvmf_service& service, add_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    nvmf::namespace_params params;
    params.bdev_name = std::move(p.ns.bdev_name);
    params.nsid = p.ns.nsid;
    params.nguid = value_of<std::array<std::uint8_t, 16>>(p.ns.nguid);
    params.eui64 = value_of<std::array<std::uint8_t, 8>>(p.ns.eui64);
    params.uuid = p.ns.uuid;
    params.auto_visible = !p.ns.no_auto_visible;
    params.ana_group = p.ns.anagrpid;
    params.ptpl_file = std::move(p.ns.ptpl_file);
    const auto nsid = co_await (*s)->namespaces().add(std::move(params));
    if (!nsid)
        co_return refuse_as(error_code::parameters, nsid.error());
    co_return json(*nsid);
}

struct remove_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
};
const declaration<remove_params> remove_method = {
    .name = "nvmf_subsystem_remove_ns",
    .summary = "Removes a namespace, and answers when its device is free again.",
    .parameters =
        {
            nqn_field(&remove_params::nqn),
            nsid_field(&remove_params::nsid),
            tgt_name_field(&remove_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such subsystem or namespace"}},
};

core::task<answer> remove(nvmf_service& service, remove_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto removed = co_await (*s)->namespaces().remove(p.nsid);
    co_return removed ? ok() : answer(refuse_as(error_code::parameters, removed.error()));
}

}  // namespace

void add_nvmf_namespace_methods(method_table& methods, nvmf_service& service) {
    methods.add(add_method, [&service](add_params p) { return add(service, std::move(p)); });
    methods.add(remove_method, [&service](remove_params p) { return remove(service, std::move(p)); });
}

}  // namespace causeway::rpc
