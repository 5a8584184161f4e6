# SPDX-License-Identifier: Apache-2.0
"""The programs on the fabric: a gateway, and hosts that drive its disks."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from fabric import Fabric, tell
from gateway.daemon import Daemon
from lab import processes, sanitizers
from lab.gateway import listen_address, serial_number

MIB = 1 << 20
LOAD = "tests/rdma_host/rdma_load"
COMMAND = "tools/causeway"
HOSTILE = "tests/hostile/hostile_client"
SCRIPTED_HOST = "tests/hostile/scripted_host"

SLOWER = {"release": 1, "asan": 4, "tsan": 8}
"""How many times slower than the release build a build is, for time limits."""


class Gateway(Daemon):
    """A causewayd on the fabric, with an RDMA transport."""

    def __init__(self, folder: Path, fabric: Fabric, *options: str, cores: str = "0x3", faults: str = "", mib: int = 384):
        self.name = folder.name
        self.fabric = fabric
        self.control = fabric.control(self.name)
        self.was_killed = False
        more = {"control": str(self.control)} | ({"faults": faults} if faults else {})
        super().__init__(folder, "-m", cores, *options, build=fabric.build, mib=mib,
                         environment=fabric.environment(self.name, **more))

    def __enter__(self) -> "Gateway":
        super().__enter__()
        self.call("framework_wait_init")
        return self

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """Ends the gateway as a crash would."""
        self.was_killed = True
        self.process.kill()
        self.process.wait()

    def set_faults(self, *rules: str) -> None:
        """Sets fault rules of the fabric on the gateway's side."""
        assert set(tell(self.control, *rules)) <= {"ok"}, rules

    def add_transport(self, **options) -> None:
        self.call("nvmf_create_transport", {"trtype": "RDMA", **options})

    def add_disk(self, name: str, mib: int, block_size: int = 512) -> str:
        return self.call("bdev_malloc_create", {"name": name, "block_size": block_size,
                                                "num_blocks": mib * MIB // block_size})

    def serve(self, nqn: str, bdev: str, *places: tuple[str, int]) -> None:
        """A subsystem that any host may use, with this namespace, listening there."""
        self.call("nvmf_create_subsystem", {"nqn": nqn, "allow_any_host": True, "serial_number": serial_number(nqn)})
        self.call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": bdev}})
        for address, port in places or (("127.0.0.1", 4420),):
            self.listen(nqn, address, port)

    def listen(self, nqn: str, address: str, port: int = 4420) -> None:
        self.call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": listen_address(address, port)})

    def commands(self, bdev: str) -> int:
        """The number of reads and writes that a device has completed."""
        shown = self.call("bdev_get_iostat", {"name": bdev})["bdevs"][0]
        return shown["num_read_ops"] + shown["num_write_ops"]

    def controllers(self, nqn: str) -> list[dict]:
        return self.call("nvmf_subsystem_get_controllers", {"nqn": nqn})

    def resources(self) -> dict[str, int]:
        """The counts that a leak would increase."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {"files": len(os.listdir(f"/proc/{self.process.pid}/fd")),
                "rss_kib": int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]),
                **self.objects()}

    def objects(self) -> dict[str, int]:
        """The number of the gateway's verbs objects, by kind."""
        record = tell(self.control, "record")[0]
        return {kind: int(n) for kind, n in re.findall(r"^open_(\w+) (\d+)$", record, re.M)}

    def settled_resources(self, seconds: float = 30) -> dict[str, int]:
        """`resources` once they no longer change, resident memory aside: when the gateway has released its last host."""
        counts, end = self.resources(), time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            before, counts = counts, self.resources()
            if counts == before | {"rss_kib": counts["rss_kib"]}:
                break
        return counts

    def must_end_well(self) -> None:
        """The gateway still runs, ends in order, has no sanitizer report, and has used verbs correctly."""
        assert self.running, f"the gateway has ended: {self.process.returncode}\n{processes.tail(self.log)}"
        status = self.end()
        assert not sanitizers.reports(self.log), sanitizers.reports(self.log)
        assert status == 0, f"exit status {status}\n{processes.tail(self.log)}"
        assert self.fabric.record(self.name).exists()
        assert self.fabric.violations(self.name) == []


class Program:
    """A program on the fabric, whose output goes to files. To be used in `with`. If it `talks`, its standard input and output are
    pipes instead."""

    def __init__(self, fabric: Fabric, name: str, program: str, *words, faults: str = "", talks: bool = False):
        self.name = name
        self.fabric = fabric
        self.command = processes.prefix() + [str(fabric.build / program), *map(str, words)]
        self._talks = talks
        self._environment = fabric.environment(name, **({"faults": faults} if faults else {}))
        self._out, self._err = (fabric.folder / f"{name}.{end}" for end in ("out", "err"))
        self.process: subprocess.Popen | None = None

    def __enter__(self):
        with open(self._out, "w") as out, open(self._err, "w") as err:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                                            stdout=subprocess.PIPE if self._talks else out, stderr=err, text=True,
                                            env=self._environment)
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        return self._out.read_text(errors="replace")

    def errors(self) -> str:
        return self._err.read_text(errors="replace")

    def kill(self) -> None:
        if self.running:
            self.process.kill()
        self.process.wait()

    def status(self, timeout: float) -> int:
        """Its exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.output()}{self.errors()}") from None

    def wait_for(self, words: str, timeout: float = 60) -> None:
        """Waits until the program has printed `words` to its standard error."""
        wait_until(lambda: words in self.errors() or not self.running, f"{self.name} does not say: {words}", timeout)
        assert words in self.errors(), f"{self.name} has ended:\n{self.output()}{self.errors()}"


class Load(Program):
    """A well-behaved host: rdma_load."""

    def __init__(self, fabric: Fabric, name: str, nqn: str, *words, address: str = "127.0.0.1", port: int = 4420,
                 polls: bool = False, **how):
        super().__init__(fabric, name, LOAD, "-a", address, "-s", port, "-n", nqn, "-q", f"nqn.2024-01.io.causeway:{name}",
                         *([] if polls else ["--events"]), *words, **how)

    def done(self, timeout: float = 120) -> dict:
        """Waits until the load has ended successfully by itself. Returns its result."""
        status = self.status(timeout)
        assert status == 0, f"{self.name}: exit status {status}\n{self.output()}{self.errors()}"
        assert self.fabric.violations(self.name) == []
        return json.loads(self.output())

    def stop(self, timeout: float = 120) -> dict:
        """Ends the load, which verifies all that it has written. Returns its result."""
        assert self.running, f"{self.name} has ended:\n{self.output()}{self.errors()}"
        self.process.send_signal(signal.SIGTERM)
        return self.done(timeout)


def wait_until(true, otherwise: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
