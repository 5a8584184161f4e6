# SPDX-License-Identifier: Apache-2.0
"""The methods named bdev_rbd_… as a client calls them: a real gateway, a real cluster."""

import json
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import places, processes

MIB = 1 << 20


class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


class Daemon:
    """`causewayd` on this machine, on both cores."""

    def __init__(self, folder, config=None):
        self.socket, self._log = folder / "rpc.sock", folder / "causewayd.log"
        words = []
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
            words = ["--json", folder / "config.json"]
        self._process = processes.spawn([places.binary("gateway/causewayd"), "-m", "0x3", "-s", 256, "--no-huge", "-r", self.socket, *words],
                                        log=self._log)

    def __enter__(self):
        end = time.monotonic() + 60
        while True:
            try:
                self.call("framework_wait_init")
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(processes.tail(self._log)) from None
                time.sleep(0.1)

    def __exit__(self, *_):
        self._process.terminate()
        assert self._process.wait(60) == 0, processes.tail(self._log)

    def call(self, method, **params):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(str(self.socket))
            s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, **({"params": params} if params else {})}).encode())
            text = b""
            while not text.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    raise OSError("the connection was closed")
                text += more
        reply = json.loads(text)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def bdev(self, name):
        return self.call("bdev_get_bdevs", name=name)[0]


def refused(code, call, *args, **params):
    with pytest.raises(Refused) as caught:
        call(*args, **params)
    assert caught.value.code == code, caught.value
    return str(caught.value)


@pytest.fixture
def daemon(tmp_path):
    with Daemon(tmp_path) as running:
        yield running


@pytest.fixture
def registered(daemon, cluster):
    answered = daemon.call("bdev_rbd_register_cluster", name="ceph", user_id="admin", config_file=str(cluster.conf))
    assert answered == daemon.call("bdev_rbd_get_clusters_info", name="ceph")["nonce"]
    return daemon


@pytest.fixture
def image(cluster):
    """Images with names of their own, because the cluster is shared."""
    made = []

    def make(size="64M", **how):
        made.append(f"methods-{uuid.uuid4().hex[:8]}")
        cluster.create_image(made[-1], size, **how)
        return made[-1]

    yield make


def in_order(calls_or_bdevs):
    """Images of a configuration are opened at the same time, so their order, and with it their core, is random."""
    def without_place(each):
        rbd = {k: v for k, v in each["driver_specific"]["rbd"].items() if not k.startswith("main_")}
        return {**each, "driver_specific": {"rbd": rbd}}
    return sorted((without_place(each) if "driver_specific" in each else each for each in calls_or_bdevs), key=json.dumps)


def create(daemon, image, **more):
    return daemon.call("bdev_rbd_create", pool_name="rbd", rbd_name=image, block_size=4096, cluster_name="ceph", **more)


def test_bdev_get_bdevs_describes_an_image(registered, cluster, image):
    name = image()
    assert create(registered, name) == "Ceph0"
    bdev = registered.bdev("Ceph0")
    assert bdev["product_name"] == "Ceph Rbd Disk"
    assert bdev["aliases"] == [f"rbd/{name}"]
    assert (bdev["block_size"], bdev["num_blocks"]) == (4096, 64 * MIB // 4096)
    assert bdev["optimal_write_size"] == 4 * MIB // 4096, "the object"
    assert bdev["preferred_unmap_granularity"] == 65536 // 4096, "what librbd does not leave out"
    assert bdev["driver_specific"]["rbd"] == {
        "pool_name": "rbd", "rbd_name": name, "cluster_name": "ceph", "user_id": "admin", "config_file": str(cluster.conf),
        "main_core": 0, "main_reactor": 0, "fenced": False, "reopened": 0, "unanswered_changes": 0,
        "image_id": cluster.image(name)["id"]}
    assert bdev["supported_io_types"]["compare_and_write"]
    assert registered.bdev(f"rbd/{name}") == bdev


def test_images_are_placed_on_the_cores_in_turn(registered, image):
    for _ in range(8):
        create(registered, image("8M"))
    cores = [bdev["driver_specific"]["rbd"]["main_core"] for bdev in registered.call("bdev_get_bdevs")]
    assert cores == [0, 1] * 4


def test_an_image_may_be_in_a_namespace_of_a_pool(registered, cluster):
    cluster.rbd("namespace", "create", "rbd/methods")
    cluster.rbd("create", "rbd/methods/disk", "--size", "8M")
    registered.call("bdev_rbd_create", name="disk", pool_name="rbd", namespace="methods", rbd_name="disk", block_size=512, cluster_name="ceph")
    bdev = registered.bdev("disk")
    assert bdev["driver_specific"]["rbd"]["namespace"] == "methods"
    assert bdev["aliases"] == ["rbd/methods/disk"]
    registered.call("bdev_rbd_delete", name="disk")
    registered.call("bdev_rbd_create", name="disk", pool_name="rbd", namespace_name="methods", rbd_name="disk", block_size=512,
                    cluster_name="ceph")
    assert registered.bdev("disk")["driver_specific"]["rbd"]["namespace"] == "methods", "as newer control planes spell it"


def test_clusters_are_registered_and_listed_and_unregistered(registered, cluster, image):
    info = {"cluster_name": "ceph", "user_id": "admin", "config_file": str(cluster.conf), "hung_calls": [], "fenced": False,
            "fences": 0, "nonce": registered.call("bdev_rbd_get_clusters_info", name="ceph")["nonce"]}
    assert registered.call("bdev_rbd_get_clusters_info") == [info]
    assert registered.call("bdev_rbd_get_clusters_info", name="ceph") == info
    refused(-2, registered.call, "bdev_rbd_get_clusters_info", name="other")
    refused(-17, registered.call, "bdev_rbd_register_cluster", name="ceph", config_file=str(cluster.conf))
    create(registered, image())
    assert "1 images use the cluster" in refused(-16, registered.call, "bdev_rbd_unregister_cluster", name="ceph")
    assert registered.call("bdev_rbd_delete", name="Ceph0") is True
    assert registered.call("bdev_rbd_unregister_cluster", name="ceph") is True
    bounded = {"user_id": "admin", "config_file": str(cluster.conf), "max_outstanding_ops": 256}
    assert "at least 32" in refused(-22, registered.call, "bdev_rbd_register_cluster", name="ceph",
                                    **{**bounded, "max_outstanding_ops": 31})
    registered.call("bdev_rbd_register_cluster", name="ceph", **bounded)
    found = registered.call("bdev_rbd_get_clusters_info", name="ceph")
    assert found["nonce"] != info["nonce"], "it is another client"
    assert found == {**info, **bounded, "nonce": found["nonce"]}
    registered.call("bdev_rbd_unregister_cluster", name="ceph")
    refused(-2, registered.call, "bdev_rbd_get_clusters_info")


def test_the_policy_for_fenced_images_is_saved(daemon, cluster):
    params = {"name": "strict", "user_id": "admin", "config_file": str(cluster.conf), "on_fenced": "offline"}
    daemon.call("bdev_rbd_register_cluster", **params)
    assert daemon.call("bdev_rbd_get_clusters_info", name="strict")["on_fenced"] == "offline"
    assert {"method": "bdev_rbd_register_cluster", "params": params} in daemon.call("framework_get_config", name="bdev")


def test_a_cluster_may_be_registered_by_settings_alone(daemon, cluster, image):
    conf = cluster.conf.read_text()
    settings = {"mon_host": next(line.partition("=")[2].strip() for line in conf.splitlines() if line.startswith("mon host")),
                "keyring": str(cluster.keyring)}
    name = image()
    daemon.call("bdev_rbd_create", name="own", pool_name="rbd", rbd_name=name, block_size=512, user_id="admin", config=settings)
    rbd = daemon.bdev("own")["driver_specific"]["rbd"]
    assert rbd["config"] == settings and rbd["user_id"] == "admin" and "cluster_name" not in rbd


def test_an_image_can_be_resized_and_deleted(registered, cluster, image):
    name = image()
    create(registered, name)
    registered.call("bdev_rbd_resize", name="Ceph0", new_size=128)
    assert registered.bdev("Ceph0")["num_blocks"] == 128 * MIB // 4096
    assert cluster.image(name)["size"] == 128 * MIB
    refused(-22, registered.call, "bdev_rbd_resize", name="Ceph0", new_size=1)
    assert "set force" in refused(-27, registered.call, "bdev_rbd_resize", name="Ceph0", new_size=100 << 30)
    cluster.rbd("resize", "--no-progress", f"rbd/{name}", "--size", "256M")
    end = time.monotonic() + 30
    while registered.bdev("Ceph0")["num_blocks"] != 256 * MIB // 4096:
        assert time.monotonic() < end, "it hears of a resize by others"
        time.sleep(0.1)
    registered.call("bdev_rbd_delete", name="Ceph0")
    refused(-19, registered.bdev, "Ceph0")
    cluster.rbd("rm", "--no-progress", f"rbd/{name}")    # no client watches it any more


def test_errors_name_their_cause(registered, image):
    name = image()
    assert "there is no such image" in refused(-2, create, registered, "nobody")
    create(registered, name)
    assert "one image, one handle" in refused(-16, create, registered, name, name="again")
    refused(-17, create, registered, image(), name="Ceph0")
    refused(-32602, create, registered, name, blocks=7)
    refused(-19, registered.call, "bdev_rbd_resize", name="x", new_size=1)


def test_a_saved_configuration_restores_all_images(registered, tmp_path_factory, image):
    create(registered, image(), name="one")
    create(registered, image(), name="two", read_only=True, uuid="11111111-2222-3333-4444-555555555555")
    before = registered.call("bdev_get_bdevs")
    saved = registered.call("framework_get_config", name="bdev")
    for name in ("one", "two"):
        registered.call("bdev_rbd_delete", name=name)
    with Daemon(tmp_path_factory.mktemp("second"), {"subsystems": [{"subsystem": "bdev", "config": saved}]}) as second:
        assert in_order(second.call("bdev_get_bdevs")) == in_order(before)
        assert in_order(second.call("framework_get_config", name="bdev")) == in_order(saved)


def test_a_saved_configuration_is_not_replayed_on_another_image_of_the_name(registered, cluster, image):
    name = image("8M")
    create(registered, name, name="disk")
    saved = next(call for call in registered.call("framework_get_config", name="bdev") if call["method"] == "bdev_rbd_create")
    registered.call("bdev_rbd_delete", name="disk")
    cluster.remove_image(name)
    cluster.create_image(name, "8M")
    assert "it is another disk" in refused(-116, registered.call, saved["method"], **saved["params"])
    del saved["params"]["image_id"]
    registered.call(saved["method"], **saved["params"])


def test_an_unreachable_cluster_delays_no_other_call(daemon):
    nowhere = {"mon_host": "[v2:127.0.0.1:1,v1:127.0.0.1:2]", "client_mount_timeout": "5"}
    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        hangs = pool.submit(daemon.call, "bdev_rbd_create", name="far", pool_name="rbd", rbd_name="x", block_size=512, config=nowhere)
        deleted = pool.submit(daemon.call, "bdev_rbd_create", name="given-up", pool_name="rbd", rbd_name="x", block_size=512,
                              config={**nowhere, "client_mount_timeout": "20"})
        slowest = 0.0
        for _ in range(20):
            one = time.monotonic()
            daemon.call("bdev_get_bdevs")
            slowest = max(slowest, time.monotonic() - one)
            time.sleep(0.05)
        assert slowest < 1
        assert daemon.call("bdev_rbd_delete", name="given-up") is True
        assert "deleted while its image was being opened" in str(deleted.exception(timeout=5))
        assert "client.admin" in str(hangs.exception(timeout=60))
        assert hangs.exception().code == -110
        assert 4 < time.monotonic() - began < 15
