"""Each of these tests over each fabric. (tests/softrdma has a `fabric` of its own.)"""

from lab.fabric import FABRICS


def pytest_generate_tests(metafunc):
    """Whoever uses a gateway in the guest runs over each fabric, or over those that its `over` names."""
    if "fabric" in metafunc.fixturenames:
        over = metafunc.definition.get_closest_marker("over")
        metafunc.parametrize("fabric", over.args if over else FABRICS, ids=str, indirect=True, scope="module")
