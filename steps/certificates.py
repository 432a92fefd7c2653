"""The certificates that proxies hold, and their renewal (T5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from pytest_bdd import given, parsers, then, when

from fixtures.tutorial import Beside
from meshproof.mesh.authority import prove_istiod, stated_root
from meshproof.probes.certificates import (
    OpenConnection,
    await_renewal,
    certificates_held,
    new_connection,
    pods_and_gateway,
    pods_of,
)
from meshproof.signoff.evidence import Evidence
from meshproof.suite.stages import objects_after
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import (
    LATEST,
    Held,
    badly_renewed,
    ill_timed,
    misnamed,
    pem,
    renewal,
    shared,
    table,
    untrusted,
)
from meshproof.wording import by_name, in_turn, listed, number, quoted

#: Applied to the namespace in which renewal is watched.
RENEWAL = "kubectl apply -f kubernetes/renewal.yaml --namespace {namespace}"
SERVER, CALLER, CONTAINER = "renewal-server", "renewal-caller", "redis"

Roots = Sequence[x509.Certificate]


@dataclass(frozen=True)
class Renewed:
    """What the proxies held before, and what followed it."""

    before: list[Held]
    after: list[Held]


@pytest.fixture
def brief(beside: Beside) -> Tutorial:
    """A namespace in which renewal is watched."""
    return beside("renewal")


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Connections that are closed when the scenario ends."""
    with ExitStack() as stack:
        yield stack


def _root_of(namespace: Tutorial, evidence: Evidence) -> Roots:
    """The root that a namespace is told to trust, once istiod has proved itself by it."""
    text = stated_root(namespace.cluster, namespace.namespace)
    roots = x509.load_pem_x509_certificates(text.encode())
    proof = prove_istiod(namespace.cluster, text)
    evidence.text("the mesh's root", text)
    serials = ", ".join(f"{root.serial_number:x}" for root in roots)
    evidence.observe(f"the root of {namespace.namespace} is {serials}; by it {proof}")
    return roots


def _keep(evidence: Evidence, what: str, held: Sequence[Held]) -> None:
    evidence.text(what, f"{table(held)}\n{pem(held)}")


@given(
    "the root that the namespace trusts, by which istiod itself is certified",
    target_fixture="roots",
)
def _(tutorial: Tutorial, evidence: Evidence) -> Roots:
    return _root_of(tutorial, evidence)


@when("the certificates that the proxies hold are read", target_fixture="held")
def _(tutorial: Tutorial, evidence: Evidence) -> list[Held]:
    pods = pods_and_gateway(tutorial.cluster, tutorial.namespace)
    held = certificates_held(tutorial.cluster, pods)
    _keep(evidence, "certificates", held)
    return held


@then("each is certified by that root, the only one that its proxy trusts")
def _(held: list[Held], roots: Roots, evidence: Evidence) -> None:
    now = datetime.now(UTC)
    wrong = [line for each in held for line in untrusted(each, roots, now)]
    evidence.result(
        f"Of the certificates of {number(len(held), 'proxy', 'proxies')}, {len(wrong)} are of "
        "another root than the mesh's, or trust another."
    )
    assert not wrong, in_turn(wrong)


@then("each is made out to its pod's own service account alone, for both ends of a call")
def _(held: list[Held], evidence: Evidence) -> None:
    wrong = [line for each in held for line in misnamed(each)]
    evidence.observe(f"made out to {listed(sorted({n for each in held for n in each.names}))}")
    assert not wrong, in_turn(wrong)


@then("each is good for a day at most, and not overdue for renewal")
def _(held: list[Held], evidence: Evidence) -> None:
    now = datetime.now(UTC)
    wrong = [line for each in held for line in ill_timed(each, now)]
    lifetimes = sorted({str(each.expires - each.begins) for each in held})
    oldest = max((now - each.begins) / (each.expires - each.begins) for each in held)
    evidence.observe(
        f"good for {', '.join(lifetimes)}, istiod's two minutes of backdating counted; "
        f"at most {oldest:.1%} of it is over, of {LATEST:.0%} allowed"
    )
    assert not wrong, in_turn(wrong)


@then("no two of them have a serial number or a key in common")
def _(held: list[Held], evidence: Evidence) -> None:
    wrong = shared(held)
    evidence.observe(f"{len({each.key for each in held})} keys at {len(held)} proxies")
    assert not wrong, in_turn(wrong)


@then("no proxy is told to renew it at another time than Istio's own, half of its life")
def _(held: list[Held], evidence: Evidence) -> None:
    told = {each.pod: dict(each.settings) for each in held if each.settings}
    evidence.observe(f"proxies that are told when to renew: {listed(told)}")
    lines = [
        f"{pod} {listed(f'{name}={value}' for name, value in settings.items())}"
        for pod, settings in told.items()
    ]
    assert not told, f"{len(told)} of {len(held)} proxies are told when to renew: {in_turn(lines)}"


@given(
    parsers.parse("a namespace of its own, where certificates are good for {seconds:d} seconds"),
    target_fixture="roots",
)
def _(brief: Tutorial, evidence: Evidence, seconds: int) -> Roots:
    brief.follow_to("namespace")
    command = RENEWAL.format(namespace=brief.namespace)
    brief.run(command)
    brief.settle("namespace")
    brief.await_change({}, objects_after(command, {}, brief.manifests))
    lives = {
        held.pod: held.expires - held.since
        for held in certificates_held(brief.cluster, pods_of(brief.cluster, brief.namespace))
    }
    evidence.observe(f"from when the proxies got them, good for {listed(lives.values())}")
    assert all(life <= timedelta(seconds=seconds) for life in lives.values()), (
        f"good for longer than {seconds} s: {by_name(lives, most=len(lives))}"
    )
    return _root_of(brief, evidence)


@given("a connection that one of its pods has opened to the other", target_fixture="connection")
def _(brief: Tutorial, connections: ExitStack, evidence: Evidence) -> OpenConnection:
    caller = brief.pod_of(CALLER, "1.0").name
    begun = datetime.now(UTC)
    connection = connections.enter_context(
        OpenConnection(brief.cluster, brief.namespace, caller, CONTAINER, SERVER)
    )
    connection.await_answer(begun)
    evidence.observe(f"connection {connection.answers[0].text} answers")
    return connection


@when("both proxies have renewed their certificates", target_fixture="renewed")
def _(brief: Tutorial, evidence: Evidence) -> Renewed:
    pods = pods_of(brief.cluster, brief.namespace)
    before = certificates_held(brief.cluster, pods)
    _keep(evidence, "certificates before", before)
    after = await_renewal(brief.cluster, pods, before)
    _keep(evidence, "certificates after", after)
    return Renewed(before, after)


@then("each was renewed in time, about half of its life before its end, with a key of its own")
def _(renewed: Renewed, evidence: Evidence) -> None:
    pairs = list(zip(renewed.before, renewed.after, strict=True))
    evidence.result(f"{number(len(pairs), 'certificate')} were watched, and each was renewed.")
    for before, after in pairs:
        evidence.observe(renewal(before, after))
    wrong = [line for before, after in pairs for line in badly_renewed(before, after)]
    assert not wrong, in_turn(wrong)


@then("the new ones are of the same root, and made out to the same service accounts")
def _(renewed: Renewed, roots: Roots) -> None:
    wrong = [
        line
        for each in renewed.after
        for line in [*untrusted(each, roots, each.since), *misnamed(each)]
    ]
    assert not wrong, in_turn(wrong)


@then("once the old ones have expired, that connection still answers, and a new one does too")
def _(brief: Tutorial, renewed: Renewed, connection: OpenConnection, evidence: Evidence) -> None:
    expired = max(held.expires for held in renewed.before)
    connection.await_answer(expired)
    caller = brief.pod_of(CALLER, "1.0").name
    new = new_connection(brief.cluster, brief.namespace, caller, CONTAINER, SERVER)
    answers = list(connection.answers)
    late = sum(1 for answer in answers if answer.at > expired)
    seen = sorted({answer.text for answer in answers})
    evidence.observe(
        f"{len(answers)} answers on the open connection, {late} after {expired:%T}, all on "
        f"{listed(seen)}; a new connection is answered on {new or 'nothing'}"
    )
    assert len(seen) == 1 and seen[0].isdigit(), (
        f"the open connection answered {listed(map(quoted, seen), 'nothing')}"
    )
    assert new.isdigit() and new not in seen, f"a new connection is answered with {quoted(new)}"
