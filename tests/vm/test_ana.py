# SPDX-License-Identifier: Apache-2.0
"""Two gateways with one image, and the kernel's native multipath (Debian 13's): ANA states decide which path it uses."""

import json
import os
import signal
from dataclasses import dataclass, replace

import pytest

from lab import fio
from lab.fabric import TCP
from lab.gateway import Gateway, listener, serial_number
from lab.initiator import PATIENT, Initiator, Target

IMAGE = "ana"
NQN = f"nqn.2024-01.io.causeway:{IMAGE}"
MOVES = 200 if "CAUSEWAY_LONG" in os.environ else 25
SIZE = "4m"


@dataclass(frozen=True)
class Path:
    """One gateway, where it listens, and the host's controller there."""
    gateway: Gateway
    target: Target
    controller: str = ""

    def set(self, state: str) -> None:
        self.gateway.rpc("nvmf_subsystem_listener_set_ana_state", {**listener(self.target), "ana_state": state})


@pytest.fixture(scope="module")
def guest(stage):
    return stage.guest


@pytest.fixture(scope="module")
def host(guest):
    return Initiator(guest)


@pytest.fixture(scope="module")
def paths(stage, host):
    """The first is optimized, the second inaccessible. The image has no lock, which a killed gateway would keep for 30 s."""
    stage.cluster.create_image(IMAGE, "16M", features="layering")
    ends = []
    try:
        for n, state in enumerate(("optimized", "inaccessible")):
            gateway = Gateway(stage.here, ceph_conf=str(stage.cluster.conf), fabric=TCP, address=stage.here.address,
                              name=f"causewayd-ana-{n}-{os.getpid()}", options="--no-huge", cores="0x3").__enter__()
            target = Target(NQN, stage.here.address, 4430 + n, TCP)
            ends.append(Path(gateway, target))
            serve(gateway, target, state, first_cntlid=1 + 1000 * n)
        for end in ends:
            host.connect(end.target, PATIENT)
        yield [replace(end, controller=controller_at(host, end.target)) for end in ends]
        host.disconnect(NQN)
    finally:
        for end in ends:
            end.gateway.stop()
    stage.cluster.remove_image(IMAGE)


def serve(gateway: Gateway, target: Target, state: str, first_cntlid: int) -> None:
    gateway.add_image(IMAGE)
    gateway.tell("nvmf_create_subsystem", {"nqn": NQN, "allow_any_host": True, "serial_number": serial_number(NQN),
                                           "ana_reporting": True, "max_namespaces": 4,
                                           "min_cntlid": first_cntlid, "max_cntlid": first_cntlid + 999})
    gateway.tell("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": IMAGE, "anagrpid": 3}})
    gateway.tell("nvmf_subsystem_add_listener", {**listener(target), "ana_state": state})


def controller_at(host: Initiator, target: Target) -> str:
    for controller in host.controllers(NQN):
        if f"trsvcid={target.port}" in host.machine.out(f"cat /sys/class/nvme/{controller}/address"):
            return controller
    raise AssertionError(f"no controller at {target}")


def ana_log(guest, controller: str) -> list[tuple[int, str, list[int]]]:
    log = json.loads(guest.out(f"nvme ana-log /dev/{controller} -o json"))
    groups = next(value for key, value in log.items() if key.startswith("ANA DESC"))
    return [(group["grpid"], group["state"], [entry["nsid"] for entry in group["NSIDS"]]) for group in groups]


def kernel_state(guest, path: Path) -> str:
    return guest.out(f"cat /sys/class/nvme/{path.controller}/nvme*c*n1/ana_state").strip()


def move(frm: Path, to: Path) -> None:
    """In the order that lets no two gateways write at a time."""
    frm.set("inaccessible")
    to.set("optimized")


def test_the_log_and_the_kernel_say_what_each_gateway_was_told(guest, paths):
    assert [ana_log(guest, path.controller) for path in paths] == [[(3, "optimized", [1])], [(3, "inaccessible", [1])]]
    assert [kernel_state(guest, path) for path in paths] == ["optimized", "inaccessible"]


def test_a_group_that_moves_under_load_loses_no_write_and_fails_none(guest, host, paths):
    """fio checks what it reads back against the order of its writes."""
    device = host.device(NQN)
    load = fio.start_verify(guest, device, size=SIZE, more="--loops=10000")
    here, there = paths
    for n in range(MOVES):
        move(here, there)
        here, there = there, here
        host.wait_for_more_io(here.controller, 30)
        assert load.running, f"move {n}: {load.output()}{load.errors()}"
    if here is not paths[0]:
        move(here, paths[0])
    load.kill(signal.SIGINT)    # not SIGKILL: fio's jobs would live on and write
    load.wait(60)
    assert fio.verify(guest, device, size=SIZE).read.bytes == 4 << 20
    assert guest.out("dmesg | grep -c 'I/O error' || true").strip() == "0"


def test_the_other_gateway_takes_over_from_one_that_is_killed(guest, host, paths):
    device = host.device(NQN)
    load = fio.start_verify(guest, device, size=SIZE, more="--loops=10000")
    first, second = paths
    host.wait_for_more_io(first.controller, 30)
    first.gateway.kill()
    second.set("optimized")
    host.wait_for_more_io(second.controller, 100)
    first.gateway.forget("nvmf_subsystem_add_listener", nqn=NQN)
    first.gateway.tell_later("nvmf_subsystem_add_listener", {**listener(first.target), "ana_state": "inaccessible"})
    first.gateway.restart()
    host.wait_for_state(first.controller, "live", 90)
    move(second, first)
    host.wait_for_more_io(first.controller, 30)
    assert load.running, f"{load.output()}{load.errors()}"
    load.kill(signal.SIGINT)
    load.wait(60)
    assert fio.verify(guest, device, size=SIZE).read.bytes == 4 << 20
