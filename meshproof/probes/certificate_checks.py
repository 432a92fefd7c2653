"""Holds the certificates of proxies, and their renewal, against what the mesh promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from meshproof.analysis.observation import Observation, unless
from meshproof.mesh.authority import prove_istiod, stated_root
from meshproof.probes.certificates import (
    OpenConnection,
    await_renewal,
    certificates_held,
    new_connection,
    pods_and_gateway,
    pods_of,
)
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
Keep = Callable[[Observation], object]


@dataclass(frozen=True)
class Renewed:
    """What the proxies held before, and what followed it."""

    before: list[Held]
    after: list[Held]


def root_of(place: Tutorial, keep: Keep) -> Roots:
    """The root that the mesh is told to trust, once istiod has proved itself by it."""
    text = stated_root(place.cluster)
    roots = x509.load_pem_x509_certificates(text.encode())
    proof = prove_istiod(place.cluster, text)
    serials = ", ".join(f"{root.serial_number:x}" for root in roots)
    line = f"the mesh's root is {serials}; by it {proof}"
    keep(Observation(details=[line], texts={"the mesh's root": text}))
    return roots


def read_held(place: Tutorial, keep: Keep) -> list[Held]:
    """Read what the proxies of a namespace and of the ingress gateway hold."""
    pods = pods_and_gateway(place.cluster, place.namespace)
    held = certificates_held(place.cluster, pods)
    keep(_written("certificates", held))
    return held


def of_root(held: Sequence[Held], roots: Roots) -> Observation:
    """Hold certificates against being of a root that their proxies trust alone."""
    now = datetime.now(UTC)
    wrong = [line for each in held for line in untrusted(each, roots, now)]
    return Observation(
        results=[
            f"Of the certificates of {number(len(held), 'proxy', 'proxies')}, {len(wrong)} are of "
            "another root than the mesh's, or trust another."
        ],
        problems=unless(held and not wrong, in_turn(wrong)),
    )


def of_own_account(held: Sequence[Held]) -> Observation:
    """Hold certificates against being made out to their pods' own service accounts alone."""
    wrong = [line for each in held for line in misnamed(each)]
    names = listed(sorted({name for each in held for name in each.names}))
    return Observation(details=[f"made out to {names}"], problems=unless(not wrong, in_turn(wrong)))


def in_time(held: Sequence[Held]) -> Observation:
    """Hold certificates against being good for a day at most, and not overdue for renewal."""
    now = datetime.now(UTC)
    wrong = [line for each in held for line in ill_timed(each, now)]
    lifetimes = sorted({str(each.expires - each.begins) for each in held})
    oldest = max((now - each.begins) / (each.expires - each.begins) for each in held)
    return Observation(
        details=[
            f"good for {', '.join(lifetimes)}, istiod's two minutes of backdating counted; "
            f"at most {oldest:.1%} of it is over, of {LATEST:.0%} allowed"
        ],
        problems=unless(not wrong, in_turn(wrong)),
    )


def all_different(held: Sequence[Held]) -> Observation:
    """Hold certificates against sharing a serial number or a key."""
    wrong = shared(held)
    return Observation(
        details=[f"{len({each.key for each in held})} keys at {len(held)} proxies"],
        problems=unless(not wrong, in_turn(wrong)),
    )


def told_when_to_renew(held: Sequence[Held]) -> Observation:
    """Hold proxies against being told when to renew."""
    told = {each.pod: dict(each.settings) for each in held if each.settings}
    lines = [
        f"{pod} {listed(f'{name}={value}' for name, value in settings.items())}"
        for pod, settings in told.items()
    ]
    return Observation(
        details=[f"proxies that are told when to renew: {listed(told)}"],
        problems=unless(
            not told,
            f"{len(told)} of {len(held)} proxies are told when to renew: {in_turn(lines)}",
        ),
    )


def follow_briefly(place: Tutorial, seconds: int) -> Observation:
    """Fill a new namespace whose proxies ask for certificates that are good for so long."""
    place.follow_to("namespace")
    command = RENEWAL.format(namespace=place.namespace)
    place.run(command)
    place.settle("namespace")
    place.await_change({}, objects_after(command, {}, place.manifests))
    lives = {
        held.pod: held.expires - held.since
        for held in certificates_held(place.cluster, pods_of(place.cluster, place.namespace))
    }
    short = all(life <= timedelta(seconds=seconds) for life in lives.values())
    return Observation(
        details=[f"from when the proxies got them, good for {listed(lives.values())}"],
        problems=unless(
            short, f"good for longer than {seconds} s: {by_name(lives, most=len(lives))}"
        ),
    )


def open_connection(place: Tutorial) -> OpenConnection:
    """Open a connection from one pod to the other; it is asked once it is entered."""
    caller = place.pod_of(CALLER, "1.0").name
    return OpenConnection(place.cluster, place.namespace, caller, CONTAINER, SERVER)


def first_answer(connection: OpenConnection, begun: datetime) -> Observation:
    """Wait until a connection answers that was opened then. Raises ``NotConverged``."""
    connection.await_answer(begun)
    return Observation(details=[f"connection {connection.answers[0].text} answers"])


def renewed_both(place: Tutorial, keep: Keep) -> Renewed:
    """Wait until both proxies hold other certificates than now. Raises ``NotConverged``."""
    pods = pods_of(place.cluster, place.namespace)
    before = certificates_held(place.cluster, pods)
    keep(_written("certificates before", before))
    after = await_renewal(place.cluster, pods, before)
    keep(_written("certificates after", after))
    return Renewed(before, after)


def renewed_in_time(renewed: Renewed) -> Observation:
    """Hold renewals against half of a certificate's life, and against a key of their own."""
    pairs = list(zip(renewed.before, renewed.after, strict=True))
    wrong = [line for before, after in pairs for line in badly_renewed(before, after)]
    return Observation(
        results=[f"{number(len(pairs), 'certificate')} were watched, and each was renewed."],
        details=[str(renewal(before, after)) for before, after in pairs],
        problems=unless(pairs and not wrong, in_turn(wrong)),
    )


def renewed_alike(renewed: Renewed, roots: Roots) -> Observation:
    """Hold renewed certificates against the same root and the same service accounts."""
    wrong = [
        line
        for each in renewed.after
        for line in [*untrusted(each, roots, each.since), *misnamed(each)]
    ]
    return Observation(problems=unless(not wrong, in_turn(wrong)))


def answers_after_expiry(
    place: Tutorial, renewed: Renewed, connection: OpenConnection
) -> Observation:
    """Once the old certificates have expired, ask on the open connection and on a new one."""
    expired = max(held.expires for held in renewed.before)
    connection.await_answer(expired)
    caller = place.pod_of(CALLER, "1.0").name
    new = new_connection(place.cluster, place.namespace, caller, CONTAINER, SERVER)
    answers = list(connection.answers)
    late = sum(1 for answer in answers if answer.at > expired)
    seen = sorted({answer.text for answer in answers})
    kept = listed(map(quoted, seen), "nothing")
    return Observation(
        details=[
            f"{len(answers)} answers on the open connection, {late} after {expired:%T}, all on "
            f"{listed(seen)}; a new connection is answered on {new or 'nothing'}"
        ],
        problems=[
            *unless(len(seen) == 1 and seen[0].isdigit(), f"the open connection answered {kept}"),
            *unless(
                new.isdigit() and new not in seen,
                f"a new connection is answered with {quoted(new)}",
            ),
        ],
    )


def _written(what: str, held: Sequence[Held]) -> Observation:
    return Observation(texts={what: f"{table(held)}\n{pem(held)}"})
