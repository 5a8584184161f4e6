// SPDX-License-Identifier: Apache-2.0
// A call that changes nothing here succeeds, and the log says so. A call that would change something that is not here
// is refused: by its method, which is absent, or by the parameter that asks for it.

#include "rpc/housekeeping_methods.h"

#include "core/log.h"
#include "rpc/params.h"

#include <array>

namespace causeway::rpc {

namespace {

struct nothing {};

/// In every state, and with the keys of whichever version of SPDK: there is nothing that could be misspelt.
declaration<nothing> without_effect(std::string_view name, std::string_view summary,
                                    std::initializer_list<field<nothing>> parameters) {
    return {.name = name,
            .when = states::any,
            .summary = summary,
            .parameters = fields<nothing>(parameters, unknown_keys::ignored),
            .has_effect = false};
}

template <class T>
field<nothing> any(std::string_view name, std::string_view why) {
    return ignored<nothing, T>(name, why);
}
using number = std::uint64_t;

constexpr std::string_view no_pools = "there are no such pools";
constexpr std::string_view of_transports = "nvmf_create_transport says how many buffers there are";
constexpr std::string_view no_accelerator = "there is no accelerator";
constexpr std::string_view no_raid = "there are no RAID devices";
constexpr std::string_view no_iscsi = "there is no iSCSI";
constexpr std::string_view of_sockets = "sockets have what suits them";
constexpr std::string_view nothing_moves = "nothing is moved between cores";

const std::array table = {
    // Memory and devices.
    without_effect("iobuf_set_options", "Sizes of the pools of data buffers: each transport has its own.",
                   {any<number>("small_pool_count", of_transports), any<number>("large_pool_count", of_transports),
                    any<number>("small_bufsize", of_transports), any<number>("large_bufsize", of_transports),
                    any<bool>("enable_numa", "buffers are on the node of their core")}),
    without_effect("bdev_set_options", "Sizes of the pools of the block layer: there are none.",
                   {any<number>("bdev_io_pool_size", no_pools), any<number>("bdev_io_cache_size", no_pools),
                    any<bool>("bdev_auto_examine", "no device is found by looking into another"),
                    any<number>("iobuf_small_cache_size", of_transports),
                    any<number>("iobuf_large_cache_size", of_transports)}),
    without_effect("bdev_wait_for_examine", "Waits for devices that are found by looking into others: there are none.",
                   {}),
    without_effect(
        "bdev_raid_set_options", "Options of RAID devices: there are none.",
        {any<number>("process_window_size_kb", no_raid), any<number>("process_max_bandwidth_mb_sec", no_raid)}),
    without_effect("bdev_iscsi_set_options", "Options of iSCSI initiators: there are none.",
                   {any<number>("timeout_sec", no_iscsi)}),
    without_effect("bdev_rbd_set_with_crc32c", "Whether librbd computes digests of data: the transport does.",
                   {any<bool>("enable", "data digests are right without it")}),
    without_effect("fsdev_set_opts", "Sizes of the pools of the file-system layer: there is none.",
                   {any<number>("fsdev_io_pool_size", no_pools), any<number>("fsdev_io_cache_size", no_pools)}),
    without_effect("iscsi_set_options", "Options of the iSCSI target: there is none.",
                   {any<std::string>("node_base", no_iscsi), any<number>("max_sessions", no_iscsi)}),
    // Accelerators: the scan finds none.
    without_effect("accel_set_options", "Sizes of the pools of accelerators: there are none.",
                   {any<number>("small_cache_size", no_accelerator), any<number>("large_cache_size", no_accelerator),
                    any<number>("task_count", no_accelerator), any<number>("sequence_count", no_accelerator),
                    any<number>("buf_count", no_accelerator)}),
    without_effect("dsa_scan_accel_module", "Looks for DSA accelerators: none is used.",
                   {any<bool>("config_kernel_mode", no_accelerator)}),
    without_effect("iaa_scan_accel_module", "Looks for IAA accelerators: none is used.", {}),
    without_effect("ioat_scan_accel_module", "Looks for I/OAT accelerators: none is used.", {}),
    // Sockets.
    without_effect("sock_set_default_impl", "Chooses the implementation of sockets: there is one.",
                   {only<nothing>("impl_name", "posix", "sockets are the kernel's")}),
    without_effect(
        "sock_impl_set_options", "Options of an implementation of sockets.",
        {any<std::string>("impl_name", "there is one implementation"), any<number>("recv_buf_size", of_sockets),
         any<number>("send_buf_size", of_sockets), any<bool>("enable_recv_pipe", of_sockets),
         any<bool>("enable_quickack", of_sockets), any<number>("enable_placement_id", of_sockets),
         any<bool>("enable_zerocopy_send_server", of_sockets), any<bool>("enable_zerocopy_send_client", of_sockets),
         any<number>("zerocopy_threshold", of_sockets), only<nothing>("tls_version", 0, "TLS is 1.3"),
         only<nothing>("enable_ktls", false, "records are encrypted by the gateway, not by the kernel"),
         only<nothing>("num_ssl_tickets", 0, "sessions are not resumed: there are no tickets")}),
    // Cores.
    without_effect("framework_set_scheduler", "Chooses what moves threads between cores: nothing does.",
                   {only<nothing>("name", "static", nothing_moves), any<number>("period", nothing_moves),
                    any<number>("load_limit", nothing_moves), any<number>("core_limit", nothing_moves),
                    any<number>("core_busy", nothing_moves)}),
    without_effect("scheduler_set_options", "Options of what moves threads between cores: nothing does.",
                   {any<number>("scheduling_core", nothing_moves),
                    only<nothing>("isolated_core_mask", "0", "cores are chosen with -m and --lcores")}),
    without_effect("framework_disable_cpumask_locks", "Lets other processes use the cores: they always may.", {}),
    without_effect("keyring_linux_set_options", "Options of keys in the kernel's keyring: keys are in files.",
                   {only<nothing>("enable", false, "keys come from files, by keyring_file_add_key")}),
};

const declaration<> get_with_crc32c_method = {
    .name = "bdev_rbd_get_with_crc32c",
    .when = states::any,
    .summary = "Says whether librbd computes digests of data: the transport does.",
    .result = "`false`",
    .has_effect = false,
};

}  // namespace

void add_housekeeping_methods(method_table& methods) {
    for (const auto& row : table)
        methods.add(row, [&row](nothing) {
            core::log::notice("{}: accepted, and without effect here. {}", row.name, row.summary);
            return ok();
        });
    methods.add(get_with_crc32c_method, [] { return answer(json(false)); });
}

}  // namespace causeway::rpc
