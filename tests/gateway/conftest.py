# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest
from lab import places

sys.path.insert(0, str(Path(__file__).parent))

from daemon import Daemon    # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built():
    for name in ("gateway/causewayd", "tools/causeway"):
        if not places.binary(name).exists():
            pytest.skip(f"{places.binary(name)} is not built")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A gateway that the tests of a file share; each leaves it as it found it."""
    with Daemon(tmp_path_factory.mktemp("causewayd")) as running:
        yield running


@pytest.fixture
def client(daemon):
    with daemon.client() as connected:
        yield connected
