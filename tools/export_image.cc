// SPDX-License-Identifier: Apache-2.0
#include "tools/export_image.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace causeway::tools {

namespace {

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return text;
}

std::string family_of(const std::string& address) {
    return address.find(':') == std::string::npos ? "IPv4" : "IPv6";
}

/// An image by its place.
struct image_name {
    std::string pool, rados_namespace, name;
};

std::optional<image_name> image_in(const std::string& text) {
    const auto first = text.find('/');
    if (first == std::string::npos)
        return std::nullopt;
    const auto second = text.find('/', first + 1);
    if (second == std::string::npos)
        return image_name{text.substr(0, first), "", text.substr(first + 1)};
    return image_name{text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

/// One export, step by step. Each step looks first, and makes what is missing.
class work {
  public:
    work(const export_options& o, const caller& call) : o_(o), call_(call) {}

    core::result<exported> run() {
        using step = core::result<> (work::*)();
        for (const step next : {&work::find_or_make_device, &work::make_transports, &work::find_or_make_subsystem,
                                &work::add_namespace, &work::add_hosts, &work::add_listeners})
            if (auto r = (this->*next)(); !r)
                return tl::make_unexpected(r.error());
        return std::move(result_);
    }

  private:
    core::result<> make(std::string what, const std::string& method, const json& params) {
        const auto answered = call_(method, params);
        if (!answered)
            return core::fail(answered.error().code, answered.error().text(), what);
        result_.done.push_back("made " + std::move(what));
        return {};
    }

    core::result<> find_or_make_device() {
        const auto all = call_("bdev_get_bdevs", nullptr);
        if (!all)
            return tl::make_unexpected(all.error());
        const auto image = image_in(o_.what);
        for (const json& d : *all)
            if (image ? is_image(d, *image) : d.at("name") == o_.what)
                return take(d);
        if (!image)
            return core::fail(
                ENODEV, "there is no device of this name: give POOL/IMAGE for an image that is not open yet", o_.what);
        if (auto registered = register_cluster(); !registered)
            return registered;
        return open_image(*image);
    }

    static bool is_image(const json& device, const image_name& image) {
        const json rbd = device.value("driver_specific", json::object()).value("rbd", json());
        return rbd.is_object() && rbd.value("pool_name", "") == image.pool &&
               rbd.value("namespace", "") == image.rados_namespace && rbd.value("rbd_name", "") == image.name;
    }

    core::result<> take(const json& device) {
        result_.device = device.at("name");
        uuid_ = device.at("uuid");
        return {};
    }

    core::result<> register_cluster() {
        const auto all = call_("bdev_rbd_get_clusters_info", nullptr);
        if (!all && all.error().code != -ENOENT)  // which says that none is registered
            return tl::make_unexpected(all.error());
        if (all)
            for (const json& c : *all)
                if (c.value("cluster_name", "") == o_.cluster)
                    return {};
        json params = {{"name", o_.cluster}};
        if (o_.user_id)
            params["user_id"] = *o_.user_id;
        if (!o_.config_file.empty())
            params["config_file"] = o_.config_file;
        if (!o_.key_file.empty())
            params["key_file"] = o_.key_file;
        return make("Ceph client " + o_.cluster, "bdev_rbd_register_cluster", params);
    }

    core::result<> open_image(const image_name& image) {
        json params = {{"name", o_.what},
                       {"pool_name", image.pool},
                       {"rbd_name", image.name},
                       {"block_size", o_.block_size},
                       {"cluster_name", o_.cluster}};
        if (!image.rados_namespace.empty())
            params["namespace"] = image.rados_namespace;
        if (o_.read_only)
            params["read_only"] = true;
        if (auto made = make("device " + o_.what, "bdev_rbd_create", params); !made)
            return made;
        const auto found = call_("bdev_get_bdevs", {{"name", o_.what}});
        return found ? take(found->at(0)) : tl::make_unexpected(found.error());
    }

    /// Where none are asked for, RDMA is used if the gateway has a device for it.
    core::result<> make_transports() {
        const auto all = call_("nvmf_get_transports", nullptr);
        if (!all)
            return tl::make_unexpected(all.error());
        const bool chosen = !o_.transports.empty();
        for (const std::string& name : chosen ? o_.transports : std::vector<std::string>{"TCP", "RDMA"}) {
            const bool is_there = std::ranges::any_of(*all, [&](const json& t) { return t.at("trtype") == name; });
            if (!is_there)
                if (auto made = make("transport " + name, "nvmf_create_transport", {{"trtype", name}}); !made) {
                    if (chosen || name == "TCP")
                        return made;
                    result_.notes.push_back("no RDMA: " + made.error().sentence);
                    continue;
                }
            transports_.push_back(name);
        }
        return {};
    }

    core::result<json> subsystem() {
        auto all = call_("nvmf_get_subsystems", nullptr);
        if (!all)
            return all;
        for (json& s : *all)
            if (s.at("nqn") == result_.nqn)
                return std::move(s);
        return json(nullptr);
    }

    core::result<> find_or_make_subsystem() {
        result_.nqn = o_.nqn.empty() ? "nqn.2014-08.org.nvmexpress:uuid:" + uuid_ : o_.nqn;
        const auto found = subsystem();
        if (!found)
            return tl::make_unexpected(found.error());
        if (found->is_null())
            return make("subsystem " + result_.nqn, "nvmf_create_subsystem",
                        {{"nqn", result_.nqn}, {"allow_any_host", o_.hosts.empty()}});
        if (o_.hosts.empty() && !found->value("allow_any_host", false))
            return core::fail(EEXIST,
                              "this subsystem is there already and does not allow any host: name the hosts with --to",
                              result_.nqn);
        return {};
    }

    core::result<> add_namespace() {
        const auto now = subsystem();
        if (!now)
            return tl::make_unexpected(now.error());
        for (const json& ns : now->value("namespaces", json::array()))
            if (ns.at("bdev_name") == result_.device) {
                result_.nsid = ns.at("nsid");
                return {};
            }
        const auto nsid =
            call_("nvmf_subsystem_add_ns", {{"nqn", result_.nqn}, {"namespace", {{"bdev_name", result_.device}}}});
        if (!nsid)
            return core::fail(nsid.error().code, nsid.error().text(), "namespace of " + result_.device);
        result_.nsid = *nsid;
        result_.done.push_back(fmt::format("made namespace {} of {}", result_.nsid, result_.device));
        return {};
    }

    core::result<> add_hosts() {
        const auto now = subsystem();
        if (!now)
            return tl::make_unexpected(now.error());
        const json allowed = now->value("hosts", json::array());
        for (const std::string& host : o_.hosts) {
            if (std::ranges::any_of(allowed, [&](const json& h) { return h.at("nqn") == host; }))
                continue;
            if (auto r = call_("nvmf_subsystem_add_host", {{"nqn", result_.nqn}, {"host", host}}); !r)
                return core::fail(r.error().code, r.error().text(), "host " + host);
            result_.done.push_back("allowed host " + host);
        }
        return {};
    }

    core::result<> add_listeners() {
        const auto now = subsystem();
        if (!now)
            return tl::make_unexpected(now.error());
        const json there = now->value("listen_addresses", json::array());
        for (const std::string& name : transports_) {
            const exported::listener l{name, o_.address, o_.port};
            const auto is_this = [&](const json& a) {
                return a.at("trtype") == l.trtype && a.at("traddr") == l.traddr && a.at("trsvcid") == l.trsvcid;
            };
            if (std::ranges::none_of(there, is_this)) {
                const json at = {{"trtype", l.trtype},
                                 {"adrfam", family_of(l.traddr)},
                                 {"traddr", l.traddr},
                                 {"trsvcid", l.trsvcid}};
                auto made = make(fmt::format("listener {} {}:{}", l.trtype, l.traddr, l.trsvcid),
                                 "nvmf_subsystem_add_listener", {{"nqn", result_.nqn}, {"listen_address", at}});
                if (!made && (!o_.transports.empty() || name == "TCP"))
                    return made;
                if (!made) {
                    result_.notes.push_back("no RDMA at this address: " + made.error().sentence);
                    continue;
                }
            }
            result_.listeners.push_back(l);
        }
        return {};
    }

    const export_options& o_;
    const caller& call_;
    exported result_;
    std::string uuid_;
    std::vector<std::string> transports_;
};

}  // namespace

core::result<exported> export_image(const export_options& o, const caller& call) {
    return work(o, call).run();
}

std::vector<std::string> connect_commands(const exported& e) {
    std::vector<std::string> all;
    for (const auto& l : e.listeners)
        all.push_back(fmt::format("nvme connect -t {} -a {} -s {} -n {}", lower(l.trtype), l.traddr, l.trsvcid, e.nqn));
    return all;
}

}  // namespace causeway::tools
