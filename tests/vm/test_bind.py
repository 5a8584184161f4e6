# SPDX-License-Identifier: Apache-2.0
"""deploy/causeway-bind with a real kernel: devices in use stay with it. tests/deploy has all refusals."""

import contextlib

import pytest

from lab import nvme_slots, places

DISK = "/dev/nvme0n1"


@pytest.fixture(scope="module")
def guest(drives):
    guest = drives.guest
    guest.until(f"[ -b {DISK} ]")
    yield guest
    assert guest.kernel_complaints() == ""


@pytest.fixture
def address(drives) -> str:
    """Of the controller with DISK."""
    return drives.left.address(drives.guest)


@contextlib.contextmanager
def mounted(guest):
    guest.out(f"mkfs.ext4 -q -F {DISK} && mkdir -p /mnt/used && mount {DISK} /mnt/used")
    try:
        yield
    finally:
        guest.out("umount /mnt/used")


@contextlib.contextmanager
def mounted_elsewhere(guest):
    """In another mount namespace, under another name."""
    guest.out(f"mkfs.ext4 -q -F {DISK} && mkdir -p /mnt/used && cp -a {DISK} /tmp/another-name")
    hidden = guest.start("exec unshare -m sh -c 'mount /tmp/another-name /mnt/used && echo mounted && exec sleep 1000'")
    hidden.wait_for("mounted")
    try:
        yield
    finally:
        hidden.kill()
        hidden.wait()


@contextlib.contextmanager
def swap(guest):
    guest.out(f"mkswap {DISK} && swapon {DISK}")
    try:
        yield
    finally:
        guest.out(f"swapoff {DISK}")


@contextlib.contextmanager
def device_mapper(guest):
    guest.out(f"modprobe dm-mod && dmsetup create used --noudevsync --noudevrules --table '0 2048 linear {DISK} 0'")
    try:
        yield
    finally:
        guest.out("dmsetup remove --noudevsync used")


@contextlib.contextmanager
def loop(guest):
    guest.out(f"modprobe loop && losetup /dev/loop0 {DISK}")
    try:
        yield
    finally:
        guest.out("losetup -d /dev/loop0")


@contextlib.contextmanager
def kernel_target(guest):
    subsystem = "/sys/kernel/config/nvmet/subsystems/used"
    guest.out(f"""set -e
        modprobe nvmet
        mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
        mkdir -p {subsystem}/namespaces/1
        echo -n {DISK} > {subsystem}/namespaces/1/device_path
        echo 1 > {subsystem}/namespaces/1/enable""")
    try:
        yield
    finally:
        guest.out(f"rmdir {subsystem}/namespaces/1 {subsystem}")


@contextlib.contextmanager
def a_process(guest):
    reader = guest.start(f"exec 3< {DISK}; echo open; exec sleep 1000")
    reader.wait_for("open")
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


@pytest.mark.parametrize("using, reason", [
    (mounted, "nvme0n1 is mounted at /mnt/used"),
    (mounted_elsewhere, "nvme0n1 is mounted at /mnt/used (as process "),
    (swap, "nvme0n1 is swap"),
    (device_mapper, "nvme0n1 is part of dm-0"),
    (loop, "nvme0n1 is behind loop0"),
    (kernel_target, "nvme0n1 is exported by the kernel's NVMe target (subsystem used)"),
    (a_process, "sleep (process "),
], ids=lambda value: value.__name__ if callable(value) else "")
def test_devices_in_use_stay_with_the_kernel(guest, address, using, reason):
    with using(guest):
        refused = guest.run([nvme_slots.BIND, "bind", address])
        assert refused.rc == 1 and f"{address}: {reason}" in refused.err, refused
        assert driver(guest, address) == "nvme"
        assert reason in guest.out([nvme_slots.BIND, "status"])


def test_a_group_that_a_process_has_open_is_not_unbound(guest, address):
    """The disk comes and goes with its driver, and its content stays."""
    guest.out(f"head -c 1M /dev/urandom > /tmp/content && dd if=/tmp/content of={DISK} bs=1M oflag=direct status=none")
    guest.out([nvme_slots.BIND, "bind", address])
    assert driver(guest, address) == "vfio-pci"
    assert not guest.run(f"[ -b {DISK} ]").ok
    assert "free for Causeway" in guest.out([nvme_slots.BIND, "status", address])
    user = guest.start(f"exec 3<> /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)); "
                       "echo open; exec sleep 1000")
    user.wait_for("open")
    refused = guest.run([nvme_slots.BIND, "unbind", address])
    assert refused.rc == 1 and f"{address}: sleep (process " in refused.err, refused
    assert driver(guest, address) == "vfio-pci"
    user.kill()
    user.wait()
    guest.out([nvme_slots.BIND, "unbind", address])
    assert driver(guest, address) == "nvme"
    guest.until(f"[ -b {DISK} ]")
    guest.out(f"dd if={DISK} bs=1M count=1 iflag=direct status=none | cmp - /tmp/content")


def test_the_lab_shows_what_the_iommu_prevented(guest, drives):
    """Otherwise an empty report would prove nothing in other tests."""
    address = drives.right.address(guest)
    assert guest.iommu_faults() == ""
    drives.bind(drives.right)
    assert guest.out(f"/usr/bin/python3 {places.INSIDE}/stray_dma.py {address}") == "version 10400\n"
    guest.until("dmesg | grep -q 'DMAR:.*fault addr 0xdead0000'")
    assert "fault addr 0xdead0000" in guest.iommu_faults()
    drives.unbind(drives.right)


def driver(guest, address: str) -> str:
    return guest.out(f"basename $(readlink /sys/bus/pci/devices/{address}/driver)").strip()
