// SPDX-License-Identifier: Apache-2.0
#include "rpc/spdk_methods.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::rpc {

namespace {

constexpr std::string_view names[] = {
    // clang-format off
    "accel_assign_opc", "accel_crypto_key_create", "accel_crypto_key_destroy", "accel_crypto_keys_get",
    "accel_error_inject_error", "accel_get_module_info", "accel_get_opc_assignments", "accel_get_stats",
    "accel_mlx5_dump_stats", "accel_set_driver", "ae4dma_scan_accel_module", "bdev_aio_create", "bdev_aio_delete",
    "bdev_aio_rescan", "bdev_crypto_create", "bdev_crypto_delete", "bdev_daos_create", "bdev_daos_delete",
    "bdev_daos_resize", "bdev_delay_create", "bdev_delay_delete", "bdev_delay_update_latency",
    "bdev_enable_histogram", "bdev_examine", "bdev_ftl_create", "bdev_ftl_delete", "bdev_ftl_get_properties",
    "bdev_ftl_get_stats", "bdev_ftl_set_property", "bdev_ftl_unmap", "bdev_get_histogram",
    "bdev_get_histogram_borders", "bdev_iscsi_create", "bdev_iscsi_delete", "bdev_lvol_check_shallow_copy",
    "bdev_lvol_clone", "bdev_lvol_clone_bdev", "bdev_lvol_create", "bdev_lvol_create_lvstore",
    "bdev_lvol_decouple_parent", "bdev_lvol_delete", "bdev_lvol_delete_lvstore", "bdev_lvol_get_lvols",
    "bdev_lvol_get_lvstores", "bdev_lvol_grow_lvstore", "bdev_lvol_inflate", "bdev_lvol_rename",
    "bdev_lvol_rename_lvstore", "bdev_lvol_resize", "bdev_lvol_set_parent", "bdev_lvol_set_parent_bdev",
    "bdev_lvol_set_read_only", "bdev_lvol_snapshot", "bdev_lvol_start_shallow_copy", "bdev_nvme_add_error_injection",
    "bdev_nvme_apply_firmware", "bdev_nvme_cuse_register", "bdev_nvme_cuse_unregister",
    "bdev_nvme_disable_controller", "bdev_nvme_enable_controller", "bdev_nvme_get_discovery_info",
    "bdev_nvme_get_io_paths", "bdev_nvme_get_mdns_discovery_info", "bdev_nvme_get_path_iostat", "bdev_nvme_opal_init",
    "bdev_nvme_opal_revert", "bdev_nvme_remove_error_injection", "bdev_nvme_send_cmd", "bdev_nvme_set_keys",
    "bdev_nvme_set_multipath_policy", "bdev_nvme_set_preferred_path", "bdev_nvme_start_discovery",
    "bdev_nvme_start_mdns_discovery", "bdev_nvme_stop_discovery", "bdev_nvme_stop_mdns_discovery", "bdev_ocf_create",
    "bdev_ocf_delete", "bdev_ocf_flush_start", "bdev_ocf_flush_status", "bdev_ocf_get_bdevs", "bdev_ocf_get_stats",
    "bdev_ocf_reset_stats", "bdev_ocf_set_cache_mode", "bdev_ocf_set_seqcutoff", "bdev_opal_create",
    "bdev_opal_delete", "bdev_opal_get_info", "bdev_opal_new_user", "bdev_opal_set_lock_state",
    "bdev_passthru_create", "bdev_passthru_delete", "bdev_raid_add_base_bdev", "bdev_raid_create", "bdev_raid_delete",
    "bdev_raid_get_bdevs", "bdev_raid_remove_base_bdev", "bdev_set_qd_sampling_period", "bdev_split_create",
    "bdev_split_delete", "bdev_uring_create", "bdev_uring_delete", "bdev_uring_rescan",
    "bdev_virtio_attach_controller", "bdev_virtio_blk_set_hotplug", "bdev_virtio_detach_controller",
    "bdev_virtio_scsi_get_devices", "bdev_xnvme_create", "bdev_xnvme_delete", "bdev_zone_block_create",
    "bdev_zone_block_delete", "compressdev_scan_accel_module", "cuda_scan_accel_module", "dpdk_cryptodev_get_driver",
    "dpdk_cryptodev_scan_accel_module", "dpdk_cryptodev_set_driver", "env_dpdk_get_mem_stats",
    "framework_enable_cpumask_locks", "framework_get_governor", "framework_get_pci_devices",
    "framework_monitor_context_switch", "fsdev_aio_create", "fsdev_aio_delete", "fsdev_get_opts", "iobuf_get_stats",
    "iscsi_auth_group_add_secret", "iscsi_auth_group_remove_secret", "iscsi_create_auth_group",
    "iscsi_create_initiator_group", "iscsi_create_portal_group", "iscsi_create_target_node",
    "iscsi_delete_auth_group", "iscsi_delete_initiator_group", "iscsi_delete_portal_group",
    "iscsi_delete_target_node", "iscsi_enable_histogram", "iscsi_get_auth_groups", "iscsi_get_connections",
    "iscsi_get_histogram", "iscsi_get_initiator_groups", "iscsi_get_options", "iscsi_get_portal_groups",
    "iscsi_get_stats", "iscsi_get_target_nodes", "iscsi_initiator_group_add_initiators",
    "iscsi_initiator_group_remove_initiators", "iscsi_portal_group_set_auth", "iscsi_set_discovery_auth",
    "iscsi_start_portal_group", "iscsi_target_node_add_lun", "iscsi_target_node_add_pg_ig_maps",
    "iscsi_target_node_remove_pg_ig_maps", "iscsi_target_node_request_logout", "iscsi_target_node_set_auth",
    "iscsi_target_node_set_redirect", "mlx5_scan_accel_module", "nbd_get_disks", "nbd_start_disk", "nbd_stop_disk",
    "nvmf_create_target", "nvmf_delete_target",
    "nvmf_publish_mdns_prr", "nvmf_stop_mdns_prr", "scsi_get_devices", "sock_get_default_impl",
    "sock_impl_get_options", "thread_set_cpumask", "trace_clear", "trace_clear_tpoint_mask",
    "trace_disable_tpoint_group", "trace_enable_tpoint_group", "trace_get_info", "trace_get_tpoint_group_mask",
    "trace_set_tpoint_mask", "ublk_create_target", "ublk_destroy_target", "ublk_get_disks", "ublk_recover_disk",
    "ublk_start_disk", "ublk_stop_disk", "vfu_tgt_set_base_path", "vfu_virtio_create_blk_endpoint",
    "vfu_virtio_create_fs_endpoint", "vfu_virtio_create_scsi_endpoint", "vfu_virtio_delete_endpoint",
    "vfu_virtio_scsi_add_target", "vfu_virtio_scsi_remove_target", "vhost_controller_set_coalescing",
    "vhost_create_blk_controller", "vhost_create_scsi_controller", "vhost_delete_controller", "vhost_get_controllers",
    "vhost_scsi_controller_add_target", "vhost_scsi_controller_remove_target", "vhost_start_scsi_controller",
    "virtio_blk_create_transport", "virtio_blk_get_transports", "vmd_enable", "vmd_remove_device", "vmd_rescan",
    // clang-format on
};

}  // namespace

std::span<const std::string_view> spdk_only_methods() noexcept {
    return names;
}

rpc_error not_found(const method_table& methods, std::string_view name) {
    std::string text = "Method not found";
    if (std::ranges::binary_search(names, name))
        text += fmt::format(": SPDK's target has {}, Causeway does not", name);
    else if (const std::string_view nearest = methods.nearest(name); !nearest.empty())
        text += fmt::format(": did you mean {}?", nearest);
    else
        text += ": rpc_get_methods lists them";
    return {error_code::method_not_found, std::move(text)};
}

}  // namespace causeway::rpc
