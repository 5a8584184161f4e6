# SPDX-License-Identifier: Apache-2.0
import socket
import sys
import time
from pathlib import Path

import pytest
from lab import places, processes, sanitizers

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "gateway")]

from daemon import Daemon     # noqa: E402
from gateway_nqn import NQN     # noqa: E402
from raw_host import Host     # noqa: E402

BUILDS = ("release", "asan", "tsan")


@pytest.fixture(params=BUILDS)
def preset(request) -> str:
    """Each build that exists. `-k release` runs one only."""
    folder = places.BUILD.parent / request.param
    if not (folder / "gateway/causewayd").exists():
        pytest.skip(f"{folder}/gateway/causewayd is not built")
    return request.param


class Gateway(Daemon):
    """Two cores, a TCP transport and a listener; a memory disk of blocks of 512 bytes as namespace 1, a null disk of 4 KiB as 2."""

    address: tuple[str, int]

    def call(self, method: str, **params):
        with self.client() as client:
            return client.call(method, params or None)

    def serve(self, *, traddr: str = "127.0.0.1", blocks: int = 65536, **transport) -> "Gateway":
        self.call("framework_wait_init")
        self.call("nvmf_create_transport", trtype="TCP", **transport)
        self.call("bdev_malloc_create", name="Memory", block_size=512, num_blocks=blocks)
        self.call("bdev_null_create", name="Null", block_size=4096, num_blocks=1 << 20)
        self.call("nvmf_create_subsystem", nqn=NQN, serial_number="TCP", allow_any_host=True)
        for name in ("Memory", "Null"):
            self.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": name})
        self.address = (traddr, self.listen(traddr))
        return self

    def listen(self, traddr: str, **more) -> int:
        """At a port that is free."""
        with socket.socket(socket.AF_INET6 if ":" in traddr else socket.AF_INET) as probe:
            probe.bind((traddr, 0))
            port = probe.getsockname()[1]
        self.call("nvmf_subsystem_add_listener", nqn=NQN, listen_address={
            "trtype": "TCP", "adrfam": "IPv6" if ":" in traddr else "IPv4", "traddr": traddr, "trsvcid": str(port)}, **more)
        return port

    def add_keys(self, folder: Path, keys: dict[str, str]) -> dict[str, Path]:
        """Key files by name; the keyring has each key under that name."""
        files = {name: folder / name for name in keys}
        for name, file in files.items():
            file.touch(0o600)
            file.write_text(keys[name] + "\n")
            self.call("keyring_file_add_key", name=name, path=str(file))
        return files

    def qpairs(self) -> int:
        return len(self.call("nvmf_subsystem_get_qpairs", nqn=NQN))

    def await_qpairs(self, count: int, within: float = 60) -> None:
        """Waits: a host sees its socket closed before the control reactor has removed the connection from its list."""
        deadline = time.monotonic() + within
        while self.qpairs() != count:
            assert time.monotonic() < deadline, f"not within {within} s: {count} queue pairs"
            time.sleep(0.02)

    def counters(self) -> dict[str, int]:
        """Of the transport, over all cores."""
        total: dict[str, int] = {}
        for group in self.call("nvmf_get_stats")["poll_groups"]:
            for transport in group["transports"]:
                for device in transport.get("devices", []):
                    for name, value in device.items():
                        if isinstance(value, int):
                            total[name] = total.get(name, 0) + value
        return total


@pytest.fixture
def new_gateway(tmp_path, preset):
    """Starts gateways that must end well."""
    started = []

    def start(*options, **transport) -> Gateway:
        folder = tmp_path / f"gateway{len(started)}"
        folder.mkdir()
        gateway = Gateway(folder, "-m", "0x3", *options, build=places.BUILD.parent / preset, mib=512)
        started.append(gateway)
        return gateway.__enter__().serve(**transport)

    yield start
    for gateway in started:
        try:
            status = gateway.process.poll()    # a test may have ended it
            assert (gateway.end() if status is None else status) == 0, processes.tail(gateway.log)
            assert not sanitizers.reports(gateway.log), sanitizers.reports(gateway.log)
        finally:
            print(f"-- end of its log\n{processes.tail(gateway.log)}")
            gateway.__exit__()


@pytest.fixture
def gateway(new_gateway) -> Gateway:
    return new_gateway()


@pytest.fixture
def host(gateway) -> Host:
    with Host(gateway.address, NQN) as connected:
        yield connected
