# SPDX-License-Identifier: Apache-2.0
"""Logs of ended runs are removed, and those of a run that lives are not."""

import os
import tempfile
import unittest
from pathlib import Path

from . import places


class Logs(unittest.TestCase):
    def test_the_oldest_of_ended_runs_are_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            logs, runs = Path(folder, "logs"), Path(folder, "run")
            for n, name in enumerate(("oldest-and-alive", "old", "new", "newest")):
                (logs / name).mkdir(parents=True)
                os.utime(logs / name, (n, n))
            (runs / "oldest-and-alive").mkdir(parents=True)
            places._remove_oldest(logs, runs, 2)
            self.assertEqual({each.name for each in logs.iterdir()}, {"oldest-and-alive", "new", "newest"})
