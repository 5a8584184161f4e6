"""What goes wrong around a gateway, and what its hosts must not notice beyond a pause."""

import contextlib
import time

import pytest
import routines

from lab import disk, fio
from lab.fabric import RDMA, TCP
from lab.fio import SLOWLY
from lab.initiator import PATIENT, Initiator

pytestmark = pytest.mark.over(RDMA, TCP)


@pytest.fixture
def patient(lab, gateway, host, own_name):
    """A disk of the test's own on a gateway of its own, its host patient."""
    return disk.attach(lab, gateway, host, own_name, "16M", PATIENT)


def test_a_gateway_killed_and_restarted_under_load_loses_nothing(guest, host, gateway, patient):
    routines.restart_under_load(guest, host, gateway, patient, gateway.kill)


@pytest.mark.over(RDMA)    # it happens below any fabric
def test_what_a_gateway_acknowledged_outlives_it(lab, guest, host, gateway, patient):
    """While the OSD does nothing, nothing is acknowledged: neither when the host has flushed before, as file systems do."""
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


@pytest.mark.over(RDMA)    # it happens below any fabric
def test_an_osd_that_pauses_for_ten_seconds_only_delays(lab, guest, host, gateway, patient):
    controller = host.controllers(patient.nqn)[0]
    load = fio.start_verify(guest, patient.device, more=SLOWLY)
    time.sleep(3)
    lab.cluster.osd_pause()
    try:
        time.sleep(10)
        assert gateway.rpc("nvmf_get_subsystems"), "the gateway answers while its cluster does not"
        assert host.state(controller) == "live", "keep-alive does not wait for the cluster"
    finally:
        lab.cluster.osd_resume()
    assert fio.outcome(load.wait(120).check().out).read.bytes == 8 << 20


@pytest.mark.over(RDMA)    # it happens below any fabric
def test_an_osd_that_restarts_under_load_loses_nothing(lab, guest, gateway, patient):
    load = fio.start_verify(guest, patient.device, more=SLOWLY)
    time.sleep(3)
    lab.cluster.kill_osd()
    time.sleep(2)
    lab.cluster.start_osd()
    assert fio.outcome(load.wait(120).check().out).read.bytes == 8 << 20


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
def test_an_rdma_device_that_is_removed_takes_its_own_hosts_only(lab, guest, host, gateway, far_host):
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


def test_an_image_deleted_in_use_takes_its_namespace_along(lab, guest, host, gateway, patient):
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


def connected(gateway, target) -> int:
    return len(gateway.rpc("nvmf_subsystem_get_controllers", {"nqn": target.nqn}))


def wait_until(condition, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not after {seconds} s: {what}"
        time.sleep(0.5)
