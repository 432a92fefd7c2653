"""Votes of both versions, and the stores that hold them (C5, C7, F4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from pytest_bdd import given, parsers, then, when

from meshproof.analysis.timeline import Request
from meshproof.probes.ingress import FLAG, Ingress, Response
from meshproof.probes.steady import SteadyTraffic, User
from meshproof.probes.stores import (
    STORAGE,
    Row,
    amiss,
    claims_of,
    counts_of,
    crash_mysql,
    in_mysql,
    in_redis,
)
from meshproof.probes.votes import CATEGORIES, VOTE_ID, Counted, Vote, miscounted, told
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import WORKLOADS_READY, converge
from meshproof.wording import in_turn, listed, number

#: What a user sends to get each version while 2.0 is a canary.
HEADERS = {"1.0": {}, "2.0": FLAG}


#: Who votes while the server crashes: so often that a server which writes only once a second what
#: it has acknowledged loses some of it, nineteen times of twenty.
VOTER = User("a user who only votes", pace=20.0, headers=FLAG, votes=1)
#: Votes of this user before the crash, at least, and at the end of what is waited for.
VOTES_BEFORE, VOTES_AGAIN = 10, 3


@dataclass(frozen=True)
class Loss:
    """The pod that was lost, the votes that were tried meanwhile, and what came of each.

    ``crash`` is when its server was about to be killed, and when it had been.
    """

    pod: str
    crash: tuple[float, float]
    tried: Sequence[Request]

    @property
    def acknowledged(self) -> list[Row]:
        """The votes that the app said were stored."""
        return [(one.vote_id, one.vote) for one in self.tried if one.acknowledged == one.vote_id]

    @property
    def refused(self) -> list[Request]:
        """The answers that acknowledge nothing."""
        return [one for one in self.tried if one.acknowledged != one.vote_id]

    @property
    def until_the_crash(self) -> list[Request]:
        """The votes that were acknowledged before the server could have been killed."""
        return [o for o in self.tried if o.acknowledged == o.vote_id and o.end <= self.crash[0]]


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
        assert not wrong, f"{store}: {in_turn(wrong)}"


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
    assert {(vote.id, vote.choice) for vote in votes} <= set(rows), (
        f"MySQL holds {listed(map(' '.join, rows), 'nothing', most=len(rows))}"
    )
    evidence.text("votes in MySQL before", "".join(f"{' '.join(row)}\n" for row in rows))
    evidence.baseline(f"{number(count, 'vote')} cast in {version}; MySQL holds {len(rows)}.")
    return rows


@when(
    "the MySQL server is killed while more votes are cast, and its pod is lost",
    target_fixture="loss",
)
def _(tutorial: Tutorial, traffic: SteadyTraffic, evidence: Evidence) -> Loss:
    lost = tutorial.pod_of(STORAGE, "2.0").name
    traffic.begin(VOTER)
    traffic.await_requests(VOTES_BEFORE)
    with traffic.step("crash: the server is killed"):
        evidence.command(crash_mysql(tutorial.cluster, tutorial.namespace, lost))
    # At once: its container would be started again.
    with traffic.step("loss: the pod is deleted"):
        tutorial.run_own(f"kubectl delete pod {lost} --now --wait=false -n {tutorial.namespace}")

    def replaced() -> bool:
        pods = [pod for pod in tutorial.pods() if (pod.app, pod.version) == (STORAGE, "2.0")]
        settled = [pod.name for pod in pods if pod.settled]
        latest = traffic.timeline().requests[-VOTES_AGAIN:]
        return (
            len(pods) == 1 and settled not in ([], [lost]) and all(r.acknowledged for r in latest)
        )

    with traffic.step("return: another pod is waited for"):
        converge(
            replaced,
            until=bool,
            what="another MySQL pod is there, and votes are stored again",
            timeout=WORKLOADS_READY,
            promised=True,
        )
    traffic.end()
    # What the new server says of how the one before it ended.
    new = tutorial.pod_of(STORAGE, "2.0").name
    tutorial.run_own(f"kubectl logs {new} -c {STORAGE} -n {tutorial.namespace}", check=False)
    timeline = traffic.timeline()
    loss = Loss(lost, timeline.entered("crash"), timeline.requests)
    evidence.text("votes meanwhile", "".join(f"{request}\n" for request in loss.tried))
    evidence.text("timeline", timeline.table())
    statuses = Counter(request.status for request in loss.tried)
    evidence.observe(
        f"the server in {lost} killed after {number(len(loss.until_the_crash), 'vote')}, and its "
        f"pod lost; {len(loss.tried)} votes in {loss.tried[-1].end:.1f} s, "
        f"{len(loss.acknowledged)} acknowledged; "
        f"statuses: {listed(f'{n} of {code}' for code, n in statuses.items())}"
    )
    assert loss.until_the_crash, "no vote was acknowledged before the crash"
    return loss


@then("no vote that was acknowledged is lost, and none is there twice")
def _(loss: Loss, kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    rows = in_mysql(tutorial)
    # A vote that was stored when the server went may have had no one left to acknowledge it.
    lost = amiss([*kept, *loss.acknowledged], rows, others=True)
    twice = [vote_id for vote_id, number in Counter(i for i, _ in rows).items() if number > 1]
    evidence.text("votes in MySQL after", "".join(f"{' '.join(row)}\n" for row in rows))
    evidence.result(
        f"MySQL holds {len(rows)} votes: of {len(kept)} kept before the crash and "
        f"{len(loss.acknowledged)} acknowledged since, {len(lost)} are lost and {len(twice)} are "
        "there twice."
    )
    assert not lost and not twice, (
        f"{len(lost)} acknowledged votes are lost: {in_turn(lost, most=3)}; "
        f"twice: {listed(twice, most=len(twice))}"
    )


@then("what could not be stored meanwhile was answered with 503, and the page said why")
def _(loss: Loss) -> None:
    silent = [
        str(answer)
        for answer in loss.refused
        if answer.status != 503 or "Storage is not available" not in answer.problem
    ]
    assert not silent, f"{len(silent)} of {len(loss.refused)}: {in_turn(silent, most=3)}"


@then(parsers.parse('another pod is in its place, on the same claim "{claim}"'))
def _(loss: Loss, tutorial: Tutorial, evidence: Evidence, claim: str) -> None:
    pod = tutorial.pod_of(STORAGE, "2.0").name
    claims = claims_of(tutorial.cluster, tutorial.namespace, pod)
    evidence.observe(f"{pod} instead of {loss.pod}, on {listed(claims)}")
    assert pod != loss.pod and claims == [claim], f"{pod} on {listed(claims)}"


@then(parsers.parse('the page of "{version}" shows the votes of MySQL again'))
def _(ingress: Ingress, tutorial: Tutorial, evidence: Evidence, version: str) -> None:
    page = ingress.view(headers=HEADERS[version]).page
    expected = counts_of(in_mysql(tutorial))
    evidence.observe(f"{page}; in MySQL {told(expected)}")
    assert (page.version, page.counts) == (version, expected), f"{page}; in MySQL {told(expected)}"


@then("MySQL holds exactly the votes that it held before")
def _(kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    rows = in_mysql(tutorial)
    wrong = amiss(kept, rows)
    evidence.result(
        f"MySQL held {number(len(kept), 'vote')} before and holds {len(rows)} now; "
        f"{len(wrong)} are not as before."
    )
    assert kept and not wrong, f"{len(wrong)} of {len(kept)} votes: {in_turn(wrong, most=3)}"
