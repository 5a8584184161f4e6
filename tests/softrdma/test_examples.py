# SPDX-License-Identifier: Apache-2.0
"""Programs that Debian ships, unmodified, each with its peer in a process of its own."""

import os
import re
import shutil
import socket
import subprocess

import pytest
from fabric import LIBRARIES, Fabric, build_folder
from lab import processes
from programs import wait_until

PINGS = 200

PAIRS = {
    "ibv_rc_pingpong": ("ibv_rc_pingpong -g 0 -p {port}", "ibv_rc_pingpong -g 0 -p {port} 127.0.0.1"),
    "ibv_rc_pingpong, events": ("ibv_rc_pingpong -g 0 -e -p {port}", "ibv_rc_pingpong -g 0 -e -p {port} 127.0.0.1"),
    "ibv_rc_pingpong, built work requests": ("ibv_rc_pingpong -g 0 -N -p {port}", "ibv_rc_pingpong -g 0 -N -p {port} 127.0.0.1"),
    "ibv_srq_pingpong": ("ibv_srq_pingpong -g 0 -p {port}", "ibv_srq_pingpong -g 0 -p {port} 127.0.0.1"),
    "rping": (f"rping -s -a 127.0.0.1 -p {{port}} -C {PINGS} -V", f"rping -c -a 127.0.0.1 -p {{port}} -C {PINGS} -V"),
    "rping, IPv6": (f"rping -s -a ::1 -p {{port}} -C {PINGS} -V", f"rping -c -a ::1 -p {{port}} -C {PINGS} -V"),
    "ucmatose": ("ucmatose -p {port} -c 4", "ucmatose -p {port} -c 4 -s 127.0.0.1"),
    "rdma_server": ("rdma_server -p {port}", "rdma_client -s 127.0.0.1 -p {port}"),
    "ib_send_bw": ("ib_send_bw -p {port}", "ib_send_bw -p {port} 127.0.0.1"),
    "ib_send_bw, connection manager": ("ib_send_bw -R -p {port}", "ib_send_bw -R -p {port} 127.0.0.1"),
    "ib_send_bw, SRQ": ("ib_send_bw --use-srq -q 2 -p {port}", "ib_send_bw --use-srq -q 2 -p {port} 127.0.0.1"),
    "ib_send_lat": ("ib_send_lat -p {port}", "ib_send_lat -p {port} 127.0.0.1"),
    "ib_write_bw": ("ib_write_bw -p {port}", "ib_write_bw -p {port} 127.0.0.1"),
    "ib_write_bw, all sizes": ("ib_write_bw -a -n 100 -p {port}", "ib_write_bw -a -n 100 -p {port} 127.0.0.1"),
    "ib_read_lat": ("ib_read_lat -p {port}", "ib_read_lat -p {port} 127.0.0.1"),
    "ib_read_bw": ("ib_read_bw -p {port}", "ib_read_bw -p {port} 127.0.0.1"),
}
"""The command lines of a server and a client, by the case."""

EARLY_WRITE = "the buffer of a send, 0, was changed before its completion was polled"
ITS_OWN = {
    "ib_send_bw, connection manager": "written to before anything arrived in it",
    "rping": EARLY_WRITE,
    "rping, IPv6": EARLY_WRITE,
}
"""perftest prepares what it says in the buffer of a receive that it has posted: reported, and harmless to it. rping writes its next
message when its peer has answered the one before, and that answer may overtake the acknowledgement of what it answers."""


@pytest.fixture
def free_port() -> int:
    """For TCP, and by the same number on the fabric."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def example_fabric(tmp_path) -> Fabric:
    build = build_folder("release")
    if not (build / LIBRARIES / "librdmacm.so.1").exists():
        pytest.skip("the libraries are not built")
    return Fabric(tmp_path, build)


def spoken(fabric: Fabric, name: str) -> str:
    return (fabric.folder / f"{name}.said").read_text(errors="replace")


def start(fabric: Fabric, name: str, command: str) -> subprocess.Popen:
    words = command.split()
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    with open(fabric.folder / f"{name}.said", "w") as out:
        return subprocess.Popen(processes.prefix() + words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                env=fabric.environment(name))


def listens(process: subprocess.Popen, port: int) -> bool:
    """On TCP, where most of these meet first; or on the fabric."""
    def owned(path: str, wanted: str) -> bool:
        return any(wanted in line for line in open(path))
    assert process.poll() is None, "the server has ended"
    return (owned("/proc/net/tcp", f":{port:04X} 00000000:0000 0A") or owned("/proc/net/tcp6", f":{port:04X} 0000000000000000")
            or owned("/proc/net/unix", f"/{port}"))


@pytest.mark.parametrize("name", PAIRS)
def test_an_example_runs_between_two_processes(example_fabric, free_port, name):
    server_command, client_command = (c.format(port=free_port) for c in PAIRS[name])
    server = start(example_fabric, "server", server_command)
    try:
        wait_until(lambda: listens(server, free_port), "the server does not listen", 20)
        client = start(example_fabric, "client", client_command)
        try:
            assert client.wait(60) == 0, spoken(example_fabric, "client")
            assert server.wait(60) == 0, spoken(example_fabric, "server")
        finally:
            client.kill()
            client.wait()
    finally:
        server.kill()
        server.wait()
    for side in ("client", "server"):
        allowed = ITS_OWN.get(name)
        wrong = [v for v in example_fabric.violations(side) if not (allowed and allowed in v)]
        assert not wrong, wrong
        moved = re.findall(r"^(?:send|rdma_read|rdma_write|recv)_bytes (\d+)$", example_fabric.record(side).read_text(), re.M)
        assert side == "server" or sum(map(int, moved)) > 0, "nothing has been moved"


def test_devices_are_listed(example_fabric):
    environment = example_fabric.environment("devinfo") | {"SOFTRDMA_DEVICES": "2"}
    said = subprocess.run(["ibv_devinfo", "-v"], capture_output=True, text=True, env=environment, timeout=20, check=True).stdout
    assert re.findall(r"hca_id:\s+(\S+)", said) == ["softrdma0", "softrdma1"]
    assert re.findall(r"^\s+state:\s+(\S+)", said, re.M) == ["PORT_ACTIVE"] * 2
    assert len(set(re.findall(r"GID\[\s*0\]:\s+(\S+)", said))) == 2


def test_the_symbols_and_their_versions_are_those_of_rdma_core():
    """Every name that rdma-core 44 gives to programs as the default of its version is here under the same one."""
    def names(path) -> set[str]:
        listed = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        return {line.split()[-1] for line in listed.splitlines() if "@@" in line}
    ours = build_folder("release") / LIBRARIES
    for library in ("libibverbs.so.1", "librdmacm.so.1"):
        if not (ours / library).exists():
            pytest.skip("the libraries are not built")
        theirs = f"/usr/lib/{os.uname().machine}-linux-gnu/{library}"
        assert names(theirs) - names(ours / library) == set()
