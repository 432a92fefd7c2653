"""Who asked whom for a page, by what the pods and their proxies logged themselves."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.mesh.ingress import Ingress
from meshproof.plugin.preflight import PodLog
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo.told import Viewed, requests_of, view_by_both


@when(
    parsers.parse("{count:d} product pages are viewed by jason and {count:d} by another user"),
    target_fixture="made",
)
def pages_are_viewed_by_both(ingress: Ingress, count: int) -> Viewed:
    """View the page signed in as jason and by a name that nobody had before, in turn."""
    return view_by_both(ingress, count)


@then(
    "the pods logged exactly these numbers of requests for the two users, and none for anybody else"
)
def pods_logged(
    made: Viewed,
    tutorial: Tutorial,
    pod_log: PodLog,
    evidence: Evidence,
    datatable: list[list[str]],
) -> None:
    """Each version of each component was asked for just whom it is for."""
    seen = evidence.tell(requests_of(tutorial, pod_log, made, datatable[1:]))
    assert not seen.problem, seen.problem
