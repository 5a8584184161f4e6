# SPDX-License-Identifier: Apache-2.0
import importlib.machinery
import importlib.util
import sys

import pytest
from lab import places


@pytest.fixture(scope="session")
def tool():
    """deploy/causeway-bind, as a module."""
    loader = importlib.machinery.SourceFileLoader("causeway_bind", str(places.CHECKOUT / "deploy/causeway-bind"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("causeway_bind", loader))
    sys.modules["causeway_bind"] = module    # where dataclasses look for it
    dont, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = dont
    return module
