# SPDX-License-Identifier: Apache-2.0
"""Two gateways with the same RBD images. The first is stopped for longer than its hosts wait, while writes are on their
way to it; newer data is written through the second one meanwhile. When the first one continues, the old writes must not
overwrite the newer data.

Over any fabric: it needs gateways that serve the images, and a function that connects a host.
"""

import contextlib
import time
from pathlib import Path
from typing import Protocol

from gateway.daemon import Daemon, stopped
from lab.ceph import Cluster

NQN = "nqn.2024-01.io.causeway:shared"
BLOCK = 512

FEATURES = {
    "plain": "layering",                     # nothing at the cluster tells the gateways apart
    "lent": "layering,exclusive-lock",       # the first gateway has given the lock up to the second before it is stopped
    "held": "layering,exclusive-lock",       # it has the lock: the second gateway blocklists its client
}
IMAGES = tuple(FEATURES)
"""The images of namespaces 1, 2 and 3."""

KATO = 2000
"""Milliseconds; shorter than the stall."""

GRANTS_KATO = {"min_kato": KATO, "kas": 10}
"""Options of a transport that grants such a timeout."""

GONE, LATE, HERE, FRESH = range(4)
"""One block for each host, and one that is written afterwards."""

INTERRUPTED = 0x21    # Generic: Command Interrupted
OLD, NEW, NEXT = (bytes([n]) * BLOCK for n in (1, 2, 3))


class Host(Protocol):
    """A connection with one I/O queue."""

    def write(self, nsid: int, lba: int, block: bytes) -> None:
        """Returns when the write is acknowledged."""

    def read(self, nsid: int, lba: int) -> bytes: ...

    def send_write(self, nsid: int, lba: int, block: bytes) -> None:
        """Sends a write with in-capsule data and does not wait for its response."""

    def answer(self) -> int | None:
        """The status of the next response, without DNR. None: the connection is closed. DNR is an error."""

    def leave(self) -> None: ...


def create_images(cluster: Cluster) -> None:
    for name, features in FEATURES.items():
        cluster.create_image(name, "8M", features=features)


def serve(gateway: Daemon, cluster: Cluster, listen_address: dict) -> str:
    """Serves the images to any host. Returns the address of the Ceph client that has "held" open."""
    kept = Path(f"{gateway.socket}.clients")
    known: set[str] = set()
    for client in ("shared", "fenced"):
        known = addresses(kept)
        gateway.call("bdev_rbd_register_cluster",
                     {"name": client, "user_id": "admin", "config_file": str(cluster.conf)})
    fenced, = addresses(kept) - known
    gateway.call("nvmf_create_subsystem", {"nqn": NQN, "allow_any_host": True, "serial_number": "SHARED"})
    for name in IMAGES:
        gateway.call("bdev_rbd_create", {"name": name, "pool_name": "rbd", "rbd_name": name, "block_size": BLOCK,
                                         "cluster_name": "fenced" if name == "held" else "shared"})
        gateway.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": name}})
    gateway.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": listen_address})
    return fenced


def addresses(kept: Path) -> set[str]:
    """The addresses of a gateway's Ceph clients, as the blocklist shows them."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    return {line.split()[1] for line in lines if not line.startswith("#")}


def stop_and_take_over(cluster: Cluster, first: Daemon, fenced: str, connect_first, connect_second) -> None:
    """`connect_…(name, kato)` returns a context with a Host of that gateway; KATO 0 means no Keep Alive."""
    with contextlib.ExitStack() as hosts:
        here = hosts.enter_context(connect_first("here", 0))
        elsewhere = hosts.enter_context(connect_second("elsewhere", 0))
        for nsid, image in enumerate(IMAGES, 1):
            for host in (here, elsewhere) if image == "lent" else (elsewhere, here):
                host.write(nsid, FRESH, OLD)    # the last one has the lock
        gone, late = (hosts.enter_context(connect_first(name, KATO)) for name in ("gone", "late"))

        with stopped(first):
            for nsid in range(1, len(IMAGES) + 1):
                for lba, host in ((GONE, gone), (LATE, late), (HERE, here)):
                    host.send_write(nsid, lba, OLD)
            gone.leave()
            cluster.ceph("osd", "blocklist", "add", fenced)
            for nsid in range(1, len(IMAGES) + 1):
                for lba in (GONE, LATE, HERE):
                    elsewhere.write(nsid, lba, NEW)

        for _ in IMAGES:
            assert here.answer() == INTERRUPTED, "a host that is still connected must repeat the write"
        while (status := late.answer()) is not None:
            assert status == INTERRUPTED
        wait_until(lambda: len(first.call("nvmf_subsystem_get_controllers", {"nqn": NQN})) == 1, "others' controllers stay")
        wait_until(lambda: rbd(first, "held")["reopened"] == 1, "the fenced image does not come back")
        stale = sum(group["stale_commands"] for group in first.call("nvmf_get_stats")["poll_groups"])
        assert len(IMAGES) <= stale <= 3 * len(IMAGES), "of a host that has gone, some may be dropped with it"
        for nsid, image in enumerate(IMAGES, 1):
            for lba in (GONE, LATE, HERE):
                assert elsewhere.read(nsid, lba) == NEW, image
                assert here.read(nsid, lba) == NEW, image
            here.write(nsid, FRESH, NEXT)    # it goes on, and takes the locks back
            assert elsewhere.read(nsid, FRESH) == NEXT, image


def rbd(gateway: Daemon, name: str) -> dict:
    return gateway.call("bdev_get_bdevs", {"name": name})[0]["driver_specific"]["rbd"]


def contents_must_be_new(cluster: Cluster, folder: Path) -> None:
    """To be called when both gateways have ended, so that nothing can be written later."""
    for name in IMAGES:
        content = cluster.export_image(name, folder / f"{name}.content").read_bytes()
        for lba, block in ((GONE, NEW), (LATE, NEW), (HERE, NEW), (FRESH, NEXT)):
            assert content[lba * BLOCK:(lba + 1) * BLOCK] == block, (name, lba)


def wait_until(true, otherwise: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
