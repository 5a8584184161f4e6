# SPDX-License-Identifier: Apache-2.0
"""SSDs of the gateway's own machine, by its own driver: two emulated controllers behind an IOMMU, exported over RDMA to the same guest.

The tests of this file share one gateway and follow one another: each leaves both controllers attached, exported and connected.
"""

import re

import pytest
import routines

from lab import fio, places
from lab.disk import Disk
from lab.fabric import RDMA
from lab.gateway import DAEMON, Gateway, RpcError
from lab.initiator import PATIENT, Initiator

MIB = 1 << 20
HUGE_PAGES = 384    # of 2 MiB
LEFT, RIGHT = (f"nqn.2024-01.io.causeway:{side}" for side in ("left", "right"))


@pytest.fixture(scope="module")
def guest(drives):
    if not places.binary(DAEMON).exists():
        pytest.skip(f"{places.binary(DAEMON)} is not built")
    drives.guest.out(f"echo {HUGE_PAGES} > /proc/sys/vm/nr_hugepages")
    drives.guest.setup_rxe()
    return drives.guest


@pytest.fixture(scope="module")
def host(guest):
    return Initiator(guest)


@pytest.fixture(scope="module")
def gateway(drives, guest, host):
    drives.bind(drives.left, drives.right)
    with Gateway(guest) as gateway:
        try:
            gateway.add_transport(RDMA)
            yield gateway
        finally:
            print(f"-- end of {gateway.name}'s log\n{gateway.last_words()}")
            host.disconnect_all()    # hosts go first


@pytest.fixture(scope="module")
def names(drives, gateway) -> dict[str, list[str]]:
    """The attached namespaces, by slot."""
    return {slot.name: gateway.attach_nvme(slot.name.title(), slot.address(gateway.host))
            for slot in (drives.left, drives.right)}


@pytest.fixture(scope="module")
def left(gateway, names, host) -> Disk:
    """The controller with blocks of 512 bytes; its second disk has 4 KiB."""
    target = gateway.add_subsystem(LEFT, *names["left"])
    return Disk("Leftn1", target, host.connect(target, PATIENT))


@pytest.fixture(scope="module")
def right(gateway, names, host) -> Disk:
    target = gateway.add_subsystem(RIGHT, *names["right"])
    return Disk("Rightn1", target, host.connect(target, PATIENT))


@pytest.fixture(scope="module")
def disks(left, right, host) -> list[str]:
    return [left.device, host.device(LEFT, 2), right.device]


@pytest.fixture(autouse=True)
def nothing_went_astray(guest):
    """Neither the IOMMU nor the kernel has reported anything."""
    yield
    assert guest.iommu_faults() == ""
    assert guest.kernel_complaints() == ""


# What there is

def test_each_namespace_is_a_device_except_one_with_metadata(gateway, names):
    """That one is left out with the reason."""
    assert names == {"left": ["Leftn1", "Leftn2"], "right": ["Rightn1", "Rightn3"]}
    gateway.await_log("metadata")
    shapes = {name: gateway.bdev(name) for name in names["left"] + names["right"]}
    assert {name: (shape["block_size"], shape["num_blocks"]) for name, shape in shapes.items()} == {
        "Leftn1": (512, 32 * MIB // 512), "Leftn2": (4096, 32 * MIB // 4096), "Rightn1": (4096, 32 * MIB // 4096),
        "Rightn3": (4096, 32 * MIB // 4096)}


def test_controllers_are_listed(drives, guest, gateway, names):
    listed = {each["name"]: each["ctrlrs"][0] for each in gateway.rpc("bdev_nvme_get_controllers")}
    assert set(listed) == {"Left", "Right"}
    for slot in (drives.left, drives.right):
        controller = listed[slot.name.title()]
        assert controller["state"] == "enabled"
        assert controller["trid"] == {"trtype": "PCIe", "traddr": slot.address(guest)}
    [one] = gateway.rpc("bdev_nvme_get_controllers", {"name": "Right"})
    assert one["name"] == "Right"


def test_the_health_log_is_the_devices_own(gateway, names):
    health = gateway.rpc("bdev_nvme_get_controller_health_info", {"name": "Left"})
    assert health["model_number"].strip() == "QEMU NVMe Ctrl"
    assert health["serial_number"].strip() == "left"
    assert (health["critical_warning"], health["temperature_celsius"]) == (0, 50)


@pytest.mark.parametrize("asked, reason", [
    ({"name": "Far", "trtype": "TCP", "traddr": "10.77.1.1"}, "TCP"),
    ({"name": "Far", "trtype": "PCIe", "traddr": "0000:00:1f.2"}, "0000:00:1f.2"),
    ({"name": "Far", "trtype": "PCIe", "traddr": "0000:0f:00.0"}, "0000:0f:00.0"),
    ({"name": "Left", "trtype": "PCIe", "traddr": "0000:0f:00.0"}, "Left"),
], ids=["over another transport", "no NVMe controller", "nothing there", "a name that is taken"])
def test_a_controller_that_cannot_be_attached_is_named(gateway, names, asked, reason):
    with pytest.raises(RpcError, match=re.escape(reason)):
        gateway.rpc("bdev_nvme_attach_controller", asked)


# Data

@pytest.mark.parametrize("bs, mib", [("4k", 2), ("128k", 4), ("1m", 4)], ids=["one page", "a list of pages", "several commands"])
def test_random_writes_read_back(guest, disks, bs, mib):
    """The sizes in between are mixed below."""
    done = fio.verify(guest, *disks, bs=bs, depth=16, size=f"{mib}m")
    assert done.write.bytes == done.read.bytes == mib * MIB * len(disks)


@pytest.mark.parametrize("depth", [1, 2, 32, 128])
def test_every_queue_depth_is_served(guest, disks, depth):
    fio.verify(guest, *disks, depth=depth, size="1m" if depth == 1 else "2m")


@pytest.mark.parametrize("more", ["--bs=1536 --size=1500k --mem=malloc --mem_align=4",
                                  "--bsrange=512-200k --blockalign=512 --bs_unaligned=0 --size=6m --mem=malloc --mem_align=4",
                                  "--bssplit=512/40:4608/20:33280/20:130560/20 --blockalign=512 --size=4m"],
                         ids=["1536 bytes", "512 bytes to 200 KiB", "four odd sizes"])
def test_buffers_and_offsets_may_be_aligned_to_single_blocks(guest, left, more):
    """Buffers lie one behind the other: of blocks of 512 bytes, they begin and end anywhere in a page."""
    fio.verify(guest, left.device, depth=16, more=more)


def test_reads_and_writes_run_at_once(guest, disks):
    fio.verify(guest, *disks, rw="randrw", bs="4k", depth=16, size="2m")


@pytest.mark.parametrize("which", [0, 1], ids=["512", "4096"])
def test_discarded_and_zeroed_blocks_read_as_zeroes(guest, disks, which):
    """Zeroed blocks read as zeroes; the blocks beside zeroed or discarded ones are untouched."""
    routines.discard_and_write_zeroes(guest, disks[which], discarded_reads_zero=False)


@pytest.mark.parametrize("which", [0, 2], ids=["512", "4096"])
def test_a_file_system_lives_on_it(guest, disks, which):
    routines.live_as_file_system(guest, disks[which])


def test_blocks_with_protection_information_are_served(guest, host, right):
    """The controller inserts it into written blocks and checks it in blocks that are read; hosts do not see it."""
    disk = host.device(RIGHT, 2)
    guest.out(f"dd if=/dev/zero of={disk} bs=1M oflag=direct status=none count={host.size(disk) // MIB}", timeout=120)
    done = fio.verify(guest, disk, bs="64k", depth=16, size="8m")
    assert done.write.bytes == done.read.bytes == 8 * MIB


@pytest.mark.parametrize("which", [0, 2], ids=["512", "4096"])
def test_hosts_can_use_the_commands_that_the_drive_supports(guest, disks, which):
    """Hosts can use Copy, which moves no data over the fabric; they cannot use Verify, which this drive does not support."""
    disk, mib = disks[which], 1 << 20
    block = int(guest.out(f"blockdev --getss {disk}"))
    guest.out(f"dd if=/dev/urandom of={disk} bs=1M count=2 oflag=direct status=none")
    # Two ranges, the second before the first: 16 blocks from block 100, 8 from block 4, to block 200.
    guest.out(f"nvme copy {disk} --sdlba=200 --slbs=100,4 --blocks=15,7")
    assert "Invalid Command Opcode" in guest.run(f"nvme verify {disk} --start-block=200 --block-count=23").err
    guest.out(f"""dd if={disk} of=/tmp/image bs={block} count={mib // block} iflag=direct status=none
        cmp -n {16 * block} -i {200 * block}:{100 * block} /tmp/image /tmp/image
        cmp -n {8 * block} -i {216 * block}:{4 * block} /tmp/image /tmp/image""")


# What goes wrong

def test_a_drives_warning_reaches_its_hosts(drives, guest, host, gateway, left, right):
    """The controller reports it to the gateway, and the gateway to its hosts, which also see when it has cleared."""
    def critical_warning(nqn: str) -> str:
        return f"nvme smart-log /dev/{host.controllers(nqn)[0]} -o json | grep -E '\"critical_warning\" *: *[0-9]'"

    def warn(value: int) -> None:
        drives.guest.qmp.command("qom-set", path=f"/machine/peripheral/{drives.left.name}",
                                 property="smart_critical_warning", value=value)

    assert re.search(": *0", guest.out(critical_warning(LEFT)))
    try:
        warn(1)    # the spare capacity is below its threshold
        guest.until(f"{critical_warning(LEFT)} | grep -q ': *1'")
        assert re.search(": *0", guest.out(critical_warning(RIGHT)))
        gateway.await_log("critical warning 01h")
    finally:
        warn(0)
    assert gateway.rpc("bdev_nvme_get_controller_health_info", {"name": "Left"})["critical_warning"] == 0
    assert re.search(": *0", guest.out(critical_warning(LEFT)))


def test_a_controller_reset_under_load_loses_nothing(guest, host, gateway, disks):
    controller = host.controllers(LEFT)[0]
    load = fio.start_verify(guest, *disks[:2], more=fio.SLOWLY, size="4m")
    host.wait_for_more_io(controller)
    resets = 0
    while load.running:
        assert gateway.rpc("bdev_nvme_reset_controller", {"name": "Left"}) is True
        resets += 1
    assert resets > 1
    assert fio.outcome(load.wait(120).check().out).read.bytes == 2 * 4 * MIB
    assert state(gateway, "Left") == "enabled"


@pytest.mark.parametrize("pulled, hot_plug", [(False, False), (False, True), (True, True)],
                         ids=["on request, attached again", "on request, hot plug", "without a word, hot plug"])
def test_removing_a_drive_under_load_ends_its_io_only(drives, guest, host, gateway, left, right, disks, pulled, hot_plug):
    """Its hosts see errors, hosts of the other drive do not; a drive inserted in its place serves them again."""
    gateway.rpc("bdev_nvme_set_hotplug", {"enable": hot_plug, "period_us": 100_000})
    controller = host.controllers(LEFT)[0]
    hit = fio.start_verify(guest, *disks[:2], more=fio.SLOWLY)
    beside = fio.start_verify(guest, right.device, size="6m", more=fio.SLOWLY)
    host.wait_for_more_io(controller)

    drives.left.pull_out(guest) if pulled else drives.left.ask_to_take_out(guest)
    assert not hit.wait(60).ok
    drives.left.wait_until_gone(guest)
    guest.until(f"! [ -b {disks[0]} ] && ! [ -b {disks[1]} ]")
    assert [each["name"] for each in gateway.rpc("bdev_nvme_get_controllers")] == ["Right"]

    drives.left.put_back(guest)
    drives.left.wait_until_seen(guest)
    drives.bind(drives.left)
    if hot_plug:
        guest.until(f"{' '.join(gateway.rpc_words('bdev_get_bdevs'))} | grep -q Leftn2")
    else:
        gateway.rpc("bdev_nvme_attach_controller",
                    {"name": "Left", "trtype": "PCIe", "traddr": drives.left.address(guest)})
    for name in ("Leftn1", "Leftn2"):
        gateway.rpc("nvmf_subsystem_add_ns", {"nqn": LEFT, "namespace": {"bdev_name": name}})
    assert [host.device(LEFT, nsid) for nsid in (1, 2)] == disks[:2]
    fio.verify(guest, *disks[:2], size="1m")
    assert fio.outcome(beside.wait(60).check().out).read.bytes == 6 * MIB
    gateway.rpc("bdev_nvme_set_hotplug", {"enable": False})


@pytest.mark.parametrize("which", ["left", "right"])
def test_a_gateway_killed_and_restarted_under_load_loses_nothing(guest, host, gateway, left, right, which):
    """The crash leaves commands outstanding at the devices; the next gateway attaches them in that state."""
    routines.restart_under_load(guest, host, gateway, left if which == "left" else right, gateway.kill)


# What stays

def test_the_kernels_driver_reads_what_was_written(drives, guest, host, gateway, disks):
    """Once through the gateway, then without it; the devices have been shut down in order."""
    fio.verify(guest, *disks, bs="16k", depth=32, size="2m")
    through = [checksum(guest, disk) for disk in disks]
    host.disconnect_all()
    gateway.stop()
    drives.unbind(drives.left, drives.right)
    own = [own_disk(guest, serial, nsid) for serial, nsid in (("left", 1), ("left", 2), ("right", 1))]
    assert [checksum(guest, disk) for disk in own] == through


def state(gateway, name: str) -> str:
    [controller] = gateway.rpc("bdev_nvme_get_controllers", {"name": name})
    return controller["ctrlrs"][0]["state"]


def checksum(guest, device: str) -> str:
    return guest.out(f"dd if={device} bs=1M iflag=direct status=none | sha256sum", timeout=120).split()[0]


def own_disk(guest, serial: str, nsid: int) -> str:
    """The kernel's disk of a local controller, by that controller's serial number."""
    return guest.until(f"""
        for disk in /sys/class/nvme-subsystem/*/nvme*n*; do
            [ $(cat ${{disk%/*}}/serial) = {serial} ] && [ $(cat $disk/nsid) = {nsid} ] || continue
            [ -b /dev/${{disk##*/}} ] && echo /dev/${{disk##*/}} && exit
        done
        false""").out.strip()
