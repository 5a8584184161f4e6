# SPDX-License-Identifier: Apache-2.0
"""A real Ceph cluster of one node, in memory: one monitor, one OSD or several (memstore), cephx, no manager.

Made by hand, step by step, because that takes a second where the usual tools take minutes.
RBD needs no more than this.
"""

import contextlib
import json
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from . import processes

CONF = """\
[global]
fsid = {fsid}
mon host = [v2:{address}:{port_v2},v1:{address}:{port_v1}]
public network = {address}/32
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {keyring}
log file = {logs}/$name.log
admin socket = {run}/$name.$pid.asok
run dir = {run}
crash dir = {run}
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
# a client that died keeps its image's lock for so many seconds; 30 by default, and no test waits that long.
# Clients ask for as many when they watch something.
osd client watch timeout = 8
# the monitor need not collect changes for a second before it agrees with itself
paxos propose interval = 0.05

[mon]
mon data = {folder}/mon
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
# a paused or killed OSD is the test's doing: it stays the owner of its data
mon osd down out interval = 0

[osd]
osd data = {folder}/osd.$id
keyring = {folder}/osd.$id/keyring
# each counts as a machine of its own, so that a rule can choose it
crush location = root=default host=host-$id
# an OSD that is told to end saves its memory; one in a hurry would not
osd fast shutdown = false
# A read lease lasts 0.8 of the heartbeat grace of 20 s, and a paused OSD does not renew it. Alone in a placement group it
# never again takes up what has waited for one that had run out ("waiting for readable").
osd pool default read lease ratio = 30
# how full an OSD is, the monitor knows a moment later: 5 to 11 s by default
osd heartbeat interval = 1
osd mon report interval = 1
osd objectstore = memstore
memstore device bytes = {memory_bytes}
osd memory target = 939524096
osd class load list = *
osd class default list = *
osd numa auto affinity = false
"""

GUEST_CONF = """\
[global]
fsid = {fsid}
mon host = [v2:{address}:{port_v2},v1:{address}:{port_v1}]
keyring = {keyring}
log to stderr = false
osd client watch timeout = 8
"""

STARTS_WITHIN = 60


class Client:
    """A cluster as its users see it: `conf`, and the command line tools in the network where it is."""

    def __init__(self, conf: Path, network=None):
        self.conf = conf
        self.network = network

    def ceph(self, *words, timeout: float = 60) -> str:
        return self._tool("ceph", *words, timeout=timeout)

    def rbd(self, *words, timeout: float = 60) -> str:
        return self._tool("rbd", *words, timeout=timeout)

    def create_image(self, name: str, size: str | int, *, pool: str = "rbd", features: str = "layering,exclusive-lock",
                     object_size: str | None = None) -> None:
        """`size` in bytes, or as rbd says it ("64M"). With these `features` the kernel's client can map it too."""
        size = f"{size}B" if isinstance(size, int) else size
        more = ["--object-size", object_size] if object_size else []
        self.rbd("create", f"{pool}/{name}", "--size", size, "--image-feature", features, *more)

    def remove_image(self, name: str, *, pool: str = "rbd") -> None:
        self.rbd("rm", f"{pool}/{name}", "--no-progress", timeout=120)

    def export_image(self, name: str, path: Path, *, pool: str = "rbd") -> Path:
        """The image's content as a file, read past everything under test."""
        self.rbd("export", f"{pool}/{name}", path, "--no-progress", timeout=300)
        return Path(path)

    def image(self, name: str, *, pool: str = "rbd") -> dict:
        return json.loads(self.rbd("info", f"{pool}/{name}", "--format", "json"))

    def _tool(self, program: str, *words, timeout: float) -> str:
        return processes.run([program, "-c", self.conf, *words], network=self.network, timeout=timeout).stdout


class Cluster(Client):
    """`with Cluster(folder) as cluster:` on loopback, or at the address of `network`, where guests reach it too."""

    def __init__(self, folder: Path, *, logs: Path | None = None, network=None, memory_bytes: int = 4 << 30,
                 osds: int = 1, outlive: bool = False):
        """`memory_bytes`: of each OSD. `outlive`: the daemons do not end with us."""
        self.folder = Path(folder).resolve()
        super().__init__(self.folder / "ceph.conf", network)
        self.keyring = self.folder / "keyring"
        self.fsid = str(uuid.uuid4())
        self.address = network.address if network else "127.0.0.1"
        self._outlive = outlive
        self.start_seconds = 0.0
        self._logs = Path(logs or self.folder / "log")
        self._memory_bytes = memory_bytes
        self._port_v2, self._port_v1 = (3300, 6789) if network else free_ports(self.address, 2)
        self._mon: subprocess.Popen | None = None
        self._osds: list[subprocess.Popen | None] = [None] * osds
        self._osd_words: dict[int, list[str]] = {}    # options of one OSD alone

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> "Cluster":
        started = time.monotonic()
        try:
            self._write_configuration()
            self._start_mon()
            for osd in range(len(self._osds)):
                self._make_osd(osd)
                self._run_osd(osd)
            self._wait_until_osds_are_up()
            self.create_pool("rbd")
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started
        return self

    def stop(self) -> None:
        """Ends the daemons. All is in memory: there is nothing to flush, so nothing to wait for."""
        for daemon in (*self._osds, self._mon):
            processes.end(daemon, grace=0)
        self._osds, self._mon = [None] * len(self._osds), None

    def pids(self) -> list[int]:
        return [daemon.pid for daemon in (self._mon, *self._osds)]

    def osd_pid(self, osd: int = 0) -> int:
        return self._osds[osd].pid

    def add_osd(self, memory_bytes: int) -> int:
        """One more OSD, of that size, for pools that are created on it by name; its number."""
        osd = len(self._osds)
        self._osds.append(None)
        self._osd_words[osd] = ["--memstore-device-bytes", str(memory_bytes),
                                "--crush-location", f"root=apart host=host-{osd}"]
        folder = self.folder / f"osd.{osd}"
        folder.mkdir()
        self.ceph("auth", "get-or-create", f"osd.{osd}", "mon", "allow profile osd", "osd", "allow *",
                  "-o", folder / "keyring")
        self._make_osd(osd)
        self.start_osd(osd)
        return osd

    def create_pool(self, name: str, *, osd: int | None = None) -> None:
        """A pool for images; all of it on that OSD, if one is named."""
        rule = []
        if osd is not None:
            self.ceph("osd", "crush", "rule", "create-replicated", f"only-{osd}", f"host-{osd}", "osd")
            rule = ["8", "replicated", f"only-{osd}"]
        self.ceph("osd", "pool", "create", name, "8", *rule)
        self.rbd("pool", "init", name)

    # What goes wrong

    def mon_pause(self) -> None:
        """The monitor does not answer; whoever is connected stays connected."""
        self._mon.send_signal(signal.SIGSTOP)

    def mon_resume(self) -> None:
        self._mon.send_signal(signal.SIGCONT)

    def osd_pause(self, osd: int = 0) -> None:
        """The OSD does not answer, as if its machine hung."""
        self._osds[osd].send_signal(signal.SIGSTOP)

    def osd_resume(self, osd: int = 0) -> None:
        self._osds[osd].send_signal(signal.SIGCONT)

    def kill_osd(self, osd: int = 0) -> None:
        """The OSD goes away; it saves its data, for `start_osd` to come back with."""
        processes.end(self._osds[osd], grace=30)

    def start_osd(self, osd: int = 0) -> None:
        self._run_osd(osd)
        self._wait_until_osds_are_up()

    def blocklist_client_of(self, image: str, *, pool: str = "rbd") -> None:
        """Whoever has the image open is fenced, with all else that it has open."""
        for watcher in json.loads(self.rbd("status", f"{pool}/{image}", "--format", "json"))["watchers"]:
            self.ceph("osd", "blocklist", "add", watcher["address"])

    @contextlib.contextmanager
    def osds_full_at(self, ratio: float):
        """Within, an OSD that has used so much of its memory is full, and with it each pool that has a part there."""
        def set_ratios(nearfull: float, backfillfull: float, full: float) -> None:
            for kind, value in (("nearfull", nearfull), ("backfillfull", backfillfull), ("full", full)):
                self.ceph("osd", f"set-{kind}-ratio", value)
        set_ratios(0.9 * ratio, 0.95 * ratio, ratio)
        try:
            yield
        finally:
            set_ratios(0.85, 0.9, 0.95)

    @contextlib.contextmanager
    def watch_timeout(self, seconds: int):
        """A dead client that opened its images within keeps their locks for so long."""
        self.ceph("tell", "osd.*", "config", "set", "osd_client_watch_timeout", seconds)
        try:
            yield
        finally:
            self.ceph("tell", "osd.*", "config", "unset", "osd_client_watch_timeout")

    # For guests

    def guest_conf(self, share: Path, seen_as: str = "/out") -> str:
        """Writes configuration and key into a guest's share; the configuration's path in the guest."""
        (share / "ceph.keyring").write_text(self.keyring.read_text())
        (share / "ceph.conf").write_text(self._fill(GUEST_CONF, keyring=f"{seen_as}/ceph.keyring"))
        return f"{seen_as}/ceph.conf"

    def _fill(self, template: str, **more) -> str:
        values = {"fsid": self.fsid, "address": self.address, "port_v2": self._port_v2, "port_v1": self._port_v1,
                  "keyring": self.keyring, "folder": self.folder, "logs": self._logs, "run": self.folder / "run",
                  "memory_bytes": self._memory_bytes}
        return template.format(**{**values, **more})

    def _write_configuration(self) -> None:
        osds = (self.folder / f"osd.{osd}" for osd in range(len(self._osds)))
        for folder in (self.folder / "mon", *osds, self.folder / "run", self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.conf.write_text(self._fill(CONF))

    def _start_mon(self) -> None:
        """Every key is known to the monitor from its first moment, the OSD's too."""
        seed = self.folder / "mon.keyring"
        admin, *osds = (self._local("ceph-authtool", "--gen-print-key").strip() for _ in range(1 + len(self._osds)))
        self._add_key(seed, "mon.", None, mon="allow *")
        self._add_key(seed, "client.admin", admin, mon="allow *", osd="allow *", mgr="allow *")
        self._add_key(self.keyring, "client.admin", admin)
        for osd, key in enumerate(osds):
            self._add_key(seed, f"osd.{osd}", key, mon="allow profile osd", osd="allow *")
            self._add_key(self.folder / f"osd.{osd}/keyring", f"osd.{osd}", key)
        monmap = self.folder / "monmap"
        addresses = f"[v2:{self.address}:{self._port_v2},v1:{self.address}:{self._port_v1}]"
        self._local("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", addresses, monmap)
        self._local("ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", seed)
        self._mon = self._daemon("ceph-mon", "-i", "a")

    def _add_key(self, keyring: Path, name: str, key: str | None, **caps: str) -> None:
        """A key in a keyring file; a new one if none is given."""
        words = ["--add-key", key] if key else ["--gen-key"]
        for service, cap in caps.items():
            words += ["--cap", service, cap]
        self._local("ceph-authtool", keyring, *([] if keyring.exists() else ["-C"]), "-n", name, *words)

    def _make_osd(self, osd: int) -> None:
        unique = str(uuid.uuid4())
        self.ceph("osd", "new", unique)    # numbered in the order in which they are made
        self._local("ceph-osd", "-c", self.conf, "-i", osd, "--mkfs", "--osd-uuid", unique, "--no-mon-config",
                    *self._osd_words.get(osd, []))

    def _run_osd(self, osd: int) -> None:
        self._osds[osd] = self._daemon("ceph-osd", "-i", osd, *self._osd_words.get(osd, []))

    def _daemon(self, program: str, *words) -> subprocess.Popen:
        """In the foreground: a child of ours, whose process id we know."""
        return processes.spawn([program, "-f", "-c", self.conf, *words], network=self.network, outlive=self._outlive,
                               log=self._logs / f"{program}.out")

    def _local(self, *argv) -> str:
        return processes.run(argv, network=self.network).stdout

    def _wait_until_osds_are_up(self) -> None:
        running = sum(osd.poll() is None for osd in self._osds)
        end = time.monotonic() + STARTS_WITHIN
        while json.loads(self.ceph("osd", "stat", "-f", "json"))["num_up_osds"] < running:
            if time.monotonic() > end:
                said = "\n".join(processes.tail(self._logs / f"osd.{osd}.log") for osd in range(len(self._osds)))
                raise RuntimeError(f"not all OSDs are up after {STARTS_WITHIN} s\n{said}")
            time.sleep(0.1)


def free_ports(address: str, count: int) -> list[int]:
    """Ports on which no process listens now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
