# SPDX-License-Identifier: Apache-2.0
"""The name of the subsystem that these tests use. A file of its own: `conftest` is whichever folder was last to be collected."""

NQN = "nqn.2024-01.io.example:tcp"
