# SPDX-License-Identifier: Apache-2.0
"""causeway apply, diff and export-config against a real gateway."""

import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from daemon import Daemon
from lab import places
from lab.ceph import free_ports

NQN = "nqn.2024-01.io.example:"
HOST = NQN + "host"
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"


def causeway(gateway, command, *arguments, status=0, text=None):
    ran = subprocess.run([str(places.binary("tools/causeway")), command, "-s", str(gateway.socket), *map(str, arguments)],
                         input=text, capture_output=True, text=True, timeout=60)
    assert ran.returncode == status, (ran.returncode, ran.stdout, ran.stderr)
    return ran


def address(port):
    return {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}


def fill(client, folder, ports):
    """Makes an object of each kind that needs neither a cluster nor an SSD."""
    key = folder / "key"
    key.write_text("NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:\n")
    key.chmod(0o600)
    for name in ("kept", "removed"):
        client.call("keyring_file_add_key", {"name": name, "path": str(key)})
    client.call("nvmf_create_transport", {"trtype": "TCP", "max_queue_depth": 64})
    client.call("bdev_malloc_create", {"name": "Memory", "block_size": 512, "num_blocks": 2048})
    client.call("bdev_null_create", {"name": "Null", "block_size": 4096, "num_blocks": 2048})
    client.call("bdev_error_create", {"base_name": "Null"})
    client.call("bdev_set_qos_limit", {"name": "Memory", "rw_ios_per_sec": 20000})
    client.call("nvmf_discovery_add_referral", {"address": address(8010)})
    client.call("nvmf_subsystem_allow_any_host", {"nqn": DISCOVERY, "allow_any_host": False})
    client.call("nvmf_subsystem_add_host", {"nqn": DISCOVERY, "host": HOST})
    client.call("nvmf_create_subsystem", {"nqn": NQN + "a", "ana_reporting": True, "max_namespaces": 8})
    client.call("nvmf_subsystem_add_host", {"nqn": NQN + "a", "host": HOST, "psk": "kept"})
    client.call("nvmf_subsystem_add_host", {"nqn": NQN + "a", "host": HOST + "2", "psk": "removed"})
    client.call("keyring_file_remove_key", {"name": "removed"})
    client.call("nvmf_subsystem_add_ns", {"nqn": NQN + "a", "namespace": {
        "bdev_name": "Memory", "nsid": 7, "anagrpid": 3, "no_auto_visible": True}})
    client.call("nvmf_subsystem_add_ns", {"nqn": NQN + "a", "namespace": {"bdev_name": "EE_Null", "nsid": 2}})
    client.call("nvmf_ns_add_host", {"nqn": NQN + "a", "nsid": 7, "host": HOST})
    client.call("nvmf_ns_set_qos_limit", {"nqn": NQN + "a", "nsid": 7, "host": HOST, "rw_ios_per_sec": 900, "weight": 3})
    client.call("nvmf_create_subsystem", {"nqn": NQN + "b", "allow_any_host": True})
    for port in ports:
        client.call("nvmf_subsystem_add_listener", {"nqn": NQN + "a", "listen_address": address(port)})
    client.call("nvmf_subsystem_listener_set_ana_state", {
        "nqn": NQN + "a", "listen_address": address(ports[1]), "ana_state": "non_optimized", "anagrpid": 3})


@pytest.fixture(scope="module")
def ports():
    """Of two listeners of what is exported, and a free one."""
    return sorted(free_ports("127.0.0.1", 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory, ports):
    """A file with an object of each kind, and the configuration of the gateway that it was exported from."""
    folder = tmp_path_factory.mktemp("exported")
    with Daemon(folder) as first:
        with first.client() as client:
            fill(client, folder, ports[:2])
        file = folder / "wished.json"
        causeway(first, "export-config", file)
        assert json.loads(causeway(first, "export-config").stdout) == json.loads(file.read_text()) == first.save()
        causeway(first, "diff", file)
        first.end()
    return file


@pytest.fixture
def gateway(tmp_path):
    with Daemon(tmp_path) as running:
        yield running


def sorted_calls(saved):
    return sorted(json.dumps(c, sort_keys=True) for s in saved["subsystems"] for c in s["config"] or [])


def test_an_empty_gateway_becomes_what_was_exported(gateway, exported):
    wished = json.loads(exported.read_text())
    planned = causeway(gateway, "apply", "--dry-run", exported).stdout
    assert sorted_calls(gateway.save()) == [], "--dry-run changes nothing"
    assert causeway(gateway, "apply", exported).stdout == planned
    assert sorted_calls(gateway.save()) == sorted_calls(wished)
    assert causeway(gateway, "diff", exported).stdout == ""
    saved = gateway.save()
    assert causeway(gateway, "apply", "--remove", exported).stdout == "nothing is to be done\n"
    assert gateway.save() == saved


def test_a_diff_shows_exactly_what_was_changed_by_hand(gateway, exported, ports):
    causeway(gateway, "apply", exported)
    with gateway.client() as client:
        client.call("nvmf_subsystem_remove_host", {"nqn": NQN + "a", "host": HOST + "2"})
        client.call("nvmf_subsystem_allow_any_host", {"nqn": NQN + "b", "allow_any_host": False})
        client.call("bdev_set_qos_limit", {"name": "Memory", "rw_ios_per_sec": 0})
        client.call("nvmf_subsystem_listener_set_ana_state", {
            "nqn": NQN + "a", "listen_address": address(ports[0]), "ana_state": "inaccessible", "anagrpid": 2})
        client.call("nvmf_subsystem_add_listener", {"nqn": NQN + "b", "listen_address": address(ports[2])})
    lines = causeway(gateway, "diff", exported, status=1).stdout.splitlines()
    assert sorted(lines) == sorted([
        f"+ host {NQN}a {HOST}2",
        "+ rate limit Memory",
        f"~ subsystem {NQN}b: allow_any_host false -> true",
        f"~ listener {NQN}a TCP 127.0.0.1 {ports[0]}: ana_state of group 2 inaccessible -> optimized",
        f"- listener {NQN}b TCP 127.0.0.1 {ports[2]}"])
    as_json = json.loads(causeway(gateway, "diff", "--json", exported, status=1).stdout)
    assert not as_json["equal"] and len(as_json["changes"]) == 5

    kept = causeway(gateway, "apply", exported).stdout
    assert f"left over: - listener {NQN}b TCP 127.0.0.1 {ports[2]}: --remove removes it" in kept
    assert causeway(gateway, "diff", exported, status=1).stdout == f"- listener {NQN}b TCP 127.0.0.1 {ports[2]}\n"
    assert causeway(gateway, "apply", "--remove", exported).stdout == f"- listener {NQN}b TCP 127.0.0.1 {ports[2]}\n"
    causeway(gateway, "diff", exported)


def test_what_cannot_be_changed_is_made_again_with_what_is_in_it(gateway, exported, tmp_path):
    causeway(gateway, "apply", exported)
    larger = tmp_path / "larger.json"
    larger.write_text(exported.read_text().replace('"max_namespaces": 8', '"max_namespaces": 16'))
    line = f"~ subsystem {NQN}a: max_namespaces 8 -> 16"
    assert causeway(gateway, "diff", larger, status=1).stdout.splitlines()[0] == line
    assert f"not done: {line}" in causeway(gateway, "apply", larger, status=1).stdout
    causeway(gateway, "apply", "--remove", larger)
    causeway(gateway, "diff", larger)


def test_a_gateway_is_what_a_file_of_spdks_target_has_made_it(tmp_path):
    file = Path(__file__).parent / "saved_by_spdk.json"
    with Daemon(tmp_path, "--json", str(file)) as loaded:
        loaded.call("framework_wait_init")
        assert causeway(loaded, "diff", file).stdout == ""
        loaded.end()


def test_everything_can_be_removed(gateway, exported, tmp_path):
    causeway(gateway, "apply", exported)
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"subsystems": []}')
    causeway(gateway, "apply", "--remove", nothing)
    assert [c["method"] for s in gateway.save()["subsystems"] for c in s["config"] or []] == ["nvmf_create_transport"]


def test_an_error_names_the_object_and_what_was_not_done(gateway, exported, ports, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(exported.read_text().replace(f'"trsvcid": "{ports[1]}"', '"trsvcid": "70000"'))
    ran = causeway(gateway, "apply", broken, status=1)
    assert f"causeway apply: listener {NQN}a TCP 127.0.0.1 70000: nvmf_subsystem_add_listener: " in ran.stderr
    assert "steps are done; these are not:\n    + listener" in ran.stderr
    result = json.loads(causeway(gateway, "apply", "--json", broken, status=1).stdout)
    assert [s["name"] for s in result["steps"] if not s["done"]] == [f"{NQN}a TCP 127.0.0.1 70000"]
    causeway(gateway, "apply", exported)
    causeway(gateway, "diff", exported)


def test_a_mistake_in_the_file_is_found_before_anything_is_done(gateway, exported, tmp_path):
    wrong = exported.read_text().replace("nvmf_subsystem_add_host", "nvmf_subsystem_add_hosts")
    for command in ("apply", "diff"):
        ran = causeway(gateway, command, "-", status=2, text=wrong)
        assert "there is no method 'nvmf_subsystem_add_hosts' (did you mean 'nvmf_subsystem_add_host'?)" in ran.stderr
        assert causeway(gateway, command, tmp_path / "absent", status=2).stderr.endswith("No such file or directory\n")
    assert sorted_calls(gateway.save()) == []


def test_an_answer_of_another_form_is_an_error(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer():
            with listener.accept()[0] as client:
                request = json.loads(client.recv(65536))
                client.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": [7]}).encode() + b"\n")
                client.recv(1)  # until it goes

        gateway = threading.Thread(target=answer)
        gateway.start()
        ran = subprocess.run([str(places.binary("tools/causeway")), "export-config", "-s", path],
                             capture_output=True, text=True, timeout=60)
        gateway.join()
    assert ran.returncode == 2, (ran.returncode, ran.stderr)
    assert "not of the expected form" in ran.stderr


def test_an_export_writes_into_a_pipe_and_leaves_it_there(gateway, tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert causeway(gateway, "export-config", link).stdout == ""
    assert link.is_symlink() and pipe.is_fifo()
    reader.join()
    assert json.loads(read[0]) == gateway.save()


def test_other_names_of_a_device_are_no_difference(gateway, tmp_path):
    uuid = "4c4c4544-0035-5910-804a-b5c04f444d33"
    file = tmp_path / "wished.json"
    file.write_text(json.dumps({"subsystems": [{"subsystem": "nvmf", "config": [
        {"method": "bdev_null_create", "params": {"name": "N", "block_size": 512, "num_blocks": 8, "uuid": uuid}},
        {"method": "bdev_set_qos_limit", "params": {"name": uuid.upper(), "rw_ios_per_sec": 9000}},
        {"method": "nvmf_create_subsystem", "params": {"nqn": NQN + "a"}},
        {"method": "nvmf_subsystem_add_ns", "params": {"nqn": NQN + "a", "namespace": {"bdev_name": uuid}}}]}]}))
    causeway(gateway, "apply", file)
    causeway(gateway, "diff", file)
    assert causeway(gateway, "apply", "--remove", file).stdout == "nothing is to be done\n"
