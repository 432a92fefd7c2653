"""As whom the servers' proxies see who calls.

What calls were made, a suite's own steps say.
"""

from __future__ import annotations

from pytest_bdd import then

from meshproof.mesh.access_log import AccessLog
from meshproof.probes.callers import Made, callers_seen
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@then("the access logs of the servers' proxies show exactly these callers")
def proxies_saw_these_callers(
    made: Made,
    tutorial: Tutorial,
    access_log: AccessLog,
    evidence: Evidence,
    datatable: list[list[str]],
) -> None:
    """Each call that was logged carries the identity of its caller's own service account."""
    seen = evidence.tell(callers_seen(tutorial, access_log, made, datatable[1:]))
    assert not seen.problem, seen.problem
