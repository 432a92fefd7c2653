"""A client outside the mesh, and what the mesh lets it have (T2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_bdd import given, then, when

from fixtures.environment import lanes_of
from meshproof.cluster.cluster import Cluster
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.mesh.proxy_stats import NO_CHAIN, NOT_VERIFIED, PASSED_ON, ProxyCounts
from meshproof.probes.forged_certificate import home_made
from meshproof.probes.non_mesh_client import (
    MESH_ALPN,
    Attempt,
    OutsideClient,
    Target,
    answered,
    find_targets,
    mesh_certificate,
    outside_client,
)
from meshproof.probes.scratch_namespace import baseline
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number

PLAIN = {"tls": False}


@dataclass(frozen=True)
class Trial:
    """Attempts of the client, and by how much the proxies' counts rose meanwhile.

    ``how`` says in what it spoke. ``refused`` counts connections that mutual TLS did not
    let in, ``passed_on`` the bytes that reached an application.
    """

    how: str
    attempts: list[Attempt]
    refused: int
    passed_on: int


#: Asks in some ways, by the count of what is refused so and by what they are called.
TryAll = Callable[..., Trial]


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
def try_all(outside: OutsideClient, tutorial: Tutorial, proxy_counts: ProxyCounts) -> TryAll:
    """Asks every pod and every Service in each of some ways (`OutsideClient.ask`)."""

    def try_all(refusals: re.Pattern[str], how: str, *ways: dict[str, Any]) -> Trial:
        targets = find_targets(tutorial.cluster, tutorial.namespace)
        proxied = [pod.name for pod in tutorial.pods() if pod.proxied]

        before = proxy_counts.sums(proxied, refusals, PASSED_ON)
        attempts = [attempt for way in ways for attempt in outside.ask(targets, **way)]
        after = proxy_counts.sums(proxied, refusals, PASSED_ON)
        refused, passed_on = (now - then for now, then in zip(after, before, strict=True))
        return Trial(how, attempts, refused, passed_on)

    return try_all


def keep(evidence: Evidence, name: str, attempts: list[Attempt]) -> None:
    """Write attempts down."""
    evidence.text(name, "".join(f"{attempt}\n" for attempt in attempts))


@given("a client outside the mesh gets answers in plain text from every pod and every Service")
def _(try_all: TryAll, evidence: Evidence) -> None:
    trial = try_all(NO_CHAIN, "in plain text", PLAIN)
    keep(evidence, "plain text before", trial.attempts)
    unserved = [str(attempt) for attempt in trial.attempts if not attempt.served]
    evidence.baseline(
        f"{len(trial.attempts) - len(unserved)} of {len(trial.attempts)} were served in plain "
        f"text, {trial.passed_on} bytes passed on to an application, {trial.refused} refused."
    )
    assert trial.attempts and not unserved, f"not served in plain text: {in_turn(unserved)}"
    assert trial.passed_on > 0, "the proxies do not count what they pass on"


@given("a client outside the mesh is let in everywhere with a certificate of the mesh")
def _(tutorial: Tutorial, try_all: TryAll, evidence: Evidence) -> None:
    shown = mesh_certificate(tutorial.cluster, tutorial.namespace)
    way = {"shown": shown, "alpn": MESH_ALPN}
    trial = try_all(NOT_VERIFIED, "in TLS", way)
    attempts = trial.attempts
    keep(evidence, "TLS with a certificate of the mesh", attempts)
    silent = [str(attempt) for attempt in attempts if not attempt.received]
    served = [attempt.target.name for attempt in attempts if attempt.served]
    evidence.baseline(
        f"With a certificate of the mesh {len(attempts) - len(silent)} of {len(attempts)} "
        f"answered, {len(served)} served, {trial.refused} refused."
    )
    evidence.observe(f"served: {listed(served)}; {trial.passed_on} bytes passed on")
    assert attempts and not silent, f"no answer in TLS: {in_turn(silent)}"
    assert {one.target.app for one in attempts if one.served} >= {
        "voting-analytics", "voting-storage",
    }, f"served: {listed(served, most=len(served))}"  # fmt: skip
    assert trial.passed_on > 0, "the proxies do not count what they pass on"


@then("the same client connects, and in plain text gets not a byte", target_fixture="trial")
def _(try_all: TryAll, evidence: Evidence) -> Trial:
    trial = try_all(NO_CHAIN, "in plain text", PLAIN)
    keep(evidence, "plain text after", trial.attempts)
    check_refused(trial, evidence)
    return trial


@given("a client outside the mesh reads MySQL's kind of greeting in plain text, where no proxy is")
def _(outside: OutsideClient, evidence: Evidence) -> None:
    with baseline(outside.cluster, outside.namespace) as pod:
        name = "a server without a proxy:3306"
        (attempt,) = outside.ask([Target(name, "baseline", pod, 3306, "mysql")], tls=False)
    evidence.baseline(f"{attempt}.")
    assert attempt.served, str(attempt)


@when("it asks every pod and every Service in plain text", target_fixture="trial")
def _(try_all: TryAll, evidence: Evidence) -> Trial:
    trial = try_all(NO_CHAIN, "in plain text", PLAIN)
    keep(evidence, "plain text", trial.attempts)
    return trial


@when("it shows none, and one of its own making with the app's name in it", target_fixture="trial")
def _(tutorial: Tutorial, try_all: TryAll, evidence: Evidence) -> Trial:
    # Istio's own authority calls itself by the domain.
    domain = trust_domain(mesh_config(tutorial.cluster))
    forged = home_made(f"spiffe://{domain}/ns/{tutorial.namespace}/sa/voting-app-1-0", domain)
    ways: list[dict[str, Any]] = [{}, {"shown": forged}, {"shown": forged, "alpn": MESH_ALPN}]
    trial = try_all(NOT_VERIFIED, "in TLS", *ways)
    keep(evidence, "TLS without a certificate of the mesh", trial.attempts)
    evidence.text("certificate of its own making", forged.certificate)
    return trial


@then("it connects, and gets not a byte")
def _(trial: Trial, evidence: Evidence) -> None:
    check_refused(trial, evidence)


@then("the proxies count each attempt as refused, and pass none on")
def _(trial: Trial, evidence: Evidence) -> None:
    evidence.observe(
        f"{number(len(trial.attempts), 'attempt')}: {trial.refused} refused by mutual TLS, "
        f"{trial.passed_on} bytes passed on to an application"
    )
    assert (trial.refused, trial.passed_on) == (len(trial.attempts), 0), (
        f"{len(trial.attempts)} attempts, {trial.refused} counted as refused by mutual TLS, "
        f"{trial.passed_on} bytes passed on"
    )


def check_refused(trial: Trial, evidence: Evidence) -> None:
    """Require that every attempt was refused, in one line of observation."""
    got, all_of_them = answered(trial.attempts), len(trial.attempts)
    evidence.result(
        f"{all_of_them - len(got)} of {all_of_them} attempts {trial.how} got not a byte."
    )
    assert all_of_them and not got, (
        f"not refused {trial.how}: {len(got)} of {all_of_them}: {in_turn(got)}"
    )
