#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check of the floors can fail: small houses with one fault each."""

import tempfile
import unittest
from pathlib import Path

import check_floors


def house(files: dict[str, str]) -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    for name, text in files.items():
        path = Path(folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


ROWS = [
    ("a floor may include those below", "nvmf/a.cc", '#include "bdev/io.h"\n#include <vector>', 0),
    ("and itself", "bdev/a.cc", '#include "bdev/io.h"', 0),
    ("but none above", "core/a.cc", '#include "bdev/io.h"', 1),
    ("nor one that only looks like it", "bdev/a.cc", '  #  include "nvmf/target.h"', 1),
    ("neighbours on a floor do not know each other", "bdev_rbd/a.cc", '#include "bdev_nvme/x.h"', 1),
    ("the target knows no back end", "nvmf/a.cc", '#include "bdev_rbd/image.h"', 1),
    ("the target knows no transport", "nvmf/a.h", '#pragma once\n#include "transport/loop/link.h"', 1),
    ("the seam knows no model", "nvmf/transport.h", '#pragma once\n#include "nvmf/model/controller.h"', 1),
    ("nor the target", "nvmf/transport.cc", '#include "nvmf/target.h"', 1),
    ("the model knows the seam", "nvmf/model/a.cc", '#include "nvmf/transport.h"\n#include "nvmf/complete.h"', 0),
    ("but no commands", "nvmf/model/a.cc", '#include "nvmf/command/features.h"', 1),
    ("and not the target", "nvmf/model/a.cc", '#include "nvmf/target.h"', 1),
    ("commands know the model", "nvmf/command/a.cc", '#include "nvmf/model/a.h"\n#include "nvmf/verdict.h"', 0),
    ("but not the target", "nvmf/command/a.cc", '#include "nvmf/target.h"', 1),
    ("the target knows them all", "nvmf/connect.cc", '#include "nvmf/model/a.h"\n#include "nvmf/command/a.h"', 0),
    ("a transport knows the seam and the target", "transport/tcp/a.cc",
     '#include "nvmf/transport.h"\n#include "nvmf/target.h"', 0),
    ("but no model", "transport/tcp/a.cc", '#include "nvmf/model/subsystem.h"', 1),
    ("an operator sees the model", "rpc/a.cc", '#include "nvmf/model/subsystem.h"', 0),
    ("but no commands", "rpc/a.cc", '#include "nvmf/command/features.h"', 1),
    ("transports do not know each other", "transport/loop/a.cc", '#include "transport/rdma/qp.h"', 1),
    ("both ends of a connection share its wire code", "host/a.cc", '#include "wire/tls/psk.h"', 0),
    ("which knows no transport", "wire/tcp/a.cc", '#include "transport/tcp/qpair.h"', 1),
    ("a host knows no target", "host/a.cc", '#include "transport/loop/link.h"', 1),
    ("but for one in the same process", "host/loop/a.cc", '#include "transport/loop/link.h"', 0),
    ("plain streams know no encrypted ones", "wire/tcp/a.cc", '#include "wire/tls/psk.h"', 1),
    ("transports know no devices", "transport/loop/a.cc", '#include "bdev/memory.h"', 1),
    ("the gateway knows all", "gateway/a.cc", '#include "transport/rdma/qp.h"\n#include "bdev_rbd/image.h"', 0),
    ("tests are free", "tests/simulation/a.cc", '#include "transport/loop/qp.h"\n#include <rbd/librbd.h>', 0),
    ("unit tests are free", "nvmf/a_test.cc", '#include "transport/loop/qp.h"', 0),
    ("no socket in the target", "nvmf/a.cc", "#include <sys/socket.h>", 1),
    ("no TLS library beyond its folder", "transport/tcp/a.cc", "#include <openssl/ssl.h>", 1),
    ("nor in the management methods", "rpc/a.cc", "#include <sys/socket.h>", 1),
    ("but in the net below them", "net/a.cc", "#include <sys/socket.h>", 0),
    ("no verbs in the target", "nvmf/a.cc", "#include <infiniband/verbs.h>", 1),
    ("no librbd in a transport", "transport/rdma/a.cc", "#include <rbd/librbd.h>", 1),
    ("no PCIe in a transport", "transport/rdma/a.cc", "#include <linux/vfio.h>", 1),
    ("verbs where they belong", "transport/rdma/a.cc", "#include <infiniband/verbs.h>", 0),
    ("a Ceph client needs no images", "ceph/a.cc", "#include <rados/librados.h>\n#include <rbd/librbd.h>", 1),
    ("nor does it know devices", "ceph/a.cc", '#include "bdev/io.h"', 1),
    ("librbd where it belongs", "bdev_rbd/a.cc", "#include <rbd/librbd.h>", 0),
    ("wire structs need nothing of ours", "nvme/a.h", '#pragma once\n#include "core/log.h"', 1),
    ("includes are written from the root", "core/a.cc", '#include "log.h"', 1),
    ("every folder has a floor", "attic/a.cc", "", 1),
    ("and so has each transport", "transport/attic/a.cc", "", 1),
    ("a header is guarded", "core/a.h", "int f();", 1),
    ("the target's side is the target's", "nvmf/command/a.cc", '#include "nvmf/target_side.h"', 0),
    ("no transport touches the target's side", "transport/tcp/a.cc", '#include "nvmf/target_side.h"', 1),
    ("not even in a unit test", "transport/tcp/a_test.cc", '#include "nvmf/target_side.h"', 1),
    ("comments include nothing", "core/a.cc", '// #include "bdev/io.h"', 0),
]


class floors(unittest.TestCase):
    def test_rows(self):
        for sentence, name, text, offences in ROWS:
            with self.subTest(sentence), house({name: text}) as root:
                self.assertEqual(len(check_floors.check_includes(Path(root))), offences)

    def test_an_offence_says_where(self):
        with house({"core/a.cc": '#include <vector>\n#include "bdev/io.h"\n'}) as root:
            (offence,) = check_floors.check_includes(Path(root))
            self.assertTrue(offence.startswith("core/a.cc:2: core must not include bdev"), offence)

    def test_a_folder_without_readme_is_found(self):
        with house({"core/a.cc": "", "core/README.md": "", "nvmf/a.cc": "", "tests/bench/b.cc": "",
                    "transport/loop/c.cc": "", "transport/loop/README.md": ""}) as root:
            self.assertEqual([o.split(":")[0] for o in check_floors.check_readmes(Path(root))],
                             ["nvmf", "tests/bench"])


if __name__ == "__main__":
    unittest.main()
