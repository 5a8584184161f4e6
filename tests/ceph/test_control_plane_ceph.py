# SPDX-License-Identifier: Apache-2.0
"""A gateway under a control plane like ceph-nvmeof's, with a cluster: clients, images, fencing, restarts."""

import contextlib
import errno
import signal
import time
import uuid

import pytest
import raw_host
from gateway.control_plane import ControlPlane
from gateway.daemon import Daemon, RpcError
from lab import places, processes
from served_image import CORES, free_port

NQN = "nqn.2016-06.io.example:plane"
MIB = 1 << 20
GROUP = 1
CLUSTER = "cluster_context_1_0"
INTERNAL_PATH_ERROR = 0x300
BLOCK = 512


@contextlib.contextmanager
def started(cluster, folder, *options: str):
    """Its Ceph configuration is the target's environment: no call names a file."""
    folder.mkdir(exist_ok=True)
    environment = {"CEPH_CONF": str(cluster.conf)}
    with Daemon(folder, *CORES, *options, build=places.BUILD, mib=384, environment=environment) as gateway:
        yield ControlPlane(gateway)
        if gateway.process.poll() is None:
            assert gateway.end() == 0, gateway.log.read_text()


def serve(plane: ControlPlane, image: str, port: int, state: str, its_uuid: str) -> str:
    """The device by which the image is served to any host."""
    plane.add_transport()
    plane.add_subsystem(NQN, "Ceph00000001")
    plane.allow_any_host(NQN)
    plane.add_cluster(CLUSTER, user_id="admin")
    device = plane.add_image(CLUSTER, image, its_uuid)
    assert plane.add_namespace(NQN, device, its_uuid, GROUP) == 1
    plane.add_listener(NQN, port, {GROUP: state})
    return device


def blocks_of(plane: ControlPlane, device: str) -> int:
    return plane.call("bdev_get_bdevs", name=device)[0]["num_blocks"]


def image_of(cluster, size: str = "16M", **how) -> str:
    name = f"plane-{uuid.uuid4().hex[:8]}"
    cluster.create_image(name, size, **how)
    return name


def ceph(cluster, *words: str) -> str:
    return processes.run(["ceph", "-c", cluster.conf, *words]).stdout


def status_of_write(host: raw_host.Host, lba: int, block: bytes) -> int:
    host.io.send(raw_host.write(9, 1, lba, 1, raw_host.in_capsule(len(block))), block)
    answer = host.io.receive()
    assert answer.kind == raw_host.RESPONSE
    return answer.status


def test_an_image_is_created_resized_and_deleted(cluster, tmp_path):
    image = image_of(cluster)
    with started(cluster, tmp_path / "gateway", "--wait-for-rpc") as plane:
        plane.set_up()
        plane.notifications()
        device = serve(plane, image, free_port(), "optimized", str(uuid.uuid4()))
        assert [n["ctx"] for n in plane.notifications()] == [device]
        plane.call("bdev_rbd_resize", name=device, new_size=32)
        assert blocks_of(plane, device) == 32 * MIB // BLOCK
        # Somebody else resizes the image, and the control plane asks for the size to be read again.
        cluster.rbd("resize", "--no-progress", f"rbd/{image}", "--size", "64M")
        assert plane.call("bdev_rbd_resize", name=device, new_size=0) is True
        assert blocks_of(plane, device) == 64 * MIB // BLOCK
        assert plane.notifications() == []
        cluster.rbd("resize", "--no-progress", "--allow-shrink", f"rbd/{image}", "--size", "8M")
        assert plane.call("bdev_rbd_resize", name=device, new_size=0) is True
        assert blocks_of(plane, device) == 8 * MIB // BLOCK
        said = [(n["type"], n["ctx"]) for n in plane.notifications()]
        assert said == [("bdev_shrink", f"{device},{64 * MIB},{8 * MIB}")]
        assert plane.call("bdev_rbd_resize", name=device, new_size=0) is True, "nothing has changed"
        assert plane.notifications() == []
        with pytest.raises(RpcError, match="no such RBD device") as refused:
            plane.call("bdev_rbd_resize", name="nobody", new_size=0)
        assert refused.value.code == -errno.ENODEV

        plane.remove_namespace(NQN, 1)
        assert plane.call("bdev_rbd_delete", name=device) is True
        assert plane.call("bdev_rbd_unregister_cluster", name=CLUSTER) is True
        assert plane.call("nvmf_delete_subsystem", nqn=NQN) is True


def test_the_size_of_a_read_only_image_is_not_claimed_to_have_been_read_again(cluster, tmp_path):
    image = image_of(cluster)
    with started(cluster, tmp_path / "gateway") as plane:
        plane.call("framework_wait_init")
        plane.add_cluster(CLUSTER, user_id="admin")
        plane.call("bdev_rbd_create", name="disk", cluster_name=CLUSTER, pool_name="rbd", rbd_name=image,
                   block_size=BLOCK, read_only=True)
        with pytest.raises(RpcError, match="delete the device, and create it again") as refused:
            plane.call("bdev_rbd_resize", name="disk", new_size=0)
        assert refused.value.code == -errno.ENOTSUP


def test_the_answered_address_fences_the_gateway(cluster, tmp_path):
    """A failover: the monitors blocklist the former owner, and the next one learns of it before it serves."""
    image, its_uuid = image_of(cluster, features="layering,exclusive-lock"), str(uuid.uuid4())
    with (started(cluster, tmp_path / "former", "--on-fenced", "offline") as former,
          started(cluster, tmp_path / "next", "--on-fenced", "offline") as other):
        ports = free_port(), free_port()
        for plane, port, state in ((former, ports[0], "optimized"), (other, ports[1], "inaccessible")):
            plane.call("framework_wait_init")
            serve(plane, image, port, state, its_uuid)
        nonce = former.nonces[CLUSTER]
        assert nonce != other.nonces[CLUSTER]
        assert former.call("bdev_rbd_get_clusters_info", name=CLUSTER)["nonce"] == nonce
        with raw_host.Host(("127.0.0.1", ports[0]), NQN) as host:
            assert status_of_write(host, 0, b"former".ljust(BLOCK)) == 0
            ceph(cluster, "osd", "blocklist", "add", nonce)
            other.make_optimized(NQN, ports[1], GROUP, [CLUSTER])
            with raw_host.Host(("127.0.0.1", ports[1]), NQN) as host_of_other:
                assert host_of_other.read(0, 1, BLOCK) == b"former".ljust(BLOCK)
                host_of_other.write(0, 1, b"next".ljust(BLOCK))
                for _ in range(3):
                    assert status_of_write(host, 0, b"late".ljust(BLOCK)) == INTERNAL_PATH_ERROR
                assert host_of_other.read(0, 1, BLOCK) == b"next".ljust(BLOCK)
        assert former.call("bdev_rbd_get_clusters_info", name=CLUSTER)["fenced"] is True
        with pytest.raises(RpcError, match="blocklisted") as refused:
            former.call("bdev_rbd_wait_for_latest_osdmap", name=CLUSTER)
        assert refused.value.code == -errno.ESHUTDOWN, "a fenced gateway may not become the owner again"
        assert other.call("bdev_rbd_get_clusters_info", name=CLUSTER)["fenced"] is False


def test_only_its_own_cluster_waits_for_the_latest_map(cluster, tmp_path):
    with started(cluster, tmp_path / "gateway") as plane:
        plane.call("framework_wait_init")
        plane.add_cluster("patient", user_id="admin", config_param={"client_mount_timeout": "3"})
        plane.add_cluster("other", user_id="admin", config_param={"client_mount_timeout": "4"})
        assert plane.call("bdev_rbd_wait_for_latest_osdmap", name="patient") is True
        with pytest.raises(RpcError, match="no cluster of this name") as unknown:
            plane.call("bdev_rbd_wait_for_latest_osdmap", name="nobody")
        assert unknown.value.code == -errno.ENOENT
        cluster.mon_pause()
        try:
            with plane.gateway.client() as waiting, plane.gateway.client() as meanwhile:
                waiting.send('{"id": 1, "method": "bdev_rbd_wait_for_latest_osdmap", "params": {"name": "patient"}}')
                assert meanwhile.call("bdev_get_bdevs") == []
                assert meanwhile.call("bdev_malloc_create", {"name": "m", "block_size": 512, "num_blocks": 8}) == "m"
                answer = waiting.receive()
            assert answer["error"]["code"] == -errno.ETIMEDOUT
            assert "did not send the latest OSD map within 3 s" in answer["error"]["message"]
            hung = plane.call("bdev_rbd_get_clusters_info", name="patient")["hung_calls"]
            assert hung == ["waiting for the latest OSD map"], "of all that share its threads"
            assert plane.call("bdev_rbd_get_clusters_info", name="other")["hung_calls"] == []
            with pytest.raises(RpcError) as again:
                plane.call("bdev_rbd_wait_for_latest_osdmap", name="patient")
            assert again.value.code == -errno.EBUSY, "no thread more for each try"
        finally:
            cluster.mon_resume()
        end = time.monotonic() + 60
        while plane.call("bdev_rbd_get_clusters_info", name="patient")["hung_calls"]:
            assert time.monotonic() < end, "it comes back when the monitor does"
            time.sleep(0.1)
        assert plane.call("bdev_rbd_wait_for_latest_osdmap", name="patient") is True


def test_a_restarted_gateway_serves_what_it_served_under_another_address(cluster, tmp_path):
    image, its_uuid = image_of(cluster), str(uuid.uuid4())
    port = free_port()
    options = ("--state", str(tmp_path / "state"))
    with started(cluster, tmp_path / "gateway", *options) as plane:
        plane.call("framework_wait_init")
        device = serve(plane, image, port, "inaccessible", its_uuid)
        plane.make_optimized(NQN, port, GROUP, [CLUSTER])
        nonce = plane.nonces[CLUSTER]
        saved = plane.gateway.save()
        plane.gateway.end(signal.SIGKILL)
    with started(cluster, tmp_path / "gateway", *options) as plane:
        plane.call("framework_wait_init")
        assert plane.gateway.save() == saved
        assert plane.ana_states(NQN, port)[GROUP] == "optimized"
        info = plane.call("bdev_rbd_get_clusters_info", name=CLUSTER)
        assert info["nonce"] and info["nonce"] != nonce
        assert nonce.split(":", 1)[1] in ceph(cluster, "osd", "blocklist", "ls"), "its dead predecessor is fenced"
        with raw_host.Host(("127.0.0.1", port), NQN) as host:
            host.write(0, 1, b"again".ljust(BLOCK))
        assert blocks_of(plane, device) == 16 * MIB // BLOCK
