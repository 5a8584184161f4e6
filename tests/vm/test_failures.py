# SPDX-License-Identifier: Apache-2.0
"""Failures around a gateway, of which its hosts must notice nothing but a pause."""

import contextlib
import time
from pathlib import Path

import pytest
import routines

from lab import disk, fio, places
from lab.fabric import RDMA, TCP
from lab.fio import SLOWLY
from lab.initiator import PATIENT, Initiator

pytestmark = pytest.mark.over(RDMA, TCP)

MIB = 1 << 20
LOCKS = Path(__file__).parent / "locks.py"

FIRST_WRITE_WITHIN = 2
"""Seconds in which a restarted gateway acknowledges a host's first write to an image with an exclusive lock."""


@pytest.fixture
def patient(lab, gateway, host, own_name):
    """A disk of the test's own on a gateway of its own, its host patient."""
    return disk.attach(lab, gateway, host, own_name, "16M", PATIENT)


@pytest.fixture
def stock_watch_timeout(lab):
    """A dead client keeps its images' locks for as long as on a cluster with default settings."""
    with lab.cluster.watch_timeout(30):
        yield


def test_a_gateway_killed_and_restarted_under_load_loses_nothing(guest, host, stock_watch_timeout, gateway, patient):
    """The first write after it does not wait for the watch of the dead gateway, which lasts for 30 s."""
    [controller] = host.controllers(patient.nqn)
    write = guest.start(["/usr/bin/python3", places.INSIDE / "first_write.py", controller, patient.device, 9 * MIB])
    write.wait_for("waiting")
    routines.restart_under_load(guest, host, gateway, patient, gateway.kill)
    seconds = float(write.wait(60).check().out.split()[1])
    print(f"first write after reconnecting: {seconds:.2f} s")
    assert seconds < FIRST_WRITE_WITHIN


@pytest.mark.over(RDMA)    # it happens below any fabric
def test_acknowledged_writes_outlive_the_gateway(lab, guest, host, gateway, patient):
    """While the OSD is stopped, no write is acknowledged, even if the host has flushed before, as file systems do."""
    controller = host.controllers(patient.nqn)[0]
    guest.out(f"dd if=/dev/zero of={patient.device} bs=4k count=1 conv=fsync status=none")
    lab.cluster.osd_pause()
    try:
        load = fio.start_verify(guest, patient.device)
        time.sleep(3)
        gateway.kill()
    finally:
        lab.cluster.osd_resume()
    host.wait_for_state(controller, "connecting", 30)
    gateway.restart()
    host.wait_for_state(controller, "live", 90)
    assert fio.outcome(load.wait(180).check().out).read.bytes == 8 << 20


def test_a_gateway_ended_in_order_and_restarted_under_load_loses_nothing(guest, host, gateway, patient):
    routines.restart_under_load(guest, host, gateway, patient, gateway.stop)


@pytest.fixture(scope="module")
def small_pool(lab):
    """A pool on an OSD of its own, which is small."""
    lab.cluster.create_pool("small", osd=lab.cluster.add_osd(96 * MIB))
    return "small"


@pytest.mark.over(TCP)    # it happens below any fabric, and fused commands come from a host of ours that speaks TCP
def test_an_osd_that_pauses_delays_its_own_images_only(lab, guest, host, gateway, patient, small_pool):
    """Images of the same client whose OSD is well: locks as VMFS takes them, a file system and verified I/O go on."""
    for name, size in (("locks", 512), ("locks-4k", 4096)):
        lab.cluster.create_image(name, "8M", pool=small_pool)
        gateway.add_image(name, pool=small_pool, block_size=size)
    locks = gateway.add_subsystem("nqn.2024-01.io.causeway:locks", "locks", "locks-4k")
    files = disk.attach(lab, gateway, host, "files", "32M", PATIENT, pool=small_pool)
    blocks = disk.attach(lab, gateway, host, "blocks", "8M", PATIENT, pool=small_pool)
    controller = host.controllers(patient.nqn)[0]
    load = fio.start_verify(guest, patient.device, size="4m", more=SLOWLY)
    host.wait_for_more_io(controller)
    lab.cluster.osd_pause()
    try:
        taken = guest.start(f"/usr/bin/python3 {LOCKS} {locks.address} {locks.port} {locks.nqn} 30 512 4096")
        verified = fio.start_verify(guest, blocks.device, size="4m", more=SLOWLY)
        routines.live_as_file_system(guest, files.device)
        assert fio.outcome(verified.wait(60).check().out).read.bytes == 4 * MIB
        taken.wait(60).check()
        assert gateway.rpc("nvmf_get_subsystems"), "the gateway answers while its cluster does not"
        assert host.state(controller) == "live", "keep-alive does not wait for the cluster"
        assert load.running
    finally:
        lab.cluster.osd_resume()
    assert fio.outcome(load.wait(120).check().out).read.bytes == 4 * MIB


@pytest.mark.over(TCP)    # it happens below any fabric
def test_a_load_continues_after_its_pool_was_full(lab, guest, host, gateway, patient, small_pool, own_name):
    """Writes that need new space fail with Capacity Exceeded; overwrites, and images of other pools, are not affected."""
    full = disk.attach(lab, gateway, host, f"full-{own_name}", "96M", PATIENT, pool=small_pool)
    guest.out(f"dd if=/dev/zero of={full.device} bs=1M count=2 oflag=direct status=none")
    enough = f"/tmp/{own_name}"
    with lab.cluster.osds_full_at(0.4):
        loads = [guest.start(fio.again_until(enough, fio.verified(each.device, size="2m", more=SLOWLY)))
                 for each in (full, patient)]
        filled = guest.run(f"fio --name=fill --filename={full.device} --rw=write --bs=256k --offset=2m --rate=8m "
                           f"{fio.COMMON}", timeout=120)
        assert not filled.ok and "No space left on device" in filled.out + filled.err, f"{filled.out}{filled.err}"
        for each in (full, patient):
            host.wait_for_more_io(host.controllers(each.nqn)[0])
        guest.out(f"blkdiscard --offset 2M {full.device}")
        guest.until(f"dd if=/dev/zero of={full.device} bs=4k count=1 seek=4M oflag=seek_bytes,direct", 60)
        fio.verify(guest, full.device, bs="256k", size="4m", more="--offset=4m")
        guest.out(f"touch {enough}")
        for load in loads:
            load.wait(60).check()


@pytest.mark.over(RDMA)    # it happens below any fabric
def test_an_osd_that_restarts_under_load_loses_nothing(lab, guest, gateway, patient):
    load = fio.start_verify(guest, patient.device, more=SLOWLY)
    time.sleep(3)
    lab.cluster.kill_osd()
    time.sleep(2)
    lab.cluster.start_osd()
    assert fio.outcome(load.wait(120).check().out).read.bytes == 8 << 20


@pytest.mark.over(TCP)    # it happens below any fabric
def test_a_blocklisted_client_reconnects_or_waits_for_the_operator_as_configured(lab, guest, host, gateway, patient):
    gateway.add_cluster(lab.guest_conf, "strict", on_fenced="offline")
    off = disk.attach(lab, gateway, host, "off", "8M", PATIENT, cluster="strict")
    guest.out("head -c 1M /dev/urandom > /tmp/written")
    guest.out(f"dd if=/tmp/written of={off.device} bs=1M oflag=direct status=none")
    load = fio.start_verify(guest, patient.device, size="4m", more=SLOWLY)
    host.wait_for_more_io(host.controllers(patient.nqn)[0])
    for image in (patient.image, off.image):
        lab.cluster.blocklist_client_of(image)
    wait_until(lambda: rbd(gateway, off)["fenced"], 30, "it is known that this client is fenced")
    waits = guest.start(f"dd if={off.device} of=/dev/null bs=4k count=1 iflag=direct")
    assert fio.outcome(load.wait(120).check().out).read.bytes == 4 * MIB
    assert (rbd(gateway, patient)["reopened"], rbd(gateway, patient)["fenced"]) == (1, False)
    assert (rbd(gateway, off)["reopened"], rbd(gateway, off)["fenced"]) == (0, True)
    assert waits.running, "its host is told to try again"

    gateway.remove_image(off.image)
    assert not waits.wait(60).ok
    guest.until(f"! [ -b {off.device} ]", 30)
    gateway.remove_cluster("strict")
    gateway.add_cluster(lab.guest_conf, "strict", on_fenced="offline")
    gateway.add_image(off.image, cluster="strict")
    gateway.rpc("nvmf_subsystem_add_ns", {"nqn": off.nqn, "namespace": {"bdev_name": off.image}})
    device = host.device(off.nqn)
    guest.out(f"dd if={device} bs=1M count=1 iflag=direct status=none | cmp - /tmp/written")
    fio.verify(guest, device, bs="64k", size="1m")


def test_a_host_that_loses_power_leaves_nothing_behind(lab, guest, gateway, far_host):
    other, target = far_host
    baseline = gateway.resources()
    device = other.connect(target, PATIENT)
    fio.start_verify(other.machine, device, size="16m")
    time.sleep(3)
    assert connected(gateway, target) == 1
    other.machine.kill()
    wait_until(lambda: connected(gateway, target) == 0, 60, "the controller of a host that is gone is gone")
    wait_until(lambda: all(gateway.resources()[kind] <= baseline[kind] for kind in ("qp", "sockets")), 30,
               "so are its queue pairs, and its sockets")
    assert gateway.running


@pytest.mark.over(TCP)
def test_a_network_that_is_cut_loses_nothing(gateway, far_host):
    """For so long that both sides have given each other up.

    Soft-RoCE does not come back from that, with the kernel's own target neither: the answer to the host's new connection
    request never arrives, and the host waits for it without a limit.
    """
    other, target = far_host
    device = other.connect(target, PATIENT)
    controller = other.controllers(target.nqn)[0]
    load = fio.start_verify(other.machine, device, more=SLOWLY)
    other.wait_for_more_io(controller)
    other.machine.out("ip link set eth0 down")
    wait_until(lambda: connected(gateway, target) == 0, 60, "the controller of a host that is silent is gone")
    other.wait_for_state(controller, "connecting", 60)
    other.machine.out("ip link set eth0 up")
    other.wait_for_state(controller, "live", 60)
    assert fio.outcome(load.wait(180).check().out).read.bytes == 8 << 20


@pytest.mark.over(RDMA)
def test_removing_an_rdma_device_disconnects_its_own_hosts_only(lab, guest, host, gateway, far_host):
    other, target = far_host
    device = other.connect(target, PATIENT)
    controller = other.controllers(target.nqn)[0]
    load = fio.start_verify(other.machine, device, more=SLOWLY)
    near = disk.attach(lab, gateway, host, "near", options=PATIENT)
    beside = fio.start_verify(guest, near.device, size="4m", more=SLOWLY)
    time.sleep(2)
    deletion = guest.start("rdma link delete rxe1")
    wait_until(lambda: connected(gateway, target) == 0, 30, "the controllers of a device that is gone are gone")
    other.wait_for_state(controller, "connecting", 60)
    assert fio.outcome(beside.wait(60).check().out).read.bytes == 4 << 20
    assert host.state(host.controllers(near.nqn)[0]) == "live"
    # librdmacm keeps soft-RoCE's device open as long as the process lives, and Linux waits for that.
    gateway.stop()
    deletion.wait(30).check()
    guest.out("rdma link add rxe1 type rxe netdev eth0")
    gateway.restart()
    other.wait_for_state(controller, "live", 60)
    assert fio.outcome(load.wait(180).check().out).read.bytes == 8 << 20


def test_a_namespace_removed_in_use_fails_its_io_and_nothing_else(lab, guest, host, fabric, gateway):
    stays, goes = f"stays-{fabric}", f"goes-{fabric}"
    for image in (stays, goes):
        lab.cluster.create_image(image, "16M")
        gateway.add_image(image)
    # A name of its own: a host that has not forgotten the last test's namespace 2 yet would refuse this one as another.
    target = gateway.add_subsystem(f"nqn.2024-01.io.causeway:two-{fabric}", stays, goes)
    staying, going = host.connect(target, PATIENT), host.device(target.nqn, 2)
    hit = fio.start_verify(guest, going, more=SLOWLY)
    beside = fio.start_verify(guest, staying, size="4m", more=SLOWLY)
    time.sleep(2)
    gateway.rpc("nvmf_subsystem_remove_ns", {"nqn": target.nqn, "nsid": 2})
    assert not hit.wait(60).ok
    assert beside.wait(60).ok
    guest.until(f"! [ -b {going} ]", 30)
    gateway.remove_image(goes)
    assert gateway.running and host.state(host.controllers(target.nqn)[0]) == "live"


def test_deleting_an_image_in_use_removes_its_namespace(lab, guest, host, gateway, patient):
    load = fio.start_verify(guest, patient.device, more=SLOWLY)
    time.sleep(2)
    gateway.remove_image(patient.image)
    assert not load.wait(60).ok
    guest.until(f"! [ -b {patient.device} ]", 30)
    assert gateway.running


@pytest.fixture
def far_host(lab, guest, fabric, gateway, own_name):
    """A second guest, its initiator, and a target that it reaches over the network between the two."""
    with contextlib.ExitStack() as undo:
        if fabric is RDMA:
            guest.setup_rxe("eth0", guest.address, None, mtu=1500, name="rxe1")
            undo.callback(guest.out, "rdma link delete rxe1")
        undo.callback(gateway.stop)
        lab.cluster.create_image(own_name, "32M")
        gateway.add_image(own_name)
        target = gateway.add_subsystem(f"nqn.2024-01.io.causeway:{own_name}", own_name, address=guest.address)
        other = undo.enter_context(lab.new_guest(smp=1, memory="1G"))
        if fabric is RDMA:
            other.setup_rxe("eth0", other.address, None, mtu=1500)
        yield Initiator(other), target


def rbd(gateway, served) -> dict:
    return gateway.bdev(served.image)["driver_specific"]["rbd"]


def connected(gateway, target) -> int:
    return len(gateway.rpc("nvmf_subsystem_get_controllers", {"nqn": target.nqn}))


def wait_until(condition, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not after {seconds} s: {what}"
        time.sleep(0.5)
