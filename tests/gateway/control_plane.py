# SPDX-License-Identifier: Apache-2.0
"""What a control plane like ceph-nvmeof's asks of a gateway: its methods, in its order, with its parameters."""

import hashlib

SUBSYSTEM_LIMIT = 128
NAMESPACE_LIMIT = 512
ANA_GROUPS = 16
BLOCK_SIZE = 512
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"


class ControlPlane:
    """Of one gateway, which was started with `--wait-for-rpc`, or with what `--state` has kept."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.next_notification = 0
        self.nonces: dict[str, str] = {}

    def call(self, method: str, **params):
        return self.gateway.call(method, params or None)

    # Start

    def set_up(self) -> None:
        """Before framework_start_init."""
        assert self.call("nvmf_set_max_subsystems", max_subsystems=SUBSYSTEM_LIMIT) is True
        assert self.call("iobuf_set_options", small_pool_count=8192, large_pool_count=1024, small_bufsize=8192,
                         large_bufsize=135168) is True
        assert self.call("sock_impl_set_options", impl_name="ssl", num_ssl_tickets=0) is True
        self.call("bdev_rbd_set_with_crc32c", enable=True)
        assert self.call("dsa_scan_accel_module", config_kernel_mode=True) is True
        assert self.call("framework_start_init") is True

    def add_transport(self) -> None:
        assert self.call("nvmf_create_transport", trtype="TCP", in_capsule_data_size=8192, max_io_qpairs_per_ctrlr=7) is True

    def look(self) -> None:
        """After the start, and then again and again."""
        assert self.call("spdk_get_version")["version"]
        assert self.call("nvmf_get_transports")
        flags = self.call("log_get_flags")
        assert all(isinstance(on, bool) for on in flags.values())

    def remove_discovery(self) -> None:
        """It has a discovery service of its own."""
        assert self.call("nvmf_delete_subsystem", nqn=DISCOVERY) is True

    def set_log_level(self, level: str) -> list[str]:
        traced = [flag for flag in self.call("log_get_flags") if flag.startswith("nvmf")]
        for flag in traced:
            assert self.call("log_set_flag", flag=flag) is True
        assert self.call("log_set_level", level=level) is True
        assert self.call("log_set_print_level", level=level) is True
        assert self.call("log_get_level") == self.call("log_get_print_level") == level
        return traced

    def reset_log_level(self) -> None:
        for flag in [flag for flag in self.call("log_get_flags") if flag.startswith("nvmf")]:
            assert self.call("log_clear_flag", flag=flag) is True
        assert self.call("log_set_level", level="NOTICE") is True
        assert self.call("log_set_print_level", level="INFO") is True

    def notifications(self) -> list[dict]:
        """What is new."""
        new = self.call("notify_get_notifications", id=self.next_notification)
        if new:
            self.next_notification = new[-1]["id"] + 1
        return new

    # Subsystems, hosts, listeners

    def add_subsystem(self, nqn: str, serial: str) -> None:
        assert self.call("nvmf_create_subsystem", nqn=nqn, serial_number=serial, max_namespaces=NAMESPACE_LIMIT, min_cntlid=1,
                         max_cntlid=2040, ana_reporting=True) is True

    def allow_any_host(self, nqn: str, allowed: bool = True) -> None:
        assert self.call("nvmf_subsystem_allow_any_host", nqn=nqn, allow_any_host=allowed) is True

    def add_host(self, nqn: str, host: str, **keys) -> None:
        """`keys`: files, by the parameter that names the key."""
        names = {kind: f"{kind}_{hashlib.sha256(nqn.encode()).hexdigest()}_{hashlib.sha256(host.encode()).hexdigest()}"
                 for kind in keys}
        for kind, path in keys.items():
            assert self.call("keyring_file_add_key", name=names[kind], path=str(path)) is True
        assert self.call("nvmf_subsystem_add_host", nqn=nqn, host=host, **names) is True
        if "psk" in keys:
            assert self.call("keyring_file_remove_key", name=names["psk"]) is True

    def remove_host(self, nqn: str, host: str) -> None:
        assert self.call("nvmf_subsystem_remove_host", nqn=nqn, host=host) is True

    @staticmethod
    def address(port: int) -> dict:
        return {"trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(port), "adrfam": "IPV4"}

    def add_listener(self, nqn: str, port: int, states: dict[int, str], secure: bool = False) -> None:
        """Nothing is served by it until it has its states."""
        assert self.call("nvmf_subsystem_add_listener", nqn=nqn, listen_address=self.address(port),
                         secure_channel=secure) is True
        for group in range(1, ANA_GROUPS + 1):
            self.set_ana_state(nqn, port, group, states.get(group, "inaccessible"))

    def set_ana_state(self, nqn: str, port: int, group: int, state: str) -> None:
        assert self.call("nvmf_subsystem_listener_set_ana_state", nqn=nqn, listen_address=self.address(port), ana_state=state,
                         anagrpid=group) is True

    def ana_states(self, nqn: str, port: int) -> dict[int, str]:
        """Of the groups that it uses."""
        for listener in self.call("nvmf_subsystem_get_listeners", nqn=nqn):
            if listener["address"]["trsvcid"] == str(port):
                return {s["ana_group"]: s["ana_state"] for s in listener["ana_states"] if s["ana_group"] <= ANA_GROUPS}
        raise KeyError(port)

    def remove_listener(self, nqn: str, port: int) -> None:
        assert self.call("nvmf_subsystem_remove_listener", nqn=nqn, listen_address=self.address(port)) is True

    # Images and namespaces

    def add_cluster(self, name: str, **how) -> str:
        """Its addresses, by which the monitors can fence it."""
        self.nonces[name] = self.call("bdev_rbd_register_cluster", name=name, **how)
        assert isinstance(self.nonces[name], str)
        return self.nonces[name]

    def add_image(self, cluster: str, image: str, uuid: str) -> str:
        device = f"bdev_{uuid}"
        assert self.call("bdev_rbd_create", name=device, cluster_name=cluster, pool_name="rbd", rbd_name=image,
                         block_size=BLOCK_SIZE, uuid=uuid) == device
        return device

    def add_namespace(self, nqn: str, device: str, uuid: str, group: int, nsid: int = 0, visible: bool = True) -> int:
        namespace = {"bdev_name": device, "anagrpid": group, "uuid": uuid, "ptpl_file": f"/tmp/{device}.json",
                     "no_auto_visible": not visible}
        if nsid:
            namespace["nsid"] = nsid
        given = self.call("nvmf_subsystem_add_ns", nqn=nqn, namespace=namespace)
        assert not nsid or given == nsid
        return given

    def remove_namespace(self, nqn: str, nsid: int) -> None:
        assert self.call("nvmf_subsystem_remove_ns", nqn=nqn, nsid=nsid) is True

    def make_optimized(self, nqn: str, port: int, group: int, clusters: list[str]) -> None:
        """Takes a group over: its dead owner is on the blocklist, and each client that may serve has to know it."""
        for cluster in clusters:
            assert self.call("bdev_rbd_wait_for_latest_osdmap", name=cluster) is True
        self.set_ana_state(nqn, port, group, "optimized")

    # What its exporter asks for

    def statistics(self) -> dict:
        threads = self.call("thread_get_stats")
        return {"cores": [t["name"] for t in threads["threads"] if "poll" in t["name"] and t["busy"] + t["idle"] > 0],
                "groups": [g["name"] for g in self.call("nvmf_get_stats")["poll_groups"]],
                "disks": {b["name"]: b for b in self.call("bdev_get_iostat")["bdevs"]}}
