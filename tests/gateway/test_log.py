# SPDX-License-Identifier: Apache-2.0
"""--log-format: what a collector of logs reads, and the events of docs/events.md as they come."""

import json
import re
import subprocess

from daemon import Daemon, run_to_end
from lab import places
from lab.ceph import free_ports

NQN = "nqn.2024-01.io.example:logged"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def configuration(folder) -> str:
    """With a call that fails for want of a file."""
    path = folder / "config.json"
    path.write_text(json.dumps({"subsystems": [{"subsystem": "keyring", "config": [
        {"method": "keyring_file_add_key", "params": {"name": "k", "path": "/nowhere/at/all"}}]}]}))
    return str(path)


def provoke_refusal(gateway) -> None:
    """A host that is not allowed."""
    port = str(free_ports("127.0.0.1", 1)[0])
    gateway.call("nvmf_create_transport", {"trtype": "TCP"})
    gateway.call("nvmf_create_subsystem", {"nqn": NQN})
    gateway.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": {
        "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": port}})
    done = subprocess.run([places.binary("tools/causeway"), "identify", "-a", "127.0.0.1", "-s", port, "-n", NQN, "--hostnqn",
                           NQN + '-"host"'], capture_output=True, timeout=60)
    assert done.returncode != 0


def test_each_line_is_an_object_with_an_events_id_and_fields(tmp_path):
    with Daemon(tmp_path, "--log-format", "json", "-L", "nvmf", "-i", "0", "--json", configuration(tmp_path)) as gateway:
        provoke_refusal(gateway)
        gateway.await_log('"CW101"', '"CW301"')
        assert gateway.end() == 3
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    for line in lines:
        assert {"time", "level", "component", "message", "fields"} <= line.keys() <= {
            "time", "level", "component", "id", "message", "fields"}
        assert TIME.fullmatch(line["time"])
    events = {line["id"]: line for line in lines if "id" in line}
    assert events["CW101"]["fields"] == {"subsystem": NQN, "host": NQN + '-"host"',
                                         "address": events["CW101"]["fields"]["address"]}
    assert (events["CW101"]["level"], events["CW101"]["component"]) == ("WARNING", "nvmf")
    assert events["CW301"]["fields"]["method"] == "keyring_file_add_key"
    assert any(line["component"] == "nvmf" and line["level"] == "DEBUG" for line in lines), "trace points"


def test_text_is_the_default_and_has_the_id_at_the_end(tmp_path):
    with Daemon(tmp_path, "--json", configuration(tmp_path)) as gateway:
        provoke_refusal(gateway)
        log = gateway.await_log("[CW101]", "[CW301]")
        assert gateway.end() == 3
    assert re.search(r"^\[[-0-9: .]+\] WARNING: .* rejecting queue 0 of host .*: .* \[CW101\]$", log, re.M)


def test_a_start_that_is_refused_is_such_a_line_too(tmp_path):
    ended = run_to_end("--log-format", "json", "-L", "nothing", path=tmp_path / "rpc.sock")
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "no such log flag: nothing" in json.loads(line)["message"]


def test_a_start_that_fails_late_tells_it_in_such_a_line(tmp_path):
    for options, why in [(("--metrics", "192.0.2.1:9"), "--metrics: "),
                         (("--strict-config", "--json", configuration(tmp_path)), "keyring_file_add_key")]:
        ended = run_to_end("--log-format", "json", *options, path=tmp_path / "rpc.sock")
        assert ended.returncode == 1
        messages = [json.loads(line)["message"] for line in ended.stderr.splitlines()]
        assert any(why in message for message in messages), messages
