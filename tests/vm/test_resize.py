# SPDX-License-Identifier: Apache-2.0
"""Images that change their size while a host uses them."""

import pytest

from lab import disk, fio
from lab.fabric import RDMA, TCP

pytestmark = pytest.mark.over(RDMA, TCP)    # a host hears of it by its admin queue, which digests do not change

MIB = 1 << 20


@pytest.fixture
def served(lab, lasting_gateway, host, own_name):
    attached = disk.attach(lab, lasting_gateway, host, own_name, "16M")
    yield attached
    disk.withdraw(lab, lasting_gateway, host, attached)


def wait_for_size(guest, device: str, size: int) -> None:
    guest.until(f"[ $(cat /sys/block/{device.removeprefix('/dev/')}/size) = {size // 512} ]", 30)


def test_an_image_grown_in_the_cluster_grows_for_its_host(lab, lasting_gateway, guest, served):
    lab.cluster.rbd("resize", f"rbd/{served.image}", "--size", "32M", "--no-progress")
    wait_for_size(guest, served.device, 32 * MIB)
    assert lasting_gateway.bdev(served.image)["num_blocks"] == 32 * MIB // 4096
    fio.verify(guest, served.device, bs="64k", size="8m", more="--offset=24m")


def test_an_image_shrunk_in_the_cluster_shrinks_for_its_host(lab, guest, served):
    lab.cluster.rbd("resize", f"rbd/{served.image}", "--size", "8M", "--allow-shrink", "--no-progress")
    wait_for_size(guest, served.device, 8 * MIB)
    assert guest.run(f"dd if=/dev/zero of={served.device} bs=4k count=1 seek=2048 oflag=direct").rc != 0, "past the end"
    fio.verify(guest, served.device, bs="64k", size="4m")


def test_an_image_resized_through_the_gateway_is_resized_for_both(lab, lasting_gateway, guest, served):
    load = fio.start_verify(guest, served.device, size="4m", more="--rate_iops=300")
    for mib in (48, 24):
        assert lasting_gateway.rpc("bdev_rbd_resize", {"name": served.image, "new_size": mib, "allow_shrink": True}) is True
        wait_for_size(guest, served.device, mib * MIB)
        assert lab.cluster.image(served.image)["size"] == mib * MIB
    assert load.wait(60).ok, "what a resize does not touch goes on"
