import sys
from pathlib import Path

import pytest
from lab import places

sys.path.insert(0, str(Path(__file__).parent))

from daemon import Daemon    # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built():
    if not places.binary("gateway/causewayd").exists():
        pytest.skip("causewayd is not built")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One that the tests of a file share: they leave it as they found it."""
    with Daemon(tmp_path_factory.mktemp("causewayd")) as running:
        yield running


@pytest.fixture
def client(daemon):
    with daemon.client() as connected:
        yield connected
