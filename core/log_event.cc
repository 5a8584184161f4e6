// SPDX-License-Identifier: Apache-2.0
#include "core/log_event.h"

#include "core/log_writer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <iterator>

namespace causeway::core::log {

namespace {

// 1xx: hosts; 2xx: images and Ceph clusters; 3xx: the gateway itself; 4xx: fabrics; 5xx: local SSDs.
constexpr event_info table[] = {
    {event::connect_refused, "CW101", level::warning, "nvmf",
     "A host's Connect was refused, for the reason that the line gives: the host is not allowed, the subsystem or the "
     "listener is not there, a limit is reached, or the host must authenticate or encrypt.",
     "Compare the host's NQN and the address that it came to with `nvmf_get_subsystems`; allow the host with "
     "`nvmf_subsystem_add_host`, or correct the host."},
    {event::keep_alive_timeout, "CW102", level::warning, "nvmf",
     "A host has sent nothing for as long as it promised to (its keep alive timeout), and was disconnected. It comes "
     "again by itself when it can.",
     "One host: look at it and at its link. Many at once: look at the switch, at the gateway's link, and for CW303 at "
     "the same time."},
    {event::authentication_failed, "CW103", level::warning, "nvmf",
     "A host did not prove that it has its DH-HMAC-CHAP key, or did not finish in time; its connection was closed.",
     "If its key was changed, change it on both sides: `nvmf_subsystem_set_keys` here, `--dhchap-secret` there. "
     "Otherwise somebody guesses: the line says from where."},
    {event::tls_failed, "CW104", level::warning, "tcp",
     "A TLS connection was refused, or has ended with an error: the host has no key, or another one, or does not "
     "encrypt where it must.",
     "Give the host the key of `nvmf_subsystem_add_host` (`psk`) for this subsystem. On the host, `nvme check-tls-key` "
     "shows the identity under which it looks for it."},
    {event::image_lost, "CW201", level::warning, "bdev_rbd",
     "The image of a device is gone from its pool, or is in the trash. Its I/O fails.",
     "Restore the image (`rbd trash restore`), or delete the device (`bdev_rbd_delete`)."},
    {event::cluster_silent, "CW202", level::warning, "bdev_rbd",
     "OSDs have not answered I/O of an image within 25 s. Its hosts get path errors and repeat the command here or at "
     "another gateway. A write that is not answered may still land.",
     "`ceph health detail`, `ceph osd tree`. Before another gateway alone writes to an image whose "
     "`unanswered_changes` (`bdev_get_bdevs`) has risen, put this gateway on the blocklist (`ceph osd blocklist "
     "add`)."},
    {event::image_io_failed, "CW203", level::warning, "bdev_rbd",
     "The cluster has refused I/O of an image for the reason that the line gives: a full pool, a lock that another "
     "client holds, missing capabilities, a damaged object.",
     "`ceph health detail`, `ceph df` for a full pool, `rbd lock ls` for a lock; compare the user's capabilities "
     "(`ceph auth get`) with docs/operations.md."},
    {event::gateway_fenced, "CW204", level::error, "bdev_rbd",
     "The cluster has put this gateway's client on its blocklist, so that its images are inaccessible here. Unless the "
     "cluster's policy is `offline`, the gateway connects a new client and opens the images again.",
     "Find out who fenced it: another gateway (CW209 in its log) that did not hear from this one in time, a control "
     "plane, or an operator. With the policy `offline`, delete the devices and create them again."},
    {event::image_inaccessible, "CW205", level::warning, "bdev_rbd",
     "After fencing, an image could not be opened on the new client; this is tried again.",
     "The line gives the reason. `rbd info` and `rbd status` with this gateway's user show the same."},
    {event::cluster_unreachable, "CW206", level::warning, "bdev_rbd",
     "After fencing, no new client could connect to the cluster; this is tried again.",
     "`ceph -s` on this machine with this gateway's user: monitors' addresses, the key, the network."},
    {event::cluster_call_hangs, "CW207", level::warning, "ceph",
     "A call to the cluster (connecting, opening or closing an image) was cancelled, and has not returned. It is not "
     "tried again before it has.",
     "`bdev_rbd_get_clusters_info` lists such calls (`hung_calls`). Restore the cluster, and they return; if the "
     "cluster is well and they stay, restart the gateway when its hosts have another path."},
    {event::predecessor_not_fenced, "CW208", level::warning, "ceph",
     "This gateway has started after one that died, and could not put that one's clients on the cluster's blocklist. "
     "The first write to each image waits until the OSDs have missed them, some 30 s.",
     "Give the user the monitors' `profile rbd` (docs/operations.md)."},
    {event::other_gateway_fenced, "CW209", level::warning, "nvmf",
     "Another gateway that shares the reservation of an image has not confirmed a change of it, and is being put on "
     "the cluster's blocklist.",
     "Look at that gateway: the line gives its Ceph client's address. It recovers by itself when it runs again."},
    {event::reservation_unconfirmed, "CW210", level::warning, "nvmf",
     "A change of a namespace's reservation could not be stored or confirmed; the host's command has failed and may be "
     "repeated.",
     "The line gives the reason: the cluster, the user's capabilities, or the folder of `ptpl_file`."},
    {event::configuration_call_failed, "CW301", level::warning, "rpc",
     "A part of the configuration could not be made: what it needs is missing, or does not answer. What does not "
     "depend on it runs; it is tried again by itself, at most a minute apart.",
     "`causeway status` lists what is missing, with the reason. Repair it and call `framework_retry_failed_config`, or "
     "drop the part with `framework_forget_failed_config`."},
    {event::state_not_stored, "CW302", level::error, "rpc",
     "The folder of `--state` cannot be written. Changes are in effect, their clients were told of the error, and a "
     "restart would lose them. Storing is tried again.",
     "Look at the folder's file system: space, read-only, permissions."},
    {event::reactor_stalled, "CW303", level::warning, "core",
     "A core has not run for more than 2.5 s. Writes that it had received before are not run: their hosts send them "
     "again.",
     "Something else ran on the gateway's cores, or the machine was suspended: isolate the cores (`isolcpus`, "
     "`CPUAffinity`), move the other load, do not overcommit a virtual machine's CPUs."},
    {event::rdma_device_lost, "CW401", level::error, "rdma",
     "An RDMA device has failed or was removed; its connections are closed. When it is back, the gateway listens on it "
     "again.",
     "`ibv_devinfo`, `dmesg`: firmware, cable, driver. Hosts need a second path."},
    {event::rdma_address_lost, "CW402", level::warning, "rdma",
     "The address of an RDMA listener has gone from its device. The gateway tries to listen there again every second.",
     "`ip address`, `rdma link`: give the interface its address again, or remove the listener."},
    {event::descriptors_exhausted, "CW403", level::warning, "tcp",
     "As many TCP connections as descriptors allow are open, or the kernel has none left. New hosts wait.",
     "Raise `LimitNOFILE` of the service, or spread the hosts over more gateways."},
    {event::pending_connection_evicted, "CW404", level::warning, "tcp, rdma",
     "More connections than allowed have sent no Connect yet; the oldest was closed for a new one.",
     "After a gateway's restart this may happen once. If it goes on, some machine opens connections and does not use "
     "them: find it (`ss -tn`), and keep it off the storage network."},
    {event::ssd_failed, "CW501", level::error, "bdev_nvme",
     "A local SSD's controller did not come back from a reset. Its I/O is refused from now on.",
     "Look at the drive (`dmesg`, its slot), replace it; then detach and attach it "
     "(`bdev_nvme_detach_controller`, `bdev_nvme_attach_controller`)."},
    {event::ssd_reset, "CW502", level::warning, "bdev_nvme",
     "A local SSD's controller is being reset, for the reason that the line gives; what was in flight is sent again "
     "by its hosts.",
     "Once: nothing. Repeatedly: update the drive's firmware, or replace it."},
    {event::ssd_health_changed, "CW503", level::warning, "bdev_nvme",
     "A local SSD's critical warnings have changed (SMART log: spare blocks, temperature, reliability, read-only).",
     "`bdev_nvme_get_controller_health_info`; cool it, or plan to replace it. 00h means that it is well again."},
};

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < std::size(table); ++i)
        if (static_cast<std::size_t>(table[i].which) != i || (i > 0 && table[i].id <= table[i - 1].id))
            return false;
    return static_cast<std::size_t>(event::ssd_health_changed) + 1 == std::size(table);
}
static_assert(is_in_order(), "one row for each event, in the order of both the enumerators and the ids");

std::atomic<format> format_{format::text};

}  // namespace

std::span<const event_info> events() noexcept {
    return table;
}

const event_info& info_of(event e) noexcept {
    return table[static_cast<std::size_t>(e)];
}

void set_format(format f) noexcept {
    format_.store(f, std::memory_order_relaxed);
}
format get_format() noexcept {
    return format_.load(std::memory_order_relaxed);
}

void field::append_to(std::string& out) const {
    append_json(out, name_);
    out += ':';
    if (is_number_)
        out += std::to_string(number_);
    else
        append_json(out, text_);
}

bool is_logged(event e) noexcept {
    return info_of(e).severity <= std::min(get_level(), get_print_level());
}

void write_event(event e, fields with, std::string_view text) {
    const event_info& about = info_of(e);
    std::string members;
    if (get_format() == format::json) {
        for (const field& each : with) {
            if (!members.empty())
                members += ',';
            each.append_to(members);
        }
    }
    if (is_logged(e))
        writer::get().add(writer::kind::message, {about.severity, std::string(text), &about, std::move(members)});
}

}  // namespace causeway::core::log
