// SPDX-License-Identifier: Apache-2.0
#include "tools/target_command.h"

#include "host/identity.h"
#include "host/tls_streams.h"

#include <algorithm>
#include <fstream>

namespace causeway::tools {

host::address parse_address(const std::string& text) {
    host::address a;
    std::string rest = text;
    for (const char* transport : {"tcp:", "rdma:"}) {
        if (rest.starts_with(transport)) {
            a.transport = std::string(transport).substr(0, std::string(transport).size() - 1);
            rest.erase(0, std::string(transport).size());
        }
    }
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == rest.npos)
            throw CLI::ValidationError("--to", "no ] in " + text);
        a.host = rest.substr(1, end - 1);
        rest.erase(0, end + 1);
    } else {
        const auto end = std::min(rest.find(':'), rest.size());
        a.host = rest.substr(0, end);
        rest.erase(0, end);
    }
    if (rest.starts_with(':') && rest.size() > 1)
        a.service = rest.substr(1);
    else if (!rest.empty())
        throw CLI::ValidationError("--to", text + " is not of the form [TRANSPORT:]ADDRESS[:PORT]");
    if (a.host.empty())
        throw CLI::ValidationError("--to", "no address in " + text);
    return a;
}

void target_arguments::add_to(CLI::App& command, const char* subnqn) {
    command.add_option("-t,--transport", transport_, "tcp or rdma")
        ->check(CLI::IsMember({"tcp", "rdma"}))
        ->capture_default_str();
    command.add_option("-a,--traddr", host_, "the target's address");
    command.add_option("-s,--trsvcid", service_, "and its port")->capture_default_str();
    command.add_option("--to", to_, "[TRANSPORT:]ADDRESS[:PORT], instead of the three; may be given several times");
    auto* const nqn = command.add_option("-n,--nqn", subnqn_, "the subsystem");
    if (subnqn) {
        subnqn_ = subnqn;
        nqn->capture_default_str();
    } else {
        nqn->required();
    }
    command.add_option("-q,--hostnqn", hostnqn_, "who we say that we are; by default as /etc/nvme/hostnqn has it");
    command.add_option("--keep-alive-tmo", kato_, "seconds; 0: no Keep Alive")
        ->check(CLI::Range(0.0, 4e6))
        ->capture_default_str();
    command.add_option("--psk", psk_file_, "TLS, with the key in this file, in the PSK interchange format");
    command.add_option("--dhchap-key", dhchap_file_,
                       "authenticates (DH-HMAC-CHAP) with the key in this file, as nvme gen-dhchap-key writes it");
    command.add_option("--dhchap-ctrl-key", dhchap_ctrl_file_, "and has the controller prove the key in this one")
        ->needs("--dhchap-key");
    command.add_flag("--header-digest", header_digest_, "a CRC of each PDU's header");
    command.add_flag("--data-digest", data_digest_, "and of its data");
}

namespace {

/// The first line of a file. Throws CLI::ValidationError.
std::string read_key(const char* option, const std::string& path) {
    std::ifstream file(path);
    std::string key;
    if (!std::getline(file, key))
        throw CLI::ValidationError(option, "cannot read " + path);
    return key;
}

}  // namespace

void target_arguments::authenticate(target_options& o) const {
    const std::string key = read_key("--dhchap-key", dhchap_file_);
    const std::string ctrl_key =
        dhchap_ctrl_file_.empty() ? std::string() : read_key("--dhchap-ctrl-key", dhchap_ctrl_file_);
    auto keys = host::parse_credentials(key, ctrl_key);
    if (!keys)
        throw CLI::ValidationError("--dhchap-key", keys.error().text());
    o.dhchap = std::move(*keys);
}

void target_arguments::encrypt(target_options& o) const {
    if (std::ranges::any_of(o.addresses, [](const auto& a) { return a.transport != "tcp"; }))
        throw CLI::ValidationError("--psk", "TLS is for TCP alone");
    const std::string key = read_key("--psk", psk_file_);
    const std::string hostnqn = o.hostnqn.empty() ? host::own_identity().hostnqn : o.hostnqn;
    auto make = host::tls_streams(key, hostnqn, o.subnqn, o.tcp.timeout);
    if (!make)
        throw CLI::ValidationError("--psk", make.error().text());
    o.make_stream = std::move(*make);
}

target_options target_arguments::get() const {
    target_options o;
    for (const auto& text : to_)
        o.addresses.push_back(parse_address(text));
    if (!host_.empty())
        o.addresses.push_back({transport_, host_, service_});
    if (o.addresses.empty())
        throw CLI::ValidationError("--traddr", "no address is given");
    o.subnqn = subnqn_;
    o.hostnqn = hostnqn_;
    o.kato_ms = static_cast<std::uint32_t>(kato_ * 1000);
    o.tcp.header_digest = header_digest_;
    o.tcp.data_digest = data_digest_;
    if (!psk_file_.empty())
        encrypt(o);
    if (!dhchap_file_.empty())
        authenticate(o);
    return o;
}

}  // namespace causeway::tools
