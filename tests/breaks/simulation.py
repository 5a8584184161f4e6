# SPDX-License-Identifier: Apache-2.0
"""Breaks that seeds of the simulation notice: one of the first thousand each."""

# What is broken, in which file, and how: text that stands there once, and what stands there instead.
BREAKS = [
    ("a device loses one completion in 3000", "bdev/memory_device.cc",
     "void memory_device::end(io& i, nvme::status s) noexcept {\n",
     "void memory_device::end(io& i, nvme::status s) noexcept {\n    static int n = 0;\n    if (++n % 3000 == 0)\n        return;\n"),
    ("a device swaps two blocks of a long write", "bdev/memory_device.cc",
     "    case op::write: copy_out(block_data, i.data, bytes); break;\n",
     "    case op::write:\n        copy_out(block_data, i.data, bytes);\n        if (i.length_blocks > 8)\n"
     "            std::swap_ranges(block_data, block_data + geometry().block_size, block_data + geometry().block_size);\n        break;\n"),
    ("a device leaves out the last block of a long write", "bdev/memory_device.cc",
     "    case op::write: copy_out(block_data, i.data, bytes); break;\n",
     "    case op::write:\n        copy_out(block_data, i.data, bytes - (i.length_blocks > 8 ? geometry().block_size : 0));\n        break;\n"),
    ("a device acknowledges writes before it does them", "bdev/memory_device.cc",
     "    case op::write: copy_out(block_data, i.data, bytes); break;\n",
     "    case op::write: {\n        std::vector<std::byte> late(bytes);\n        copy_out(late.data(), i.data, bytes);\n"
     "        home_.execute([block_data, late] { std::copy(late.begin(), late.end(), block_data); });\n        break;\n    }\n"),
    ("a device writes to its buffer once more after it has said that it is done", "bdev/memory_device.cc",
     "    case op::read: copy_in(i.data, block_data, bytes); break;\n",
     "    case op::read:\n        copy_in(i.data, block_data, bytes);\n"
     "        home_.execute([at = i.data[0].iov_base] { *static_cast<char*>(at) = 0; });\n        break;\n"),
    ("compare and write is not atomic", "bdev/memory_device.cc",
     "        copy_out(block_data, i.write_data, bytes);\n        break;\n",
     "        i.data = i.write_data;\n        i.operation = op::write;\n"
     "        i.handle = [](core::message& m) noexcept {\n            io& i = static_cast<io&>(m);\n"
     "            static_cast<memory_device*>(i.owner)->run(i);\n        };\n        return home_.post(i);\n"),
    ("a compare that fails still writes", "bdev/memory_device.cc",
     "    case op::compare_and_write:\n        if (!equal(i.data, block_data, bytes))\n",
     "    case op::compare_and_write:\n        if (!equal(i.data, block_data, bytes)) {\n            copy_out(block_data, i.write_data, bytes);\n        }\n"
     "        if (!equal(i.data, block_data, bytes))\n"),
    ("a command is answered twice, one in 3000", "nvmf/complete.cc",
     "    q.respond(r);  // r may carry the next command now\n",
     "    static int n = 0;\n    if (++n % 3000 == 0)\n        q.respond(r);\n    q.respond(r);\n"),
    ("a queue pair does not wait for its commands to end", "nvmf/detach.cc",
     "    while (side.executing != 0)\n        co_await next_drained(q);\n", ""),
    ("a namespace is released with I/O in flight", "nvmf/model/namespaces.cc",
     "    co_await ns->drain();\n", ""),
    ("a namespace that was replaced is not noticed", "nvmf/command/refusals.cc",
     "    if (!ns || mine.ns_admission < ns->generation)\n", "    if (!ns)\n"),
    ("a silent host is not noticed", "nvmf/model/keep_alive.cc",
     "        c->on_keep_alive_timeout();\n", "        (void)c;\n"),
    ("every host is taken for silent", "nvmf/model/keep_alive.cc",
     "    if (silent < self.timeout_)\n", "    if (silent < self.timeout_ / 4)\n"),
    ("an event request after the end of its controller stays", "nvmf/command/admin_commands.cc",
     "    if (!c.ready())\n", "    if (false)\n"),
    ("a host that was taken off the list stays connected", "nvmf/model/access.cc",
     "        auto ending = connected.where([&](const controller& c) { return c.host_nqn() == host_nqn; });\n",
     "        auto ending = connected.where([&](const controller&) { return false; });\n"),
    ("a command reaches beyond the end of a disk that has shrunk", "bdev/device.cc",
     "    if (!holds(i.offset_blocks, i.length_blocks))\n        return nvme::sc::lba_out_of_range.with_dnr();\n", ""),
    ("half of a fused pair is taken for a command", "nvmf/begin.cc",
     "    if (r.command.flags != plain_flags || q.held_fused || q.fused_first_failed) [[unlikely]]\n        return begin_out_of_line(r);\n", ""),
    ("the transport forgets the buffer of a command that waits when its connection ends", "transport/loop/loop_qpair.cc",
     "            abandon_waiting(l.slots[cid]);\n", ""),
    ("the transport hands out a buffer that is in use", "transport/loop/loop_qpair.cc",
     "    send_response(s);\n}\n\nvoid loop_qpair::send_response",
     "    send_response(s);\n    static std::byte stray{};\n    if (r.segment_count && r.length)\n"
     "        stray = *static_cast<std::byte*>(r.segments[0].iov_base), *static_cast<std::byte*>(r.segments[0].iov_base) = stray ^ std::byte{1};\n"
     "}\n\nvoid loop_qpair::send_response"),
    ("half of a fused pair waits for a buffer", "transport/loop/loop_qpair.cc",
     " || s.request.command.fuse() == nvme::fuse::second", ""),
]
