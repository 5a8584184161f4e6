# SPDX-License-Identifier: Apache-2.0
"""That a mirror too slow costs no more than its time: nothing is left of what has been begun."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import debian, places, processes

# A process of it is in a session of its own; as long as it lives, `lives` is open for writing.
SLOW = """#!/bin/sh
mkdir -p {folder}/begun
setsid sleep 1000 9> {folder}/lives &
echo from the mirror
sleep 1000
"""


@unittest.skipUnless(os.geteuid() == 0, "a Debian is made by root")
class making(unittest.TestCase):
    def make(self, folder: Path, script: str) -> Path:
        (folder / "mmdebstrap").write_text(script.format(folder=folder))
        (folder / "mmdebstrap").chmod(0o755)
        with (mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"), mock.patch.object(places, "LAB", folder),
              mock.patch.object(debian, "mirror", lambda: "http://mirror.invalid"), mock.patch.object(debian, "MADE_WITHIN", 3)):
            return debian.plain_root("bookworm", ["systemd"])

    def test_ends_with_all_that_it_started_when_it_takes_too_long(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.mkfifo(folder / "lives")
            reading = os.open(folder / "lives", os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, reading)
            with self.assertRaisesRegex(processes.CommandFailed, "not done after 3 s\nfrom the mirror"):
                self.make(folder, SLOW)
            self.assertTrue((folder / "begun").exists())
            self.assertEqual(os.read(reading, 1), b"", "nobody has it open for writing: the process in a session of its own is gone")
            self.assertEqual([path.name for path in (folder / "debian").iterdir()], ["lock"])

    def test_says_why_it_failed(self):
        with tempfile.TemporaryDirectory() as name:
            with self.assertRaisesRegex(processes.CommandFailed, "exit status 3\nno such suite"):
                self.make(Path(name), "#!/bin/sh\necho no such suite\nexit 3\n")

    def test_is_done_once(self):
        with tempfile.TemporaryDirectory() as name:
            made = 'for word; do case $word in */made/root) mkdir "$word"; echo made >> {folder}/times;; esac; done'
            for _ in range(2):
                self.assertTrue(self.make(Path(name), f"#!/bin/sh\n{made}\n").is_dir())
            self.assertEqual((Path(name) / "times").read_text(), "made\n")


if __name__ == "__main__":
    unittest.main()
