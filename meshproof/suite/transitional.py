"""What the default suite says, for steps that are not yet handed a suite.

Whoever has a `Tutorial` asks its ``suite`` instead; once all do, this module goes.
"""

from __future__ import annotations

from meshproof.analysis.isolation import NOBODY, tutorials_names
from meshproof.suite.model import Stage
from meshproof.suite.registry import default_suite

SUITE = default_suite()
NAMES = SUITE.stage_names
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


def stage_named(name: str) -> Stage:
    """Return a stage by its name. Raises ``KeyError``, naming the stages, for an unknown one."""
    return SUITE.stage(name)
