# SPDX-License-Identifier: Apache-2.0
"""Breaks of different kinds that `./test` notices: each with the build, what is built, and the test.

The test is a GoogleTest filter of the program that is built, or a native test of a whole daemon.
"""

BREAKS = [
    ("an I/O may end one block behind the end of its namespace", "nvmf/command/io_commands.h",
     "    return blocks <= size && slba <= size - blocks;\n", "    return blocks <= size && slba <= size - blocks + 1;\n",
     "release", "nvmf/nvmf_test", "*"),
    ("a command whose data come after an ANA state has changed runs by the old one", "nvmf/command/refusals.cc",
     "    if (ns->refusals != 0)\n        if", "    if (false)\n        if",
     "release", "nvmf/nvmf_test", "ana_*:*/ana_*"),
    ("a controller that has not read the ANA log uses a group that was away", "nvmf/command/refusals.cc",
     "verdict(states->access(ns.ana_group))", "verdict(status_of(states->states().state(ns.ana_group)))",
     "release", "nvmf/nvmf_test", "ana_*:*/ana_*"),
    ("hosts that are not on the list are let in", "nvmf/model/access.cc",
     "    return allow_any_host_ || hosts_.contains(host_nqn);\n",
     "    return allow_any_host_ || hosts_.contains(host_nqn) || true;\n",
     "release", "nvmf/nvmf_test", "*"),
    ("the keys of a Ceph client are shown", "rpc/secrets.cc",
     '    return normal == "key" ||\n', "    return\n", "release", "rpc/rpc_test", "*"),
    ("a fenced gateway answers that all went well", "bdev_rbd/status.h",
     "    {ESHUTDOWN, nvme::sc::internal_path_error},", "    {ESHUTDOWN, nvme::sc::success},",
     "release", "bdev_rbd/bdev_rbd_test", "*"),
    ("a lease of a core is never counted back", "core/placement.cc",
     "    --count;\n", "    static_cast<void>(count);\n", "release", "core/core_test", "placement*"),
    ("the host's data is put where another part of it belongs", "transport/tcp/qpair_data.cc",
     "    return r.data + offset;\n", "    return r.data + (offset - p.begin);\n",
     "release", "causewayd", "tests/tcp/test_protocol.py::test_a_long_write_is_requested_by_several_r2ts"),
    ("an RDMA transfer is as long as the host's memory, not as its command", "transport/rdma/sgl.cc",
     "k.length < missing ? k.length.value() : missing;", "k.length.value();",
     "release", "transport/rdma/transport_rdma_test", "*"),
    ("responses report a head of the submission queue that runs ahead", "transport/common/sq_head.h",
     "(head_ + 1u) % entries_", "(head_ + 2u) % entries_",
     "release", "transport/rdma/transport_rdma_simulated_test", "data_path.*"),
    ("a connection may be gone when close() returns", "transport/common/connection.h",
     "        core::detach_deferred(tear_down());\n", "        core::detach(tear_down());\n",
     "asan", "transport/tcp/transport_tcp_test", "*"),
    ("a message is seen before what its sender wrote", "core/mailbox.h",
     "compare_exchange_weak(head, &m, std::memory_order_release,", "compare_exchange_weak(head, &m, std::memory_order_relaxed,",
     "tsan", "core/core_test", "mailbox*:reactor*"),
]
