# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/operations.md and of the README, run as they stand there against a real cluster; only names of
this machine are replaced."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from gateway.daemon import Daemon
from lab import document, places, processes
from lab.ceph import free_ports
from test_shared_reservations import EA, SUCCESS, Host

NQN = "nqn.2016-06.org.example:vm17"
HOST = "nqn.2016-06.org.example:host1"


class Service(Daemon):
    """A gateway that may make the system calls of the service, and no others."""

    def words(self) -> list[str]:
        if not shutil.which("systemd-analyze"):
            return super().words()
        return [sys.executable, str(places.CHECKOUT / "tests/deploy/system_calls.py"),
                str(places.CHECKOUT / "deploy/package/causewayd.service"), *super().words()]


def shell(script: str, within: float = 120) -> subprocess.CompletedProcess:
    """Runs it to its end; what it has started ends with it, also when it takes too long."""
    with subprocess.Popen([*processes.prefix(), "bash", "-euc", script], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True) as bash:
        late = ""
        try:
            bash.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            late = f"not done after {within} s"
        finally:
            processes.end(bash)
        out, err = bash.communicate()
        return subprocess.CompletedProcess(script, bash.returncode, out, err + late)


def remove_image(cluster) -> None:
    """Even if a gateway has it: one of a test that failed still runs, or was killed and is still waited for."""
    cluster.blocklist_client_of("vm-17")
    cluster.remove_image("vm-17")


@dataclass
class Machine:
    """Where the commands run: the cluster, a folder instead of /etc, and a gateway, once there is one."""
    cluster: object
    folder: Path
    ports: list[int]
    gateway: Daemon | None = None

    def here(self, text: str) -> str:
        """The command, with the names of this machine."""
        names = {"/etc/ceph/ceph.conf": self.cluster.conf, "/etc/ceph/": f"{self.folder}/",
                 "/etc/causeway": self.folder / "keys",
                 "192.0.2.10": "127.0.0.1", "/run/causeway/rpc.sock": self.folder / "rpc.sock", "4420": self.ports[0],
                 "4421": self.ports[1], "--seconds 5": "--count 200 --json"}
        for name, ours in names.items():
            text = text.replace(name, str(ours))
        return text

    def with_port(self, text: str) -> str:
        """A command that relies on the default port."""
        if text.startswith(("causeway discover", "causeway perf")):
            text += f" -s {self.ports[0]}"
        if text.startswith("causeway export"):
            text += f" -p {self.ports[1]}"
        return text

    def run(self, text: str) -> str:
        causeway = shlex.quote(str(places.binary("tools/causeway")))
        script = (f"causeway() {{ {causeway} \"$@\"; }}\n"
                  f"rpc() {{ causeway rpc -s {self.folder}/rpc.sock \"$@\"; }}\n"
                  f"ceph() {{ command ceph -c {self.cluster.conf} \"$@\"; }}\n{self.with_port(self.here(text))}\n")
        done = shell(script)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> Daemon:
        """As the service does."""
        self.gateway = Service(self.folder, "-m", "0x3", "--state", str(self.folder / "state"),
                               build=places.BUILD, mib=384)
        self.gateway.__enter__()
        self.gateway.call("framework_wait_init")
        return self.gateway

    def perf(self, *more: str, port: int | None = None) -> dict:
        done = processes.run([places.binary("tools/causeway"), "perf", "-t", "tcp", "-a", "127.0.0.1", "-s",
                              port or self.ports[0], "-n", NQN, "--hostnqn", HOST, "--count", 50, "--json", *more])
        return json.loads(done.stdout)


@pytest.fixture
def machine(cluster, tmp_path):
    m = Machine(cluster, tmp_path, free_ports("127.0.0.1", 2))
    yield m
    if m.gateway:
        m.gateway.__exit__(None, None, None)


@pytest.fixture
def image(cluster):
    cluster.create_image("vm-17", "16M")
    yield
    remove_image(cluster)


@pytest.fixture
def image_with_data_pool(cluster):
    cluster.create_pool("rbd-data")
    cluster.rbd("create", "rbd/vm-17", "--size", "16M", "--data-pool", "rbd-data")
    yield
    remove_image(cluster)


@pytest.fixture
def users(machine):
    """The users of the document, with the capabilities that it gives them."""
    for line in document.of_section("The Ceph user"):
        machine.run(line)
    yield
    for user in ("client.causeway", "client.causeway-ro"):
        machine.cluster.ceph("auth", "rm", user)


def test_its_user_is_all_that_a_gateway_needs(machine, users, image):
    caps = json.loads(machine.cluster.ceph("auth", "get", "client.causeway", "-f", "json"))[0]["caps"]
    assert caps == {"mon": "profile rbd", "osd": "profile rbd pool=rbd"}
    gateway = machine.start()
    serve, export, check = _groups(document.of_section("First namespace"))
    for line in serve:
        machine.run(line)
    printed = [machine.run(line) for line in check]
    assert NQN in printed[0]
    assert json.loads(printed[1])["failed"] == 0
    assert machine.perf("--mix", "0")["failed"] == 0, "writes"
    with Host(machine.ports[0], 1, NQN, HOST) as host:
        assert host.register() == SUCCESS
        assert host.acquire(EA) == SUCCESS
        assert host.clear() == SUCCESS

    # It fences its dead predecessor, which is what the monitors' profile is for.
    left = (machine.folder / "rpc.sock.clients").read_text()
    address = next(line for line in left.splitlines() if not line.startswith("#")).split()[1].split(":", 1)[1]
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()
    gateway = machine.start()
    assert address in machine.cluster.ceph("osd", "blocklist", "ls")
    assert "CW208" not in gateway.log.read_text()
    assert machine.perf("--mix", "0")["failed"] == 0, "the state was kept"
    assert gateway.end() == 0


def test_export_does_the_same(machine, users, image):
    machine.start()
    _, export, _ = _groups(document.of_section("First namespace"))
    said = machine.run(export[0])
    assert "nvme connect" in said
    assert machine.gateway.end() == 0


def test_data_pools_need_the_profile_too(machine, users, image_with_data_pool, cluster):
    text = " ".join(document.OPERATIONS.read_text().split())
    caps = text.split("their data pools too (`osd '")[1].split("'")[0]
    cluster.ceph("auth", "caps", "client.causeway", "mon", "profile rbd", "osd", caps)
    machine.start()
    for line in _groups(document.of_section("First namespace"))[0]:
        machine.run(line)
    assert machine.perf("--mix", "50")["failed"] == 0
    assert machine.gateway.end() == 0


def test_the_read_only_user_serves_reads_and_reservations(machine, users, image):
    caps = json.loads(machine.cluster.ceph("auth", "get", "client.causeway-ro", "-f", "json"))[0]["caps"]
    assert "profile rbd pool" not in caps["osd"]
    machine.start()
    for line in _groups(document.of_section("First namespace"))[0]:
        line = line.replace("user_id=causeway ", "user_id=causeway-ro ")
        line = line.replace("client.causeway.", "client.causeway-ro.")
        machine.run(line + " read_only=true" if "bdev_rbd_create" in line else line)
    assert machine.perf()["failed"] == 0
    with Host(machine.ports[0], 1, NQN, HOST) as host:
        assert host.register() == SUCCESS
        assert host.write() != SUCCESS
        assert host.clear() == SUCCESS
    assert machine.gateway.end() == 0


def test_its_keys_encrypt_and_authenticate(machine, users, image):
    machine.start()
    for line in _groups(document.of_section("First namespace"))[0]:
        machine.run(line)
    for line in document.of_section("TLS and authentication"):
        if not line.startswith("nvme connect"):    # tests/vm connects
            machine.run(line)
    keys = machine.folder / "keys"
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}
    secret = ("--dhchap-key", str(keys / "host1.dhchap"))
    assert machine.perf("--psk", str(keys / "host1.key"), *secret, port=machine.ports[1])["failed"] == 0
    refused = subprocess.run([places.binary("tools/causeway"), "perf", "-a", "127.0.0.1", "-s", str(machine.ports[1]),
                              "-n", NQN, "--hostnqn", HOST, "--psk", keys / "host1.key", "--count", "1"],
                             capture_output=True, timeout=60)
    assert refused.returncode != 0, "without its secret"
    assert machine.gateway.end() == 0


def test_a_backup_of_the_state_is_a_copy_of_a_file(machine, users, image):
    machine.start()
    for line in _groups(document.of_section("First namespace"))[0]:
        machine.run(line)
    backup = (machine.folder / "state/config.json").read_bytes()    # while it runs
    machine.run("rpc nvmf_delete_subsystem nqn=nqn.2016-06.org.example:vm17")
    assert machine.gateway.end() == 0
    (machine.folder / "backup").mkdir()
    (machine.folder / "backup/config.json").write_bytes(backup)
    copy = next(line for line in document.of_section("Backup") if line.startswith("install"))
    copy = copy.replace("backup/", f"{machine.folder}/backup/")
    machine.run(copy.replace("/var/lib/causeway", str(machine.folder / "state")))
    machine.start()
    assert machine.perf()["failed"] == 0
    assert machine.gateway.end() == 0


# What of the README's section other tests run, or has no device here: builds, huge pages, kernel hosts, local SSDs.
ELSEWHERE = ("deploy/", "cmake", "echo 512", "nvme connect", "rpc bdev_nvme", "export PATH")


def test_the_short_way_of_the_readme_works(machine, cluster, tmp_path):
    lines = document.of_section("For real", places.CHECKOUT / "README.md")
    script = [machine.here(line.replace("-t rdma", "-t tcp").replace("--seconds 30", "--count 200"))
              for line in lines if not line.startswith(ELSEWHERE) and "Nvme0n1" not in line]
    second = script.index("rpc nvmf_create_transport trtype=TCP")    # the first one is RDMA's
    script = [line.replace("trtype=RDMA", "trtype=TCP") for line in script[:second] + script[second + 1:]]
    script.insert(0, f"""
        PATH={places.BUILD}/gateway:{places.BUILD}/tools:$PATH
        ceph() {{ command ceph -c {cluster.conf} "$@"; }}
        rbd() {{ command rbd -c {cluster.conf} "$@"; }}
        causewayd() {{ exec setpriv --pdeathsig KILL {places.BUILD}/gateway/causewayd --no-huge -u \\
            -s 384 -r {tmp_path}/rpc.sock "$@"; }}
        causeway() {{
            case $1 in
            rpc | status) command causeway "$1" -s {tmp_path}/rpc.sock "${{@:2}}" ;;
            *) command causeway "$@" -s {machine.ports[0]} ;;
            esac
        }}
        trap 'kill %1; wait' EXIT""")
    try:
        done = shell("\n".join(script))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"TCP 127.0.0.1:{machine.ports[1]}" in done.stderr, "and the listener with keys"
    finally:
        with contextlib.suppress(processes.CommandFailed):    # it may not have come so far
            remove_image(cluster)
        cluster.ceph("auth", "rm", "client.causeway")    # succeeds when there is none


def _groups(lines: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The calls, the one command that does the same, and what a host of another machine does."""
    calls = [line for line in lines if line.startswith("rpc ")]
    export = [line for line in lines if line.startswith("causeway export")]
    rest = lines[len(calls) + len(export):]
    assert calls and len(export) == 1 and rest
    return calls, export, rest
