"""Calls between workloads, each on a new connection: answered, or denied and counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pytest_bdd import given, parsers, then

from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.probes.denials import NewCalls
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@pytest.fixture
def new_calls(tutorial: Tutorial) -> Iterator[NewCalls]:
    """Calls by new names, which go with the scenario."""
    with ExitStack() as services:
        yield NewCalls(tutorial, services)


@given(parsers.parse('"{server}" answers a request from "{client}" on a new connection with 200'))
def server_answers(new_calls: NewCalls, evidence: Evidence, server: str, client: str) -> None:
    """A call by a name that leads to the server alone is answered with 200: the baseline."""
    seen = evidence.tell(new_calls.answered(client, server))
    assert not seen.problem, seen.problem


@then(
    parsers.parse(
        '"{server}" denies a request from "{client}" on a new connection with 403 and counts it'
    )
)
def server_denies(
    new_calls: NewCalls, proxy_counts: ProxyCounts, evidence: Evidence, server: str, client: str
) -> None:
    """A call by a name that leads to the server alone gets a 403, and its proxy counts it."""
    seen = evidence.tell(new_calls.denied(client, server, proxy_counts))
    assert not seen.problem, seen.problem
