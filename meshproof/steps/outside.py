"""A client outside the mesh, and what the mesh lets it have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pytest_bdd import given, parsers, then, when

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.plugin.environment import lanes_of
from meshproof.probes.non_mesh_client import OutsideClient, outside_client
from meshproof.probes.outside_trial import OutsideTrials, Trial
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@pytest.fixture(scope="session")
def outside_clients(
    pytestconfig: pytest.Config, cluster: Cluster, progress: Progress
) -> Iterator[Callable[[], OutsideClient]]:
    """Gives the session's client outside the mesh, made anew where a scenario took it away."""
    namespace = lanes_of(pytestconfig)[-1].namespace
    with ExitStack() as kept:
        made: list[OutsideClient] = []

        def client() -> OutsideClient:
            if not (made and made[-1].there()):
                kept.close()
                place = outside_client(cluster, f"{namespace}-outside", progress)
                made.append(kept.enter_context(place))
            return made[-1]

        yield client


@pytest.fixture
def outside(outside_clients: Callable[[], OutsideClient]) -> OutsideClient:
    """A client outside the mesh."""
    return outside_clients()


@pytest.fixture
def trials(outside: OutsideClient, tutorial: Tutorial, proxy_counts: ProxyCounts) -> OutsideTrials:
    """Trials of the client, on every pod and every Service of the namespace."""
    return OutsideTrials(outside, tutorial, proxy_counts)


@given("a client outside the mesh is served in plain text by every pod and every Service")
def client_is_served_in_plain_text(trials: OutsideTrials, evidence: Evidence) -> None:
    """Before lock-down every port answers without TLS: the baseline."""
    seen = evidence.tell(trials.in_plain_text().served_in_plain_text())
    assert not seen.problem, seen.problem


@given("a client outside the mesh reads the greeting of a MySQL server that has no proxy")
def client_reads_a_greeting(trials: OutsideTrials, evidence: Evidence) -> None:
    """Where no proxy is, the client gets MySQL's kind of greeting in plain text: the baseline."""
    seen = evidence.tell(trials.of_mysqls_kind())
    assert not seen.problem, seen.problem


@when(
    parsers.parse(
        "the client outside the mesh calls every port of every pod and every Service in {how}"
    ),
    target_fixture="trial",
)
def client_calls_every_port(trials: OutsideTrials, how: str) -> Trial:
    """Ask each port of each pod and Service: without TLS, or in TLS without a good certificate."""
    return trials.asked_in(how)


@then("every port accepts the TCP connection of the client outside the mesh and sends no byte")
def every_connection_is_refused(trial: Trial, evidence: Evidence) -> None:
    """The client connects each time, and receives not a byte."""
    seen = evidence.tell(trial.without_response())
    assert not seen.problem, seen.problem


@then("the servers' proxies count each attempt as refused by mutual TLS and forward no byte")
def every_attempt_is_counted(trial: Trial, evidence: Evidence) -> None:
    """Mutual TLS refuses each attempt, by the proxies' counts, and no application gets a byte."""
    seen = evidence.tell(trial.counted())
    assert not seen.problem, seen.problem
