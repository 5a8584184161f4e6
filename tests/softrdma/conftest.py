# SPDX-License-Identifier: Apache-2.0
"""Fixtures: builds, a fabric of the test's own, a gateway and hosts on it. Everything ends with the test."""

import contextlib

import pytest
from fabric import BUILDS, LIBRARIES, Fabric, build_folder
from lab import processes, sanitizers
from programs import COMMAND, HOSTILE, LOAD, SCRIPTED_HOST, SLOWER, Gateway, Load, Program


@pytest.fixture(params=BUILDS)
def preset(request) -> str:
    """Each build that exists. `-k release` runs one only."""
    folder = build_folder(request.param)
    for needed in ("gateway/causewayd", COMMAND, LOAD, HOSTILE, SCRIPTED_HOST, f"{LIBRARIES}/libibverbs.so.1", f"{LIBRARIES}/librdmacm.so.1"):
        if not (folder / needed).exists():
            pytest.skip(f"{folder / needed} is not built")
    return request.param


@pytest.fixture
def slower(preset) -> float:
    """The factor by which time limits are multiplied."""
    return SLOWER[preset]


@pytest.fixture
def devices() -> int:
    """The number of RDMA devices of each process; tests that need two override it."""
    return 1


@pytest.fixture
def fabric(tmp_path, preset, devices) -> Fabric:
    return Fabric(tmp_path, build_folder(preset), devices)


@pytest.fixture
def new_gateway(tmp_path, fabric):
    """Starts gateways, as `new_gateway("name", faults="...")`. Each must run until the end of the test, and end in order."""
    started: list[Gateway] = []
    with contextlib.ExitStack() as running:
        def start(name: str = "gateway", *options, **how) -> Gateway:
            (tmp_path / name).mkdir()
            gateway = running.enter_context(Gateway(tmp_path / name, fabric, *options, **how))
            running.callback(lambda: print(f"-- end of {name}'s log\n{processes.tail(gateway.log)}"))
            started.append(gateway)
            return gateway
        yield start
        for gateway in started:
            if gateway.was_killed:
                assert not sanitizers.reports(gateway.log), sanitizers.reports(gateway.log)
            else:
                gateway.must_end_well()


@pytest.fixture
def gateway(new_gateway) -> Gateway:
    """Two cores, an RDMA transport, nothing served yet."""
    started = new_gateway()
    started.add_transport()
    return started


@pytest.fixture
def start_load(fabric):
    """Starts well-behaved hosts, as `start_load("name", nqn, "--verify", ...)`; those that still run at the end are killed."""
    with contextlib.ExitStack() as running:
        def start(name: str, nqn: str, *words, **how) -> Load:
            return running.enter_context(Load(fabric, name, nqn, *words, **how))
        yield start


@pytest.fixture
def run_program(fabric):
    """Runs another program on the fabric to its end. Returns its exit status and its output."""
    def run(name: str, program: str, *words, timeout: float = 60) -> tuple[int, str]:
        with Program(fabric, name, program, *words) as running:
            status = running.status(timeout)
            return status, running.output() + running.errors()
    return run
