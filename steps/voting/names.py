"""The workloads of the voting app, the names that the tutorial gives them, and who calls which."""

from __future__ import annotations

from meshproof.probes.isolation import NOBODY, tutorials_names
from meshproof.suite.registry import suite_named

SUITE = suite_named("voting")
#: Each workload, and the protocol that it serves.
WORKLOADS = {workload.name: workload.protocol for workload in SUITE.workloads}
#: The tutorial's own names.
TUTORIALS_NAMES = tutorials_names(SUITE)
#: How each workload that has a storage calls it.
STORAGES = {
    source: name.call
    for source in WORKLOADS
    for name in TUTORIALS_NAMES
    if name.call.protocol != "http" and name.expected(source) != NOBODY
}
#: Whose server speaks first, its name in the tutorial, and who may not have it.
MYSQL = next(name for name, protocol in WORKLOADS.items() if protocol == "mysql")
MYSQLS_NAME = next(name for name in TUTORIALS_NAMES if MYSQL in name.behind)
WITHOUT_MYSQL = tuple(name for name in WORKLOADS if (name, MYSQL) not in SUITE.arrows())
