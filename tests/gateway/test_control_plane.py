# SPDX-License-Identifier: Apache-2.0
"""A gateway under a control plane like ceph-nvmeof's, as far as it needs no cluster: memory takes the place of images."""

import socket
import uuid

import pytest
from control_plane import ANA_GROUPS, DISCOVERY, SUBSYSTEM_LIMIT, ControlPlane
from daemon import Daemon, RpcError

NQN = "nqn.2016-06.io.spdk:cnode"
HOST = "nqn.2014-08.org.nvmexpress:uuid:22222222-2222-2222-2222-222222222222"
TLS_KEY = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:"
DHCHAP_KEY = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def plane(tmp_path):
    with Daemon(tmp_path, "--wait-for-rpc", mib=128) as gateway:
        plane = ControlPlane(gateway)
        plane.set_up()
        plane.add_transport()
        plane.look()
        yield plane
        assert gateway.end() == 0, gateway.log.read_text()


def add_disk(plane: ControlPlane, mib: int = 8) -> tuple[str, str]:
    """A device of memory under a name as an image would have, and its UUID."""
    its_uuid = str(uuid.uuid4())
    plane.call("bdev_malloc_create", name=f"bdev_{its_uuid}", block_size=512, num_blocks=mib * 2048, uuid=its_uuid)
    return f"bdev_{its_uuid}", its_uuid


def test_a_subsystem_is_configured_served_and_taken_away_again(plane, tmp_path):
    plane.remove_discovery()
    plane.notifications()
    plane.add_subsystem(NQN, "Ceph00000001")
    assert [s["nqn"] for s in plane.call("nvmf_get_subsystems")] == [NQN], "the discovery subsystem is gone"

    psk, dhchap = tmp_path / "psk", tmp_path / "dhchap"
    for path, key in ((psk, TLS_KEY), (dhchap, DHCHAP_KEY)):
        path.write_text(key)
        path.chmod(0o600)
    plane.add_host(NQN, HOST, psk=psk)
    plane.add_host(NQN, HOST + "0", dhchap_key=dhchap)
    plane.allow_any_host(NQN)
    subsystem = plane.call("nvmf_get_subsystems", nqn=NQN)[0]
    assert subsystem["allow_any_host"] and {h["nqn"] for h in subsystem["hosts"]} == {HOST, HOST + "0"}

    port, secure = free_port(), free_port()
    plane.add_listener(NQN, port, {1: "optimized"})
    plane.add_listener(NQN, secure, {1: "optimized"}, secure=True)
    assert plane.ana_states(NQN, port) == {1: "optimized", **dict.fromkeys(range(2, ANA_GROUPS + 1), "inaccessible")}

    device, its_uuid = add_disk(plane)
    assert plane.notifications()[-1]["ctx"] == device
    assert plane.add_namespace(NQN, device, its_uuid, group=1, nsid=7, visible=False) == 7
    assert plane.call("nvmf_ns_add_host", nqn=NQN, nsid=7, host=HOST) is True
    assert plane.call("nvmf_subsystem_set_ns_visibility", nqn=NQN, nsid=7, auto_visible=True) is True
    assert plane.call("bdev_set_qos_limit", name=device, rw_ios_per_sec=2000, rw_mbytes_per_sec=0, r_mbytes_per_sec=0,
                      w_mbytes_per_sec=0) is True
    assert plane.call("nvmf_subsystem_set_ns_ana_group", nqn=NQN, nsid=7, anagrpid=2) is True
    namespace = plane.call("nvmf_get_subsystems", nqn=NQN)[0]["namespaces"][0]
    assert (namespace["nsid"], namespace["bdev_name"], namespace["anagrpid"], namespace["uuid"]) == (7, device, 2, its_uuid)
    plane.set_ana_state(NQN, port, 2, "optimized")    # a failover
    plane.set_ana_state(NQN, port, 1, "inaccessible")
    assert plane.ana_states(NQN, port)[1] == "inaccessible" and plane.ana_states(NQN, port)[2] == "optimized"
    assert plane.call("nvmf_subsystem_get_controllers", nqn=NQN) == []
    assert plane.call("nvmf_subsystem_get_qpairs", nqn=NQN) == []

    plane.remove_namespace(NQN, 7)
    assert plane.call("bdev_malloc_delete", name=device) is True
    assert plane.notifications() == [{"type": "bdev_unregister", "ctx": device, "id": plane.next_notification - 1}]
    plane.remove_listener(NQN, port)
    plane.remove_listener(NQN, secure)
    plane.remove_host(NQN, HOST)
    assert plane.call("nvmf_delete_subsystem", nqn=NQN) is True
    assert plane.call("nvmf_get_subsystems") == []


def test_its_exporter_and_its_log_levels_find_what_they_look_for(plane):
    device, _ = add_disk(plane)
    found = plane.statistics()
    assert found["cores"] == found["groups"] == ["nvmf_tgt_poll_group_000"]
    assert found["disks"][device]["io_error"] == {}
    assert plane.call("log_get_print_level") == "INFO"
    assert {"nvmf", "nvmf_tcp", "nvmf_rdma"} <= set(plane.set_log_level("WARNING"))
    plane.reset_log_level()
    assert not any(on for flag, on in plane.call("log_get_flags").items() if flag.startswith("nvmf"))
    assert plane.call("log_set_flag", flag="virtio") is True
    assert set(plane.call("notify_get_types")) >= {"bdev_register", "bdev_unregister"}


def test_there_are_no_more_subsystems_than_it_has_set(plane):
    for n in range(SUBSYSTEM_LIMIT):
        plane.add_subsystem(f"{NQN}{n}", f"Ceph{n}")
    with pytest.raises(RpcError, match=f"Unable to create subsystem {NQN}x"):
        plane.add_subsystem(f"{NQN}x", "Ceph")


def test_its_own_discovery_service_may_stand_beside_ours(plane):
    plane.add_subsystem(NQN, "Ceph1")
    assert DISCOVERY in [s["nqn"] for s in plane.call("nvmf_get_subsystems")]
