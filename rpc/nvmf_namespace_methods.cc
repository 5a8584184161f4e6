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
    required("bdev_name", &nvm_namespace::bdev_name),
    optional("nsid", &nvm_namespace::nsid),
    optional("nguid", &nvm_namespace::nguid),
    optional("eui64", &nvm_namespace::eui64),
    optional("uuid", &nvm_namespace::uuid),
    optional("anagrpid", &nvm_namespace::anagrpid),
    optional("no_auto_visible", &nvm_namespace::no_auto_visible),
    optional("ptpl_file", &nvm_namespace::ptpl_file),
    only<nvm_namespace>("hide_metadata", false, "there is no metadata to hide"),
};

struct add_params {
    std::string tgt_name = target_name;
    std::string nqn;
    nvm_namespace ns;
};
const fields<add_params> add_fields = {
    required("nqn", &add_params::nqn),
    required("namespace", &add_params::ns, namespace_fields),
    optional("tgt_name", &add_params::tgt_name),
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
const fields<remove_params> remove_fields = {
    required("nqn", &remove_params::nqn),
    required("nsid", &remove_params::nsid),
    optional("tgt_name", &remove_params::tgt_name),
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
    methods.add("nvmf_subsystem_add_ns", states::runtime, add_fields,
                [&service](add_params p) { return add(service, std::move(p)); });
    methods.add("nvmf_subsystem_remove_ns", states::runtime, remove_fields,
                [&service](remove_params p) { return remove(service, std::move(p)); });
}

}  // namespace causeway::rpc
