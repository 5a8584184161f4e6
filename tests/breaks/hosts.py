# SPDX-License-Identifier: Apache-2.0
"""Breaks in what decides which host may use what, and when: ANA, reservations, authentication, namespace masking, QoS
and discovery. Each as in suite.py, with a filter that runs the tests of its subject.
"""

BREAKS = [
    # ---- ANA.
    ("ANA: a change of state is announced that another one follows at once", "nvmf/model/ana_groups.cc",
     "    if (to != nvme::ana_state::change)", "    if (true)",
     "release", "nvmf/nvmf_test", "ana_*:*/ana_*:*access*"),
    ("ANA: the log tells of namespaces that are hidden from the host", "nvmf/command/ana_log.cc",
     "        if (visible(c, *ns))\n", "        if (ns->active())\n",
     "release", "nvmf/nvmf_test", "ana_*:*/ana_*:*visib*"),
    ("ANA: an I/O queue comes by another listener than its admin queue", "nvmf/connect.cc",
     "c.ana() && (!admin || admin->by != a.by)", "c.ana() && !admin",
     "release", "nvmf/nvmf_test", "ana_*:*/ana_*:connect*"),

    # ---- Reservations.
    ("reservation: a change is stored before the cores enforce it", "nvmf/model/namespace_reservation.cc",
     "    beside_ = t.next;\n    co_await enforce();\n", "    beside_ = t.next;\n",
     "release", "nvmf/nvmf_test", "*reservation*"),
    ("reservation: what was in force is not enforced while a change is being stored", 
     "nvmf/model/namespace_reservation.cc",
     "enforcement>(stored_.state, beside_", "enforcement>(beside_.value_or(stored_.state), beside_",
     "release", "nvmf/nvmf_test", "*reservation*"),
    ("reservation: Preempt and Abort does not wait for commands that execute", "nvmf/command/reservations.cc",
     "v.acquire_action() == nvme::reservation_acquire_action::preempt_and_abort);", "false);",
     "release", "nvmf/nvmf_test", "*reservation*"),
    ("reservation: hosts that do not see the namespace are notified", "nvmf/model/controllers.cc",
     "if (c->host_id() == n.host && ns.visibility().shows_to(c->host_number()))", "if (c->host_id() == n.host)",
     "release", "nvmf/nvmf_test", "*reservation*:*visib*"),

    # ---- Authentication.
    ("authentication: a second exchange has the challenge of the first", "nvmf/model/auth_exchange.cc",
     "    challenge_ = auth::random_bytes(auth::size_of(*hash_));\n",
     "    if (challenge_.size() != auth::size_of(*hash_))\n"
     "        challenge_ = auth::random_bytes(auth::size_of(*hash_));\n",
     "release", "nvmf/nvmf_test", "auth*"),
    ("authentication: properties are read and set before it", "nvmf/command/fabrics_commands.cc",
     '{0x00, "property_set",           admin, after, ', '{0x00, "property_set",           admin, unproven, ',
     "release", "nvmf/nvmf_test", "auth*"),
    ("authentication: a host that never begins it keeps its connection", "nvmf/model/queue_authentication.cc",
     "    if (required)\n        deadline_.arm_after(time_limit_of(owner));\n", "",
     "release", "nvmf/nvmf_test", "auth*"),
    ("authentication: for the well-known name of discovery, by whichever name the host has connected",
     "nvmf/model/queue_authentication.cc", "exchange(owner.host_nqn(), owner.subnqn(),",
     "exchange(owner.host_nqn(), owner.subsystem().nqn(),",
     "release", "nvmf/nvmf_test", "*discovery*:auth*"),

    # ---- Namespace masking.
    ("masking: Identify shows a namespace before each core knows that the host sees it", "nvmf/model/visibility.cc",
     "    of.begin(after);\n", "    of.begin(after);\n    of.complete();\n    of.begin(after);\n",
     "release", "nvmf/nvmf_test", "*visib*"),
    ("masking: a command that waits for its data runs on a namespace that was hidden meanwhile",
     "nvmf/model/nvm_namespace.cc",
     "    seen_by = std::move(hosts);\n    admission = new_admission;\n",
     "    seen_by = std::move(hosts);\n    static_cast<void>(new_admission);\n",
     "release", "nvmf/nvmf_test", "*visib*"),

    # ---- QoS.
    ("QoS: the weights of hosts count for nothing", "nvmf/model/qos_scheduler.cc",
     "    h.used += limits_.duration_of(cost) / h.weight;\n", "    h.used += limits_.duration_of(cost);\n",
     "release", "nvmf/nvmf_test", "hosts_at_a_limit*:limited_namespace*:rate_limiter*"),

    # ---- Discovery.
    ("discovery: hosts are told of changes of subsystems that they may not use", "nvmf/model/discovery.cc",
     "    if (s.is_discovery() || s.access().allow_any_host()) {\n        at.changed",
     "    if (true) {\n        at.changed",
     "release", "nvmf/nvmf_test", "*discovery*:async*"),
    ("discovery: a log that is read in parts changes between them", "nvmf/model/discovery.cc",
     "    if (offset == 0 || !page_)\n", "    if (true)\n",
     "release", "nvmf/nvmf_test", "*discovery*"),
]
