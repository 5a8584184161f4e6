#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check of waits can fail: small houses with one fault each."""

import unittest
from pathlib import Path

import check_waits
from check_floors_test import house

LOOP = "while (busy_)\n    co_await core::sleep_for(1ms);\n"
ALLOWED = {"bdev_nvme/enable.cc": (1, "registers")}

ROWS = [
    ("a loop over our own state", "nvmf/a.cc", LOOP, 1),
    ("a thread that sleeps", "tools/a.cc", "std::this_thread::sleep_for(1s);", 1),
    ("or sleeps by another name", "tools/a.cc", "::usleep(100);", 1),
    ("a function of that name of one's own", "core/a.cc", "void reactor::sleep() noexcept {", 0),
    ("two in one file", "rpc/a.cc", LOOP + LOOP, 2),
    ("a header, too", "nvmf/a.h", LOOP, 1),
    ("what is in a comment sleeps not", "nvmf/a.cc", "int f();  // not sleep_for(1ms)", 0),
    ("unit tests are free", "nvmf/a_test.cc", LOOP, 0),
    ("and what they share", "nvmf/testing/target_fixture.cc", LOOP, 0),
    ("fixtures", "bdev_rbd/testing/ceph_fixture.cc", LOOP, 0),
    ("whole-system tests", "tests/simulation/host.cc", LOOP, 0),
    ("an event", "nvmf/a.cc", "co_await gone_.wait();", 0),
]


class waits(unittest.TestCase):
    def test_rows(self):
        for sentence, name, text, offences in ROWS:
            with self.subTest(sentence), house({name: text}) as root:
                self.assertEqual(len(check_waits.check(Path(root), {})), offences)

    def test_what_is_allowed_is_counted(self):
        for sentence, text, offences in [
            ("as many as allowed", LOOP, 0),
            ("one more, and which of them is new nobody knows", LOOP + LOOP, 2),
            ("one less: the list is shorter than it says", "", 1),
        ]:
            with self.subTest(sentence), house({"bdev_nvme/enable.cc": text}) as root:
                self.assertEqual(len(check_waits.check(Path(root), ALLOWED)), offences)

    def test_a_file_that_is_gone_leaves_the_list(self):
        with house({"nvmf/a.cc": ""}) as root:
            (offence,) = check_waits.check(Path(root), ALLOWED)
            self.assertTrue(offence.startswith("bdev_nvme/enable.cc:1: is not there"), offence)

    def test_an_offence_says_where(self):
        with house({"nvmf/a.cc": LOOP}) as root:
            (offence,) = check_waits.check(Path(root), {})
            self.assertTrue(offence.startswith("nvmf/a.cc:2: sleeps"), offence)


if __name__ == "__main__":
    unittest.main()
