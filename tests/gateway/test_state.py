# SPDX-License-Identifier: Apache-2.0
"""causewayd --state: what a client has been told is there after a kill."""

import os
import random
import signal
import threading

import pytest
from daemon import ANSWERS_WITHIN, Daemon, RpcError, run_to_end

NQN = "nqn.2024-01.io.example:"
KILLS = 50 if os.environ.get("CAUSEWAY_LONG") else 8


def with_state(folder):
    return Daemon(folder, "--state", str(folder / "state"))


def names(daemon):
    daemon.call("framework_wait_init")
    return {s["nqn"] for s in daemon.call("nvmf_get_subsystems")}, {b["name"] for b in daemon.call("bdev_get_bdevs")}


def test_a_killed_gateway_comes_back_as_it_was(tmp_path):
    with with_state(tmp_path) as daemon, daemon.client() as client:
        client.call("framework_wait_init")
        client.call("nvmf_create_transport", {"trtype": "TCP"})
        client.call("bdev_malloc_create", {"name": "Memory", "block_size": 512, "num_blocks": 2048})
        client.call("nvmf_create_subsystem", {"nqn": NQN + "a", "ana_reporting": True, "admin_label": "for tests"})
        client.call("nvmf_subsystem_add_ns", {"nqn": NQN + "a", "namespace": {"bdev_name": "Memory", "nsid": 7,
                                                                            "anagrpid": 3, "no_auto_visible": True}})
        client.call("nvmf_subsystem_add_host", {"nqn": NQN + "a", "host": NQN + "host"})
        client.call("nvmf_ns_add_host", {"nqn": NQN + "a", "nsid": 7, "host": NQN + "host"})
        client.call("bdev_set_qos_limit", {"name": "Memory", "rw_ios_per_sec": 20000})
        listen_address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": "44321"}
        client.call("nvmf_subsystem_add_listener", {"nqn": NQN + "a", "listen_address": listen_address})
        client.call("nvmf_subsystem_listener_set_ana_state", {
            "nqn": NQN + "a", "listen_address": listen_address, "ana_state": "inaccessible", "anagrpid": 3})
        saved = daemon.save()
        daemon.end(signal.SIGKILL)
    with with_state(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        assert daemon.save() == saved
        assert daemon.end() == 0
    with with_state(tmp_path) as daemon:  # an orderly end removes nothing
        daemon.call("framework_wait_init")
        assert daemon.save() == saved


def test_kills_at_any_moment_lose_nothing_that_was_answered(tmp_path):
    """Two clients change what is theirs, and each remembers what it was told."""
    dice = random.Random(7)
    expected: dict[str, set] = {"nqn": set(), "bdev": set()}
    for _ in range(KILLS):
        with with_state(tmp_path) as daemon:
            subsystems, devices = names(daemon)
            for kind, found in (("nqn", subsystems), ("bdev", devices)):
                unanswered = expected.pop("unanswered " + kind, set())
                assert (found ^ expected[kind]) - unanswered <= {"nqn.2014-08.org.nvmexpress.discovery"}
                expected[kind] = {name for name in found if "discovery" not in name}
            clients = [threading.Thread(target=change, args=(daemon, kind, expected, dice.random()))
                       for kind in ("nqn", "bdev")]
            for c in clients:
                c.start()
            clients[0].join(timeout=dice.random() * 0.3)
            daemon.end(signal.SIGKILL)
            for c in clients:
                c.join(ANSWERS_WITHIN)
                assert not c.is_alive()


CALLS = {"nqn": (("nvmf_create_subsystem", "nqn"), ("nvmf_delete_subsystem", "nqn")),
         "bdev": (("bdev_null_create", "name"), ("bdev_null_delete", "name"))}


def change(daemon, kind, expected, seed):
    """Makes and removes things until the gateway is gone; what it was about to do then may be done or not."""
    dice = random.Random(seed)
    (create, key), (remove, _) = CALLS[kind]
    name = None
    try:
        with daemon.client() as client:
            while True:
                name = f"{NQN if kind == 'nqn' else 'Null'}{dice.randrange(20)}"
                if name in expected[kind]:
                    client.call(remove, {key: name})
                    expected[kind].remove(name)
                else:
                    size = {"block_size": 512, "num_blocks": 8} if kind == "bdev" else {}
                    client.call(create, {key: name, **size})
                    expected[kind].add(name)
    except (OSError, TypeError, AssertionError):  # the connection ended, maybe within an answer
        expected["unanswered " + kind] = {name}


def test_a_configuration_file_is_used_until_there_is_a_state(tmp_path):
    file = tmp_path / "first.json"
    file.write_text('{"subsystems": [{"subsystem": "nvmf", "config": '
                    '[{"method": "nvmf_create_subsystem", "params": {"nqn": "%sfile"}}]}]}' % NQN)
    for added in ("x", "y"):
        with Daemon(tmp_path, "--state", str(tmp_path / "state"), "--json", str(file)) as daemon:
            assert (NQN + "file" in names(daemon)[0]) == (added == "x")
            if added == "x":
                daemon.call("nvmf_delete_subsystem", {"nqn": NQN + "file"})
            daemon.end(signal.SIGKILL)


def test_what_cannot_be_made_at_a_start_is_not_lost(tmp_path):
    with with_state(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        key = tmp_path / "key"
        key.write_text("NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:\n")
        key.chmod(0o600)
        daemon.call("keyring_file_add_key", {"name": "k", "path": str(key)})
        saved = daemon.save()
        daemon.end(signal.SIGKILL)
    key.rename(tmp_path / "elsewhere")
    with with_state(tmp_path) as daemon:
        with pytest.raises(RpcError):
            daemon.call("framework_wait_init")
        daemon.call("nvmf_create_subsystem", {"nqn": NQN + "new"})
        daemon.end(signal.SIGKILL)
    (tmp_path / "elsewhere").rename(key)
    with with_state(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        assert daemon.call("keyring_get_keys")[0]["name"] == "k"
        assert NQN + "new" in names(daemon)[0]
        assert len(daemon.save()["subsystems"]) == len(saved["subsystems"])


def test_a_damaged_state_ends_the_start_and_says_what_to_do(tmp_path):
    with with_state(tmp_path) as daemon:
        daemon.call("framework_wait_init")
        daemon.call("nvmf_create_subsystem", {"nqn": NQN + "a"})
        daemon.end()
    state = tmp_path / "state" / "config.json"
    state.write_text(state.read_text().replace("example:a", "example:b"))
    ended = run_to_end("--state", str(tmp_path / "state"), path=tmp_path / "rpc.sock")
    assert ended.returncode == 1
    assert "its content does not match its checksum" in ended.stderr


def test_a_full_disk_is_told_to_the_client_and_to_those_who_wait_for_readiness(tmp_path):
    with with_state(tmp_path) as daemon, daemon.client() as client:
        client.call("nvmf_create_subsystem", {"nqn": NQN + "0"})  # answered when what there was before is stored
        (tmp_path / "state" / "config.json.new").mkdir()  # no file can be made under this name
        with pytest.raises(RpcError, match="it is done, but not stored"):
            client.call("nvmf_create_subsystem", {"nqn": NQN + "a"})
        with pytest.raises(RpcError, match="config.json.new"):
            client.call("framework_wait_init")
        (tmp_path / "state" / "config.json.new").rmdir()
        client.call("nvmf_create_subsystem", {"nqn": NQN + "b"})
        client.call("framework_wait_init")
        daemon.end(signal.SIGKILL)
    with with_state(tmp_path) as daemon:
        assert {NQN + "a", NQN + "b"} <= names(daemon)[0]
