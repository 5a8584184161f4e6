"""Unit tests in C++ that want a cluster: those that ctest knows by the label `ceph`, one by one, against a real one.

They find it as any client does, by CEPH_CONF, and make the images they need with the names they like.
"""

import json

import pytest

from lab import places, processes
from lab.suite import NEEDS_CEPH


def labelled() -> list[dict]:
    """What the build folder has of them; nothing if there is no build."""
    if not (places.BUILD / "CTestTestfile.cmake").exists():
        return []
    listed = processes.run(["ctest", "--test-dir", places.BUILD, "-L", NEEDS_CEPH, "--show-only=json-v1"]).stdout
    return [test for test in json.loads(listed)["tests"] if "command" in test]


@pytest.mark.parametrize("test", [pytest.param(test, id=test["name"]) for test in labelled()])
def test_unit(cluster, test):
    processes.run(["env", f"CEPH_CONF={cluster.conf}", *test["command"]], timeout=300)
