// SPDX-License-Identifier: Apache-2.0
// What a gateway's machine needs: memory, time, versions.

#include "tools/doctor.h"
#include "tools/table.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sstream>

namespace causeway::tools {

namespace {

using enum finding::state;
namespace fs = std::filesystem;

/// The number behind "Name:" in a file like /proc/meminfo; 0: none.
unsigned long number_after(const std::string& text, const std::string& name) {
    const auto at = text.find(name);
    return at == text.npos ? 0 : std::strtoul(text.c_str() + at + name.size(), nullptr, 10);
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

finding version_of(const machine& m, const std::string& check, const std::vector<std::string>& words,
                   const std::string& cure) {
    const auto said = m.run(words);
    if (!said)
        return {check, skip, fmt::format("{} is not installed", words[0]), cure};
    return {check, ok, first_line(*said), ""};
}

}  // namespace

std::string_view to_string(finding::state s) {
    constexpr std::string_view names[] = {"ok", "warn", "fail", "skip"};
    return names[static_cast<std::size_t>(s)];
}

std::optional<std::string> machine::read(const std::string& path) const {
    std::ifstream file(root_ + path);
    if (!file)
        return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string machine::line(const std::string& path) const {
    const std::string text = first_line(read(path).value_or(""));
    const auto begin = text.find_first_not_of(" \t\r"), end = text.find_last_not_of(" \t\r");
    return begin == text.npos ? "" : text.substr(begin, end - begin + 1);
}

std::vector<std::string> machine::list(const std::string& path) const {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(root_ + path, error), end; !error && at != end; at.increment(error))
        names.push_back(at->path().filename());
    std::ranges::sort(names);
    return names;
}

bool machine::exists(const std::string& path) const {
    std::error_code error;
    return fs::exists(root_ + path, error);
}

finding check_huge_pages(const machine& m) {
    const std::string info = m.read("/proc/meminfo").value_or("");
    const auto total = number_after(info, "HugePages_Total:"), free = number_after(info, "HugePages_Free:");
    const auto kib = number_after(info, "Hugepagesize:");
    const std::string cure = "echo 512 > /proc/sys/vm/nr_hugepages; to keep it, vm.nr_hugepages = 512 in /etc/sysctl.d";
    if (total == 0)
        return {"huge pages", warn, "there are none; a gateway uses ordinary pages, which costs some speed", cure};
    if (free == 0)
        return {"huge pages", warn,
                fmt::format("all {} are in use; right if the gateway runs, else it finds none", total), cure};
    return {"huge pages", ok, fmt::format("{} of {} are free, {} KiB each", free, total, kib), ""};
}

finding check_iommu(const machine& m) {
    const auto groups = m.list("/sys/kernel/iommu_groups").size();
    if (groups == 0)
        return {"IOMMU", warn, "it is off: local SSDs cannot be used, images can",
                "switch VT-d or AMD-Vi on in the firmware, and boot with intel_iommu=on (Intel)"};
    if (!m.exists("/sys/module/vfio_pci"))
        return {"IOMMU", warn, fmt::format("{} groups; vfio-pci is not loaded, which local SSDs need", groups),
                "modprobe vfio-pci before the gateway starts, if it is to use local SSDs"};
    return {"IOMMU", ok, fmt::format("{} groups, and vfio-pci is loaded", groups), ""};
}

finding check_memlock(const machine& m) {
    const std::string limits = m.read("/proc/self/limits").value_or("");
    const std::string name = "Max locked memory";
    const auto at = limits.find(name);
    if (at == limits.npos)
        return {"memlock", skip, "the limit of locked memory is not known", ""};
    std::istringstream rest(limits.substr(at + name.size()));
    std::string soft;
    rest >> soft;
    constexpr unsigned long enough = 1ul << 30;
    if (soft == "unlimited" || std::strtoul(soft.c_str(), nullptr, 10) >= enough)
        return {"memlock", ok, fmt::format("the limit of locked memory is {}", soft), ""};
    return {
        "memlock", warn,
        fmt::format("only {} bytes may be locked by what this shell starts; RDMA registers all memory for data", soft),
        "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit (causewayd.service has it)"};
}

finding check_time(const machine& m) {
    const auto is_synchronised = m.clock_is_synchronised();
    if (!is_synchronised)
        return {"time", skip, "whether the clock is synchronised is not known", ""};
    if (!*is_synchronised)
        return {"time", warn,
                "the clock is not synchronised: Ceph refuses keys when clocks differ, and logs do not match",
                "install chrony or systemd-timesyncd (timedatectl set-ntp true)"};
    return {"time", ok, "the clock is synchronised", ""};
}

findings check_versions(const machine& m) {
    findings all;
    const std::string kernel = m.line("/proc/sys/kernel/osrelease");
    unsigned major = 0, minor = 0;
    if (std::sscanf(kernel.c_str(), "%u.%u", &major, &minor) != 2)
        all.push_back({"kernel", skip, "its version is not known", ""});
    else if (major < 5 || (major == 5 && minor < 10))
        all.push_back({"kernel", warn, fmt::format("{} is older than 5.10, with which nothing has been tested", kernel),
                       "use a newer kernel"});
    else
        all.push_back({"kernel", ok, kernel, ""});
    all.push_back(version_of(m, "ceph", {"ceph", "--version"}, "only needed at a terminal: install ceph-common"));
    all.push_back(version_of(m, "nvme-cli", {"nvme", "version"}, "only hosts need it: install nvme-cli"));
    return all;
}

std::string to_text(const findings& all) {
    table t({{"check"}, {"is"}, {"what there is"}});
    for (const finding& f : all)
        t.add({f.check, std::string(to_string(f.is)), f.sentence});
    std::string text = t.text();
    std::string cures;
    for (const finding& f : all)
        if (!f.cure.empty() && (f.is == warn || f.is == fail))
            cures += fmt::format("{} {}: {}.\n    {}\n", to_string(f.is), f.check, f.sentence, f.cure);
    return text + (cures.empty() ? "" : "\nWHAT TO DO\n" + cures);
}

json to_json(const findings& all) {
    json list = json::array();
    for (const finding& f : all)
        list.push_back({{"check", f.check}, {"is", to_string(f.is)}, {"sentence", f.sentence}, {"cure", f.cure}});
    return {{"failed", exit_status_of(all) != 0}, {"checks", std::move(list)}};
}

int exit_status_of(const findings& all) {
    return std::ranges::any_of(all, [](const finding& f) { return f.is == fail; }) ? 1 : 0;
}

}  // namespace causeway::tools
