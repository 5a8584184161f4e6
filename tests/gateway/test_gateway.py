# SPDX-License-Identifier: Apache-2.0
"""causewayd as a process: its start, its configuration and its end."""

import errno
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from daemon import Daemon, RpcError, run_to_end
from lab import places

NQN = "nqn.2024-01.io.example:a"
HOST = "nqn.2024-01.io.example:h"
UUID = "12345678-1234-5678-9abc-123456789abc"


def config(*nvmf, bdev=()):
    return {"subsystems": [{"subsystem": "bdev", "config": [{"method": m, "params": p} for m, p in bdev]},
                           {"subsystem": "nvmf", "config": [{"method": m, "params": p} for m, p in nvmf]}]}


FULL = config(
    ("nvmf_set_max_subsystems", {"max_subsystems": 12}),
    ("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "S1", "max_namespaces": 4}),
    ("nvmf_subsystem_add_host", {"nqn": NQN, "host": HOST}),
    ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Null7", "nsid": 3}}),
    bdev=[("bdev_null_create", {"name": "Null7", "block_size": 512, "num_blocks": 2048, "uuid": UUID}),
          ("bdev_malloc_create", {"name": "Memory", "block_size": 4096, "num_blocks": 256}),
          ("bdev_nvme_set_options", {"action_on_timeout": "reset", "timeout_us": 20_000_000}),
          ("bdev_nvme_set_hotplug", {"enable": True, "period_us": 200_000})])


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


# How it starts

def test_a_configuration_is_replayed(tmp_path):
    with Daemon(tmp_path, "-c", write(tmp_path / "c.json", FULL)) as daemon:
        daemon.call("framework_wait_init")
        subsystem = daemon.call("nvmf_get_subsystems", {"nqn": NQN})[0]
        assert subsystem["hosts"] == [{"nqn": HOST}]
        assert [(n["nsid"], n["bdev_name"]) for n in subsystem["namespaces"]] == [(3, "Null7")]
        assert daemon.call("bdev_get_bdevs", {"name": "Null7"})[0]["uuid"] == UUID


def test_a_saved_configuration_restores_the_same_state(tmp_path):
    (tmp_path / "first").mkdir()
    with Daemon(tmp_path / "first", "-c", write(tmp_path / "c.json", FULL)) as daemon:
        daemon.call("framework_wait_init")
        saved = daemon.save()
        subsystems = daemon.call("nvmf_get_subsystems")
        assert daemon.end() == 0
    (tmp_path / "second").mkdir()
    with Daemon(tmp_path / "second", "--json", write(tmp_path / "saved.json", saved)) as daemon:
        daemon.call("framework_wait_init")
        assert daemon.save() == saved
        assert daemon.call("nvmf_get_subsystems") == subsystems


def test_without_pci_there_are_no_local_disks(tmp_path):
    with Daemon(tmp_path) as daemon:  # -u
        with pytest.raises(RpcError, match="without PCI") as refused:
            daemon.call("bdev_nvme_attach_controller", {"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:00:04.0"})
        assert refused.value.code == -errno.ENOTSUP
        assert daemon.call("bdev_nvme_get_controllers") == []


def replay(client, calls):
    """As rpc.py's load_config does: calls that are allowed now, framework_start_init, the others."""
    calls = list(calls)
    while calls:
        allowed = client.call("rpc_get_methods", {"current": True})
        for call in [c for c in calls if c["method"] in allowed]:
            client.call(call["method"], call.get("params"))
            calls.remove(call)
        if "framework_start_init" in allowed:
            client.call("framework_start_init")


def test_a_client_can_replay_a_saved_configuration(tmp_path):
    with Daemon(tmp_path, "--wait-for-rpc") as daemon, daemon.client() as client:
        replay(client, [c for s in FULL["subsystems"] for c in s["config"]])
        assert client.call("nvmf_get_subsystems", {"nqn": NQN})


def test_what_spdks_target_has_saved_loads_whole(tmp_path):
    saved = json.loads((Path(__file__).parent / "saved_by_spdk.json").read_text())
    calls = [c for s in saved["subsystems"] for c in s["config"] or []]
    for folder in ("file", "client"):
        (tmp_path / folder).mkdir()
    with Daemon(tmp_path / "file", "--json", str(Path(__file__).parent / "saved_by_spdk.json")) as daemon:
        assert daemon.call("framework_wait_init") is True
        by_file = daemon.call("nvmf_get_subsystems")
        assert daemon.call("framework_get_failed_config") == []
    with Daemon(tmp_path / "client", "--wait-for-rpc") as daemon, daemon.client() as client:
        known = client.call("rpc_get_methods")
        assert not [c["method"] for c in calls if c["method"] not in known]
        replay(client, calls)
        assert client.call("nvmf_get_subsystems") == by_file


def test_waiting_for_rpc_allows_settings_only(tmp_path):
    with Daemon(tmp_path, "--wait-for-rpc") as daemon, daemon.client() as client:
        with pytest.raises(RpcError) as refused:
            client.call("nvmf_get_subsystems")
        assert refused.value.code == -1
        assert client.call("nvmf_set_crdt", {"crdt1": 5}) is True
        with daemon.client() as other:
            other.send('{"id": 1, "method": "framework_wait_init"}')
            assert client.call("framework_start_init") is True
            assert other.receive()["result"] is True
        with pytest.raises(RpcError) as refused:
            client.call("nvmf_set_crdt", {"crdt1": 6})
        assert refused.value.code == -1


def test_a_stale_socket_is_replaced(tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "rpc.sock"))
    left.close()
    (tmp_path / "rpc.sock.lock").touch()
    with Daemon(tmp_path) as daemon:
        assert daemon.call("spdk_get_version")


def test_reactors_run_on_the_cores_of_the_mask(tmp_path):
    with Daemon(tmp_path, "--lcores", "0@0,1@0,2@0", "--placement", "least_loaded") as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        assert len(client.call("framework_get_reactors")["reactors"]) == 3
        for i in range(3):
            client.call("bdev_malloc_create", {"name": f"M{i}", "block_size": 512, "num_blocks": 64})
        threads = client.call("thread_get_io_channels")["threads"]
        assert [len(t["io_channels"]) for t in threads] == [1, 1, 1]


def test_an_idle_gateway_sleeps(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        before = cpu_seconds(daemon.process.pid)
        time.sleep(2)
        assert cpu_seconds(daemon.process.pid) - before < 0.2


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


# What it refuses

def refused(tmp_path, *options):
    """The one line that the gateway prints."""
    result = run_to_end(*options, path=tmp_path / "rpc.sock")
    assert result.returncode not in (0, None) and result.returncode > 0, result
    lines = [line for line in result.stderr.splitlines() if not line.startswith("[")]    # the log's begin with the time
    assert len(lines) == 1 and lines[0].startswith("causewayd: "), result.stderr
    assert not (tmp_path / "rpc.sock").exists() and not (tmp_path / "rpc.sock.lock").exists()
    return lines[0]


@pytest.mark.parametrize("options, names", [
    (["--colour"], "--colour"),
    (["-m", "0xzz"], "0xzz"),
    (["-m", "0x0"], "0x0"),
    (["--lcores", "0@1023"], "CPU 1023"),
    (["-L", "nothing"], "nothing"),
    (["--placement", "random"], "placement"),
    (["-c", "/nowhere.json"], "/nowhere.json: No such file or directory"),
])
def test_bad_options_are_refused(tmp_path, options, names):
    assert names in refused(tmp_path, *options)


@pytest.mark.parametrize("content, says", [
    ("{\n  nonsense", "line 2, column"),
    ({"subsystem": "bdev"}, "\"subsystems\""),
    (config(("no_such_method", {})), "nvmf, entry 1: Method not found: rpc_get_methods lists them"),
    (config(("nvmf_create_subsystem", {"nqn": NQN, "alow_any_host": True})), "did you mean 'allow_any_host'?"),
    (config(bdev=[("bdev_null_create", {"name": "a"})]), "bdev, entry 1: bdev_null_create"),
])
def test_bad_configurations_are_refused(tmp_path, content, says):
    assert says in refused(tmp_path, "-c", write(tmp_path / "c.json", content))


FAILING = config(("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "S1"}),
                 ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "EE_Base"}}),
                 ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "Null7", "uuid": UUID}}),
                 bdev=[("bdev_error_create", {"base_name": "Base"}),
                       ("bdev_null_create", {"name": "Null7", "block_size": 512, "num_blocks": 2048})])


def test_a_call_that_fails_is_repeated_and_does_not_stop_the_others(tmp_path):
    with Daemon(tmp_path, "-c", write(tmp_path / "c.json", FAILING)) as daemon, daemon.client() as client:
        with pytest.raises(RpcError, match="2 of 5 calls of the configuration have failed"):
            client.call("framework_wait_init")
        assert [f["method"] for f in client.call("framework_get_failed_config")] == ["bdev_error_create", "nvmf_subsystem_add_ns"]
        assert [n["bdev_name"] for n in client.call("nvmf_get_subsystems", {"nqn": NQN})[0]["namespaces"]] == ["Null7"]
        status = causeway("status", "-s", daemon.socket, "-i", "0")
        assert "FAILED CONFIGURATION" in status.stdout and "EE_Base" in status.stdout
        saved = {s["subsystem"]: s["config"] for s in daemon.save()["subsystems"]}
        assert ("bdev_error_create", "nvmf_subsystem_add_ns") == (saved["bdev"][-1]["method"], saved["nvmf"][-1]["method"])
        client.call("bdev_null_create", {"name": "Base", "block_size": 512, "num_blocks": 8})
        client.call("framework_retry_failed_config")
        assert client.call("framework_wait_init") is True
        assert len(client.call("nvmf_get_subsystems", {"nqn": NQN})[0]["namespaces"]) == 2
        assert daemon.end() == 0


def test_the_exit_status_reports_calls_that_still_fail(tmp_path):
    with Daemon(tmp_path, "-c", write(tmp_path / "c.json", FAILING)) as daemon, daemon.client() as client:
        with pytest.raises(RpcError):
            client.call("framework_wait_init")
        assert daemon.end() == 3


def test_a_strict_start_ends_when_a_call_fails(tmp_path):
    assert "no such device" in refused(tmp_path, "--strict-config", "-c", write(tmp_path / "c.json", FAILING))


def test_a_second_gateway_on_the_same_socket_is_refused(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        result = run_to_end(path=daemon.socket)
        assert result.returncode == 1
        assert result.stderr == f"causewayd: {daemon.socket}: another process listens there\n"
        assert daemon.call("spdk_get_version"), "the first is unharmed"


def test_a_socket_path_that_cannot_be_used_is_refused(tmp_path):
    assert "No such file or directory" in run_to_end(path=tmp_path / "no" / "such").stderr
    (tmp_path / "file").write_text("precious")
    assert "is not a socket" in run_to_end(path=tmp_path / "file").stderr
    assert (tmp_path / "file").read_text() == "precious"


def test_help_and_version_are_printed_to_stdout(tmp_path):
    for option, begins in (("--version", "causewayd "), ("--help", "Causeway")):
        result = run_to_end(option, path=tmp_path / "rpc.sock")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(begins)


# How it ends

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path, sig):
    with Daemon(tmp_path, "-c", write(tmp_path / "c.json", FULL)) as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        assert daemon.end(sig) == 0
        assert client.receive() is None
        assert sorted(p.name for p in tmp_path.iterdir()) == ["c.json", "causewayd.log"]


def test_a_client_can_end_it(tmp_path):
    with Daemon(tmp_path) as daemon:
        assert daemon.call("framework_wait_init")
        assert daemon.call("spdk_kill_instance", {"sig_name": "SIGTERM"}) is True
        assert daemon.process.wait(30) == 0


def test_it_ends_while_it_waits_for_rpc(tmp_path):
    with Daemon(tmp_path, "--wait-for-rpc") as daemon, daemon.client() as client:
        client.call("spdk_get_version")
        client.send('{"id": 1, "method": "framework_wait_init"}')
        time.sleep(0.2)
        assert daemon.end() == 0
        assert client.receive()["error"]["code"] < 0


def test_it_ends_while_a_cluster_does_not_answer(tmp_path):
    silent = {"mon_host": "v2:127.0.0.1:1"}
    with Daemon(tmp_path) as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        client.send(json.dumps({"id": 1, "method": "bdev_rbd_register_cluster",
                                "params": {"name": "c", "config_param": silent}}))
        client.send(json.dumps({"id": 2, "method": "bdev_rbd_create",
                                "params": {"pool_name": "p", "rbd_name": "i", "block_size": 512, "config": silent}}))
        assert client.call_meanwhile("spdk_get_version")
        time.sleep(1)
        begin = time.monotonic()
        assert daemon.end() == 0
        assert time.monotonic() - begin < 15    # librados would take 30 s, each
        assert not daemon.socket.exists()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path, first):
    with Daemon(tmp_path) as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        client.send(json.dumps({"id": 1, "method": "bdev_rbd_create",
                                "params": {"pool_name": "p", "rbd_name": "i", "block_size": 512,
                                           "config": {"mon_host": "v2:127.0.0.1:1"}}}))
        assert client.call_meanwhile("spdk_get_version")
        daemon.process.send_signal(first)
        time.sleep(0.5)
        begin = time.monotonic()
        assert daemon.end(signal.SIGTERM) == -signal.SIGTERM
        assert time.monotonic() - begin < 1


# The command for people

def causeway(*words):
    return subprocess.run([str(places.binary("tools/causeway")), *map(str, words)], capture_output=True, text=True,
                          timeout=60)


def test_causeway_rpc_calls_a_method(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        s = ("-s", daemon.socket)
        assert json.loads(causeway("rpc", *s, "nvmf_get_targets").stdout) == ["nvmf_tgt"]
        assert json.loads(causeway("rpc", *s, "bdev_null_create",
                                   '{"name": "N", "block_size": 512, "num_blocks": 8}').stdout) == "N"
        result = causeway("rpc", *s, "nvmf_get_subsystems", '{"nqn": "nqn.none"}')
        assert (result.returncode, result.stdout) == (1, "")
        assert "nqn.none" in result.stderr and "-19" in result.stderr
        assert causeway("rpc", *s, "nvmf_get_subsystems", "{").returncode == 2
        assert json.loads(causeway("rpc", *s, "bdev_null_create", "name=7", "block_size=512", "num_blocks=8").stdout) == "7"
        assert [d["name"] for d in json.loads(causeway("rpc", *s, "bdev_get_bdevs", "name=7").stdout)] == ["7"]
        result = causeway("rpc", *s, "bdev_raid_create", '{"name": "R"}')
        assert result.returncode == 1 and "SPDK's target has bdev_raid_create, Causeway does not" in result.stderr


def test_causeway_rpc_helps_without_a_gateway():
    listed = causeway("rpc")
    assert listed.returncode == 0 and "  nvmf_get_stats " in listed.stdout
    help = causeway("rpc", "nvmf_create_transport", "--help")
    assert help.returncode == 0 and "  trtype (string; required)" in help.stdout
    for words, says in [(("rpc", "nvmf_get_stat", "--help"), "did you mean 'nvmf_get_stats'?"),
                        (("rpc", "bdev_null_create", "nmae=a"), "did you mean 'name'?"),
                        (("rpc", "bdev_null_create", "{name: 1}"), "line 1, column 2: keys and strings stand in double quotes"),
                        (("connect",), "'connect' is not a command"),
                        (("bdev", "list"), "'bdev' is not a command")]:
        result = causeway(*words)
        assert (result.returncode, result.stdout) == (2, "") and says in result.stderr, words


def test_the_help_of_the_command_is_that_of_the_gateway(daemon):
    compiled_in = json.loads((places.CHECKOUT / "docs/rpc.json").read_text())
    assert daemon.call("rpc_get_method_help") == compiled_in


def test_causeway_status_shows_cores_disks_and_hosts(tmp_path):
    with Daemon(tmp_path, "--lcores", "0@0,1@0", "-c", write(tmp_path / "c.json", FULL)) as daemon:
        daemon.call("framework_wait_init")
        result = causeway("status", "-s", daemon.socket, "-i", "0.2")
        assert result.returncode == 0, result.stderr
        assert max(map(len, result.stdout.splitlines())) <= 100
        for word in ("CORES", "DISKS", "Null7", f"{NQN}:3", "none is connected"):
            assert word in result.stdout
        status = json.loads(causeway("status", "-s", daemon.socket, "-i", "0", "--json").stdout)
        assert {d["name"] for d in status["disks"]} == {"Null7", "Memory"}


def test_causeway_reports_that_there_is_no_gateway(tmp_path):
    for words in (["status"], ["rpc", "spdk_get_version"]):
        result = causeway(words[0], "-s", tmp_path / "none", *words[1:])
        assert result.returncode == 1
        assert result.stderr == f"causeway: no gateway listens at {tmp_path / 'none'}\n"
