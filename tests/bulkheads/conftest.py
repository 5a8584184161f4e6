# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a cluster that is half ill, shared; two gateways beside each other, for each test."""

import resource
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / folder) for folder in ("bulkheads", "softrdma", "tcp", "gateway")]

import scene as scenes    # noqa: E402
from fabric import Fabric as SoftRdma    # noqa: E402
from fabric import build_folder    # noqa: E402
from lab import places    # noqa: E402
from programs import SCRIPTED_HOST    # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    """Each end needs thousands of sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(16384, before[1])), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def two_pools():
    """Not the shared cluster: one of its OSDs is stopped, and filled."""
    with places.Run("bulkheads") as run, scenes.two_pools(run) as cluster:
        yield cluster


@pytest.fixture
def scene(tmp_path, two_pools, fabric):
    softrdma = SoftRdma(tmp_path, build_folder("release"))
    for needed in ("gateway/causewayd", "tools/causeway", SCRIPTED_HOST):
        if not (softrdma.build / needed).exists():
            pytest.skip(f"{softrdma.build / needed} is not built")
    with scenes.set_up(tmp_path, two_pools, fabric, softrdma) as ready:
        yield ready
