# SPDX-License-Identifier: Apache-2.0
"""The `causeway` command as a host, of the kernel's own target and of our gateway, over every fabric."""

import json

import pytest

from lab import places
from lab.gateway import TOOL
from lab.kernel_target import KernelTarget
from lab.processes import CommandFailed

NQN = "nqn.2024-01.io.causeway:our-host"
MIB = 1 << 20


@pytest.fixture
def kernel_target(guest):
    target = KernelTarget(guest)
    yield target
    target.close()


def causeway(guest, target, command: str, *words):
    digests = "--header-digest --data-digest" if "digest" in target.fabric.options else ""
    where = f"-t {target.fabric.transport} -a {target.address} -s {target.port} {digests}"
    text = " ".join(str(word) for word in words)
    return json.loads(guest.out(f"{places.binary(TOOL)} {command} {where} {text} --json", timeout=120))


def drive(guest, target) -> None:
    """Discovered, identified, written and read again, measured."""
    assert target.nqn in [entry["subnqn"] for entry in causeway(guest, target, "discover")]
    [identified] = causeway(guest, target, "identify", "-n", target.nqn)
    assert identified["subnqn"] == target.nqn
    assert [n["nsid"] for n in identified["namespaces"]] == [1]
    for size, depth in (("4k", 32), ("128k", 4)):
        done = causeway(guest, target, "perf", "-n", target.nqn, "--verify", "--mix", 50, "--size", size, "--depth", depth,
                        "--region", "4m", "--count", 400)
        assert done["failed"] == 0 and done["verified_blocks"] > 0
        assert done["read"]["commands"] + done["write"]["commands"] >= 400
    done = causeway(guest, target, "perf", "-n", target.nqn, "--seconds", 1, "--warm-up", 0, "--events")
    assert done["read"]["iops"] > 0 and done["read"]["latency_us"]["p99.99"] >= done["read"]["latency_us"]["p50"]


def test_causeway_perf_drives_the_kernels_target(guest, fabric, kernel_target):
    drive(guest, kernel_target.expose(NQN, kernel_target.ram_disk(), fabric=fabric))


def test_causeway_perf_drives_the_gateway(lab, gateway, guest):
    image = f"our-host-{gateway.fabric}"
    lab.cluster.create_image(image, 16 * MIB)
    gateway.add_image(image)
    drive(guest, gateway.add_subsystem(NQN, image))


def test_a_missing_target_is_reported(guest, fabric, kernel_target):
    """The message names the target that could not be reached, or that refused the host."""
    target = kernel_target.expose(NQN, kernel_target.ram_disk(), fabric=fabric)
    with pytest.raises(CommandFailed, match=target.address):
        causeway(guest, target, "identify", "-n", "nqn.2024-01.io.causeway:another")
    kernel_target.close()
    with pytest.raises(CommandFailed, match=target.address):
        causeway(guest, target, "discover")
