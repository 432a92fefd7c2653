"""Casts votes in both versions, takes MySQL away, and reads what the stores hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.timeline import Request
from meshproof.errors import PromiseBroken
from meshproof.probes.steady import SteadyTraffic, User
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import WORKLOADS_READY, converge
from meshproof.wording import in_turn, listed, number
from steps.voting.ballots import CATEGORIES, VOTE_ID, Counted, Vote, miscounted, told
from steps.voting.stored_rows import (
    STORAGE,
    Row,
    amiss,
    claims_of,
    counts_of,
    crash_mysql,
    in_mysql,
)
from steps.voting.voters import views_and_votes
from steps.voting.voting_app import FLAG, Response, VotingApp

#: What a user sends to get each version while 2.0 is a canary.
HEADERS = {"1.0": {}, "2.0": FLAG}


#: Who votes while the server crashes: so often that a server which writes only once a second what
#: it has acknowledged loses some of it, nineteen times of twenty.
VOTER = User("a user who only votes", 20.0, views_and_votes(FLAG, votes=1))
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


def cast(ingress: VotingApp, vote: Vote) -> Response:
    """Cast a vote in its version, as a user does."""
    return ingress.vote(vote.choice, vote_id=vote.id, headers=HEADERS[vote.version])


def stored(vote: Vote, answer: Response) -> bool:
    """Whether an answer acknowledges the vote."""
    return answer.headers.get(VOTE_ID) == vote.id


def cast_in_turn(ingress: VotingApp, rows: Iterable[Sequence[str]]) -> list[Counted]:
    """Cast votes, each a version and a choice, and view the page of either version after each.

    Raises ``PromiseBroken`` where one is not acknowledged.
    """
    counted = []
    for version, choice in rows:
        vote = new_vote(version, choice)
        require_stored(vote, cast(ingress, vote))
        pages = [ingress.view(headers=headers).page for headers in HEADERS.values()]
        counted.append(Counted(vote, {page.version: page.counts for page in pages}))
    return counted


def require_stored(vote: Vote, answer: Response) -> None:
    """Raise ``PromiseBroken`` where an answer does not acknowledge a vote."""
    if not stored(vote, answer):
        raise PromiseBroken(f"not acknowledged: {answer}")


def held_by(
    store: str, version: str, rows: Sequence[Row], counted: Sequence[Counted]
) -> Observation:
    """Hold the rows of a store against the votes that were cast in its version."""
    votes = [one.vote for one in counted if one.vote.version == version]
    wrong = amiss([(vote.id, vote.choice) for vote in votes], rows)
    return Observation(
        results=[
            f"{store} holds {number(len(rows), 'vote')}; {len(votes)} were cast in {version}."
        ],
        texts={f"votes in {store}": as_text(rows)},
        problems=unless(votes and not wrong, f"{store}: {in_turn(wrong)}"),
    )


def counted_apart(counted: Sequence[Counted]) -> Observation:
    """Hold what the pages counted after each vote against their own version's votes."""
    wrong = miscounted(counted)
    return Observation(
        results=[
            f"{len(wrong)} of {2 * len(counted)} pages after {number(len(counted), 'vote')} "
            "counted otherwise than their own version's votes."
        ],
        problems=[f"{len(wrong)} of {2 * len(counted)} pages: {one}" for one in wrong[:1]],
    )


def cast_to_keep(
    ingress: VotingApp,
    tutorial: Tutorial,
    count: int,
    version: str,
    require: Callable[[Observation], None],
) -> list[Row]:
    """Cast so many votes in a version, and return all that MySQL then holds, these among them."""
    votes = [new_vote(version, CATEGORIES[index % 2]) for index in range(count)]
    for vote in votes:
        require_stored(vote, cast(ingress, vote))
    rows = in_mysql(tutorial)
    there = {(vote.id, vote.choice) for vote in votes} <= set(rows)
    held = listed(map(" ".join, rows), "nothing", most=len(rows))
    require(
        Observation(
            baselines=[f"{number(count, 'vote')} cast in {version}; MySQL holds {len(rows)}."],
            texts={"votes in MySQL before": as_text(rows)},
            problems=unless(there, f"MySQL holds {held}"),
        )
    )
    return rows


def as_text(rows: Iterable[Row]) -> str:
    """Write rows down, one a line."""
    return "".join(f"{' '.join(row)}\n" for row in rows)


def lose_mysql(tutorial: Tutorial, traffic: SteadyTraffic) -> Loss:
    """Kill MySQL's server while a user votes, delete its pod, and wait for another.

    Raises ``NotKept`` where votes are not stored again.
    """
    lost = tutorial.pod_of(STORAGE, "2.0").name
    traffic.begin(VOTER)
    traffic.await_requests(VOTES_BEFORE)
    with traffic.step("crash: the server is killed"):
        tutorial.keep(crash_mysql(tutorial.cluster, tutorial.namespace, lost))
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
    return Loss(lost, timeline.entered("crash"), timeline.requests)


def told_of_loss(loss: Loss, timeline: str) -> Observation:
    """Say what came of the votes meanwhile; some must have been acknowledged before the crash."""
    statuses = Counter(request.status for request in loss.tried)
    return Observation(
        details=[
            f"the server in {loss.pod} killed after "
            f"{number(len(loss.until_the_crash), 'vote')}, and its pod lost; {len(loss.tried)} "
            f"votes in {loss.tried[-1].end:.1f} s, {len(loss.acknowledged)} acknowledged; "
            f"statuses: {listed(f'{n} of {code}' for code, n in statuses.items())}"
        ],
        texts={
            "votes meanwhile": "".join(f"{request}\n" for request in loss.tried),
            "timeline": timeline,
        },
        problems=unless(loss.until_the_crash, "no vote was acknowledged before the crash"),
    )


def held_after_loss(loss: Loss, kept: Sequence[Row], rows: Sequence[Row]) -> Observation:
    """Hold what MySQL has against the votes kept before the crash and acknowledged since.

    A vote that was stored when the server went may have had no one left to acknowledge it.
    """
    lost = amiss([*kept, *loss.acknowledged], rows, others=True)
    twice = [vote_id for vote_id, times in Counter(i for i, _ in rows).items() if times > 1]
    return Observation(
        results=[
            f"MySQL holds {len(rows)} votes: of {len(kept)} kept before the crash and "
            f"{len(loss.acknowledged)} acknowledged since, {len(lost)} are lost and {len(twice)} "
            "are there twice."
        ],
        texts={"votes in MySQL after": as_text(rows)},
        problems=unless(
            not lost and not twice,
            f"{len(lost)} acknowledged votes are lost: {in_turn(lost, most=3)}; "
            f"twice: {listed(twice, most=len(twice))}",
        ),
    )


def refused_silently(loss: Loss) -> str:
    """Say which votes were refused without a 503 and a page that names the storage; or nothing."""
    silent = [
        str(answer)
        for answer in loss.refused
        if answer.status != 503 or "Storage is not available" not in answer.problem
    ]
    told_of = f"{len(silent)} of {len(loss.refused)}: {in_turn(silent, most=3)}"
    return told_of if silent else ""


def replaced_on(tutorial: Tutorial, loss: Loss, claim: str) -> Observation:
    """Hold the pod of MySQL against the one that was lost, and its claims against this one."""
    pod = tutorial.pod_of(STORAGE, "2.0").name
    claims = claims_of(tutorial.cluster, tutorial.namespace, pod)
    return Observation(
        details=[f"{pod} instead of {loss.pod}, on {listed(claims)}"],
        problems=unless(pod != loss.pod and claims == [claim], f"{pod} on {listed(claims)}"),
    )


def page_counts(ingress: VotingApp, rows: Sequence[Row], version: str) -> Observation:
    """Hold the page of a version against the votes that MySQL holds."""
    page, expected = ingress.view(headers=HEADERS[version]).page, counts_of(rows)
    said = f"{page}; in MySQL {told(expected)}"
    same = (page.version, page.counts) == (version, expected)
    return Observation(details=[said], problems=unless(same, said))


def same_rows(kept: Sequence[Row], rows: Sequence[Row]) -> Observation:
    """Hold what MySQL has against what it had."""
    wrong = amiss(kept, rows)
    return Observation(
        results=[
            f"MySQL held {number(len(kept), 'vote')} before and holds {len(rows)} now; "
            f"{len(wrong)} are not as before."
        ],
        problems=unless(
            kept and not wrong, f"{len(wrong)} of {len(kept)} votes: {in_turn(wrong, most=3)}"
        ),
    )
