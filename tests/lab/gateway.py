# SPDX-License-Identifier: Apache-2.0
"""`causewayd` in a guest: started, configured over JSON-RPC, stopped or killed, and looked into."""

import json
import signal
import time

from . import places
from .channel import Process
from .fabric import RDMA, Fabric
from .guest import RXE_ADDRESS
from .machine import Machine
from .processes import CommandFailed
from .initiator import Target

DAEMON = "gateway/causewayd"
TOOL = "tools/causeway"
STARTS_WITHIN = 60
STOPS_WITHIN = 30


class RpcError(CommandFailed):
    """The gateway refused a request, or did not start or end as requested."""


class Gateway:
    """One daemon. What configured it is remembered, so that `restart` can hand it back as a configuration file.

    `host` is the machine it runs on; its log is in that machine's share. With `ceph_conf`, a `with` block begins with
    a gateway that knows that cluster, and `fabric`. `address`: where it listens unless told otherwise.
    """

    def __init__(self, host: Machine, *, ceph_conf: str | None = None, fabric: Fabric = RDMA, cores: str = "0x3",
                 options: str = "", name: str = "causewayd", address: str = RXE_ADDRESS):
        self.host = host
        self._ceph_conf = ceph_conf
        self.fabric = fabric
        self.address = address
        self.name = name
        self.socket = f"/tmp/{name}.sock"
        self.log = host.share / f"{name}.log"
        self._log_begin = len(self._log_text())    # the gateway before us wrote that
        self._command = f"{places.binary(DAEMON)} -m {cores} -r {self.socket} {options}"
        self._process: Process | None = None
        self._asked: list[tuple[str, dict]] = []

    def __enter__(self) -> "Gateway":
        self.start()
        try:
            if self._ceph_conf:
                self.add_cluster(self._ceph_conf)
                self.add_transport(self.fabric)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    # Its life

    def start(self, config: dict | None = None) -> "Gateway":
        """Starts it, with a configuration in the form of `save_config`, and waits until it answers."""
        file = ""
        if config is not None:
            (self.host.share / f"{self.name}.json").write_text(json.dumps(config, indent=1))
            file = f"--json {self.host.inside}/{self.name}.json"
        self._process = self.host.start(f"exec {self._command} {file} >> {self.host.inside}/{self.name}.log 2>&1")
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._tool("spdk_get_version").ok:
            if not self._process.running or time.monotonic() > deadline:
                raise RpcError(f"{self.name} did not start: {self._command} {file}\n{self.last_words()}")
            time.sleep(0.2)
        return self

    def stop(self) -> int:
        """Asks the gateway to end and returns its exit status. If it does not end, it is killed, and that is an error."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.kill(signal.SIGTERM)
        rc = process.wait(STOPS_WITHIN).rc
        if rc:
            raise RpcError(f"{self.name} ended with status {rc}\n{self.last_words()}")
        return rc

    def kill(self) -> None:
        """Ends the gateway as a crash would."""
        self._process.kill(signal.SIGKILL)
        self._process.wait(STOPS_WITHIN)
        self._process = None

    def restart(self) -> "Gateway":
        """Starts the gateway again with the configuration that it had before."""
        return self.start(self.config())

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        return self._process.pid

    def last_words(self, lines: int = 30) -> str:
        """The end of its log; the output of the shell or the loader if it did not write one."""
        said = "\n".join(self._log_text()[self._log_begin:].splitlines()[-lines:])
        return said or (self._process.errors() if self._process else "") or "(it logged nothing)"

    def await_log(self, text: str, within: float = 60) -> None:
        """Waits until its log has that: the gateway's log has a thread of its own."""
        deadline = time.monotonic() + within
        while text not in self._log_text():
            assert time.monotonic() < deadline, f"not in the log within {within} s: {text}"
            time.sleep(0.02)

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # What it is told

    def rpc(self, method: str, params: dict | None = None):
        """One request through the `causeway` command; its result."""
        done = self._tool(method, params)
        if not done.ok:
            raise RpcError(f"{method} {json.dumps(params)}: {done.err.strip() or done.out.strip()}")
        return json.loads(done.out)

    def tell(self, method: str, params: dict):
        """A request that changes the configuration: done now, and again by every `restart`."""
        result = self.rpc(method, params)
        self._asked.append((method, params))
        return result

    def tell_later(self, method: str, params: dict) -> None:
        """A call for `restart` alone: for a gateway that does not run."""
        self._asked.append((method, params))

    def forget(self, method: str, **fields) -> None:
        """Removes calls of `method` with these parameters from those that `tell` has recorded."""
        self._asked = [(m, p) for m, p in self._asked if not (m == method and fields.items() <= p.items())]

    def config(self) -> dict:
        """All recorded calls, in the form of `save_config`: keys and devices first, then the target."""
        def of(subsystem):
            return [{"method": m, "params": p} for m, p in self._asked if m.startswith(f"{subsystem}_")]
        return {"subsystems": [{"subsystem": s, "config": of(s)} for s in ("keyring", "bdev", "nvmf")]}

    def add_cluster(self, conf: str, name: str = "ceph", user: str = "admin", **more) -> None:
        self.tell("bdev_rbd_register_cluster", {"name": name, "user_id": user, "config_file": conf, **more})

    def remove_cluster(self, name: str) -> None:
        self.rpc("bdev_rbd_unregister_cluster", {"name": name})
        self.forget("bdev_rbd_register_cluster", name=name)

    def add_transport(self, fabric: Fabric) -> None:
        self.tell("nvmf_create_transport", {"trtype": fabric.trtype})

    def add_image(self, image: str, *, block_size: int = 4096, pool: str = "rbd", cluster: str = "ceph") -> str:
        """An image as a block device of the same name."""
        return self.tell("bdev_rbd_create", {"name": image, "pool_name": pool, "rbd_name": image,
                                             "block_size": block_size, "cluster_name": cluster})

    def attach_nvme(self, name: str, address: str) -> list[str]:
        """A controller of this machine that is bound to vfio-pci; the names of its block devices."""
        return self.tell("bdev_nvme_attach_controller", {"name": name, "trtype": "PCIe", "traddr": address})

    def add_subsystem(self, nqn: str, *bdevs: str, address: str | None = None, port: int = 4420) -> Target:
        """A subsystem with these namespaces, listening on the gateway's fabric: for any host, over TLS for those admitted."""
        self.tell("nvmf_create_subsystem", {"nqn": nqn, "allow_any_host": not self.fabric.secure,
                                            "serial_number": serial_number(nqn)})
        for bdev in bdevs:
            self.tell("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": bdev}})
        return self.add_listener(Target(nqn, address or self.address, port, self.fabric))

    def add_listener(self, target: Target) -> Target:
        """Makes a subsystem listen where `target` says, with a secure channel if hosts use one there."""
        secure = {"secure_channel": True} if target.fabric.secure else {}
        self.tell("nvmf_subsystem_add_listener", {**listener(target), **secure})
        return target

    def admit(self, nqn: str, host_nqn: str, key: str) -> None:
        """Allows a host that has this key: one for each subsystem."""
        file = self.host.share / f"{key_name(nqn)}.key"
        file.touch(0o600)
        file.write_text(key + "\n")
        self.tell("keyring_file_add_key", {"name": key_name(nqn), "path": f"{self.host.inside}/{file.name}"})
        self.tell("nvmf_subsystem_add_host", {"nqn": nqn, "host": host_nqn, "psk": key_name(nqn)})

    def dismiss(self, nqn: str, host_nqn: str) -> None:
        """Removes that host again."""
        self.rpc("nvmf_subsystem_remove_host", {"nqn": nqn, "host": host_nqn})
        self.forget("nvmf_subsystem_add_host", nqn=nqn)
        self._remove_key(nqn)

    def remove_listener(self, target: Target) -> None:
        self.rpc("nvmf_subsystem_remove_listener", listener(target))
        self.forget("nvmf_subsystem_add_listener", **listener(target))

    def remove_subsystem(self, nqn: str) -> None:
        self.rpc("nvmf_delete_subsystem", {"nqn": nqn})
        for method in ("nvmf_create_subsystem", "nvmf_subsystem_add_ns", "nvmf_subsystem_add_listener",
                       "nvmf_subsystem_add_host"):
            self.forget(method, nqn=nqn)
        if self.fabric.secure:
            self._remove_key(nqn)

    def remove_image(self, image: str) -> None:
        self.rpc("bdev_rbd_delete", {"name": image})
        self.forget("bdev_rbd_create", name=image)

    def _remove_key(self, nqn: str) -> None:
        self.rpc("keyring_file_remove_key", {"name": key_name(nqn)})
        self.forget("keyring_file_add_key", name=key_name(nqn))

    # What it says of itself

    def rpc_words(self, method: str) -> list[str]:
        """A request without parameters, as a command of its machine."""
        return [str(places.binary(TOOL)), "rpc", "-s", self.socket, method]

    def bdev(self, name: str) -> dict:
        return self.rpc("bdev_get_bdevs", {"name": name})[0]

    def main_core(self, image: str) -> int:
        """The core of an image's main thread."""
        return self.bdev(image)["driver_specific"]["rbd"]["main_core"]

    def resources(self) -> dict[str, int]:
        """The counts that a leak would increase: open files, resident KiB, TCP sockets, and its objects on the RDMA device."""
        counted = self.host.out(f"""
            ls /proc/{self.pid}/fd | wc -l
            awk '/^VmRSS/ {{print $2}}' /proc/{self.pid}/status
            ss -Htanp | grep -cw 'pid={self.pid}'
            for kind in qp cq mr pd cm_id; do rdma resource show $kind | grep -cw 'pid {self.pid}'; done
            true""").split()
        return dict(zip(("files", "rss_kib", "sockets", "qp", "cq", "mr", "pd", "cm_id"), map(int, counted), strict=True))

    def settled_resources(self, seconds: float = 30) -> dict[str, int]:
        """`resources` once they no longer change: when the gateway has released its last host."""
        counts, end = self.resources(), time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            before, counts = counts, self.resources()
            if counts == before:
                break
        return counts

    def _tool(self, method: str, params: dict | None = None):
        words = [] if params is None else [json.dumps(params)]
        return self.host.run([*self.rpc_words(method), *words], timeout=60)


def listener(target: Target) -> dict:
    """A listener of a subsystem, as the RPCs name it."""
    return {"nqn": target.nqn, "listen_address": listen_address(target.address, target.port, target.fabric)}


def listen_address(address: str, port: int, fabric: Fabric = RDMA) -> dict[str, str]:
    """A listener's place, as the RPCs name it."""
    return {"trtype": fabric.trtype, "adrfam": "IPv6" if ":" in address else "IPv4", "traddr": address, "trsvcid": str(port)}


def key_name(nqn: str) -> str:
    """The name of the key that a subsystem's host has."""
    return nqn.rpartition(":")[2]


def serial_number(nqn: str) -> str:
    """At most 20 characters that tell subsystems apart."""
    return nqn.rpartition(":")[2][-20:]
