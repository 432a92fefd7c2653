"""Votes of both versions, and the stores that hold them (C5, C7, F4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import uuid4

from pytest_bdd import given, parsers, then, when

from meshproof.evidence import Evidence
from meshproof.probes.ingress import FLAG, Ingress, Response
from meshproof.probes.stores import (
    STORAGE,
    Row,
    amiss,
    claims_of,
    counts_of,
    in_mysql,
    in_redis,
)
from meshproof.probes.votes import CATEGORIES, VOTE_ID, Counted, Vote, miscounted, told
from meshproof.tutorial.tutorial import Tutorial
from meshproof.waiting import WORKLOADS_READY, converge
from meshproof.wording import listed, number

#: What a user sends to get each version while 2.0 is a canary.
HEADERS = {"1.0": {}, "2.0": FLAG}


@dataclass(frozen=True)
class Loss:
    """The pod that was lost, the votes that were tried meanwhile, and what came of each."""

    pod: str
    tried: list[tuple[Vote, Response]]

    @property
    def acknowledged(self) -> list[Row]:
        """The votes that the app said were stored."""
        return [(vote.id, vote.choice) for vote, answer in self.tried if stored(vote, answer)]

    @property
    def refused(self) -> list[Response]:
        """The answers that acknowledge nothing."""
        return [answer for vote, answer in self.tried if not stored(vote, answer)]


def new_vote(version: str, choice: str) -> Vote:
    """A vote under a new id."""
    return Vote(version, choice, f"vote-{uuid4()}")


def cast(ingress: Ingress, vote: Vote) -> Response:
    """Cast a vote in its version, as a user does."""
    return ingress.vote(vote.choice, vote_id=vote.id, headers=HEADERS[vote.version])


def stored(vote: Vote, answer: Response) -> bool:
    """Whether an answer acknowledges the vote."""
    return answer.headers.get(VOTE_ID) == vote.id


@given("all votes are reset in both versions")
def _(ingress: Ingress) -> None:
    for headers in HEADERS.values():
        page = ingress.vote("reset", headers=headers).page
        assert page.counts == (0, 0), f"after the reset: {page}"


@when("these votes are cast in turn", target_fixture="counted")
def _(ingress: Ingress, evidence: Evidence, datatable: list[list[str]]) -> list[Counted]:
    counted = []
    for version, choice in datatable[1:]:
        vote = new_vote(version, choice)
        answer = cast(ingress, vote)
        assert stored(vote, answer), f"not acknowledged: {answer}"
        pages = [ingress.view(headers=headers).page for headers in HEADERS.values()]
        counted.append(Counted(vote, {page.version: page.counts for page in pages}))
    evidence.text("votes in both versions", "".join(f"{one}\n" for one in counted))
    return counted


@then("Redis holds just the votes cast in 1.0, and MySQL just those cast in 2.0")
def _(counted: list[Counted], tutorial: Tutorial, evidence: Evidence) -> None:
    for store, version, rows in (
        ("Redis", "1.0", in_redis(tutorial)),
        ("MySQL", "2.0", in_mysql(tutorial)),
    ):
        votes = [one.vote for one in counted if one.vote.version == version]
        wrong = amiss([(vote.id, vote.choice) for vote in votes], rows)
        evidence.text(f"votes in {store}", "".join(f"{' '.join(row)}\n" for row in rows))
        evidence.result(
            f"{store} holds {number(len(rows), 'vote')}; {len(votes)} were cast in {version}."
        )
        assert not wrong, f"{store}: {wrong}"


@then("after each of them the page of either version counted its own votes alone")
def _(counted: list[Counted], evidence: Evidence) -> None:
    wrong = miscounted(counted)
    evidence.result(
        f"{len(wrong)} of {2 * len(counted)} pages after {number(len(counted), 'vote')} counted "
        "otherwise than their own version's votes."
    )
    assert not wrong, f"{len(wrong)} of {2 * len(counted)} pages: {wrong[0]}"


@given(parsers.parse('{count:d} votes are cast in "{version}"'), target_fixture="kept")
def _(
    ingress: Ingress, tutorial: Tutorial, evidence: Evidence, count: int, version: str
) -> list[Row]:
    votes = [new_vote(version, CATEGORIES[index % 2]) for index in range(count)]
    for vote in votes:
        answer = cast(ingress, vote)
        assert stored(vote, answer), f"not acknowledged: {answer}"
    rows = in_mysql(tutorial)
    assert {(vote.id, vote.choice) for vote in votes} <= set(rows), f"MySQL holds {rows}"
    evidence.text("votes in MySQL before", "".join(f"{' '.join(row)}\n" for row in rows))
    evidence.baseline(f"{number(count, 'vote')} cast in {version}; MySQL holds {len(rows)}.")
    return rows


@when("the MySQL pod is lost while more votes are cast", target_fixture="loss")
def _(tutorial: Tutorial, ingress: Ingress, evidence: Evidence) -> Loss:
    lost = tutorial.pod_of(STORAGE, "2.0").name
    loss = Loss(lost, [])
    # With a second to finish, instead of the half minute that a pod has.
    tutorial.run(f"kubectl delete pod {lost} --now --wait=false -n {tutorial.namespace}")

    def vote_on() -> bool:
        vote = new_vote("2.0", CATEGORIES[len(loss.tried) % 2])
        loss.tried.append((vote, cast(ingress, vote)))
        pods = [pod for pod in tutorial.pods() if (pod.app, pod.version) == (STORAGE, "2.0")]
        replaced = [pod.name for pod in pods if pod.settled] not in ([], [lost])
        return replaced and len(pods) == 1 and stored(*loss.tried[-1])

    seen = converge(
        vote_on,
        until=bool,
        what="another MySQL pod is there, and votes are stored again",
        timeout=WORKLOADS_READY,
        successes=3,
        promised=True,
    )
    statuses = Counter(answer.status for _, answer in loss.tried)
    evidence.text("votes meanwhile", "".join(f"{vote}: {a}\n" for vote, a in loss.tried))
    evidence.observe(
        f"{lost} lost; {len(loss.tried)} votes in {seen.seconds:.1f} s, {len(loss.acknowledged)} "
        f"acknowledged; statuses: {listed(f'{n} of {code}' for code, n in statuses.items())}"
    )
    return loss


@then("no vote that was acknowledged is lost, and none is there twice")
def _(loss: Loss, kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    rows = in_mysql(tutorial)
    # A vote that was stored when the server went may have had no one left to acknowledge it.
    wrong = amiss([*kept, *loss.acknowledged], rows, others=True)
    twice = [vote_id for vote_id, number in Counter(i for i, _ in rows).items() if number > 1]
    evidence.text("votes in MySQL after", "".join(f"{' '.join(row)}\n" for row in rows))
    evidence.result(
        f"MySQL holds {len(rows)} votes: of {len(kept)} kept before its loss and "
        f"{len(loss.acknowledged)} acknowledged since, {len(wrong)} are lost and {len(twice)} are "
        "there twice."
    )
    assert not wrong and not twice, f"{len(wrong)} votes amiss: {wrong[:3]}, twice: {twice}"


@then("what could not be stored meanwhile was answered with 503, and the page said why")
def _(loss: Loss) -> None:
    silent = [
        str(answer)
        for answer in loss.refused
        if answer.status != 503 or "Storage is not available" not in answer.body
    ]
    assert not silent, f"{len(silent)} of {len(loss.refused)}: {silent[:3]}"


@then(parsers.parse('another pod is in its place, on the same claim "{claim}"'))
def _(loss: Loss, tutorial: Tutorial, evidence: Evidence, claim: str) -> None:
    pod = tutorial.pod_of(STORAGE, "2.0").name
    claims = claims_of(tutorial.cluster, tutorial.namespace, pod)
    evidence.observe(f"{pod} instead of {loss.pod}, on {listed(claims)}")
    assert pod != loss.pod and claims == [claim], f"{pod} on {claims}"


@then(parsers.parse('the page of "{version}" shows the votes of MySQL again'))
def _(ingress: Ingress, tutorial: Tutorial, evidence: Evidence, version: str) -> None:
    page = ingress.view(headers=HEADERS[version]).page
    expected = counts_of(in_mysql(tutorial))
    evidence.observe(f"{page}; in MySQL {told(expected)}")
    assert (page.version, page.counts) == (version, expected), f"{page}; in MySQL {expected}"


@then("MySQL holds exactly the votes that it held before")
def _(kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    rows = in_mysql(tutorial)
    wrong = amiss(kept, rows)
    evidence.result(
        f"MySQL held {number(len(kept), 'vote')} before and holds {len(rows)} now; "
        f"{len(wrong)} are not as before."
    )
    assert kept and not wrong, f"{len(wrong)} of {len(kept)} votes: {wrong[:3]}"
