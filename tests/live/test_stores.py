"""A store that falls silent, crashes or is taken away: the page says so, and no vote is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.environment.environment import Environment
from meshproof.errors import EnvironmentBroken
from meshproof.progress import Progress
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import WORKLOADS_READY, converge
from steps.voting.inside import LOCAL_PAGE
from steps.voting.stored_rows import STORAGE, Row, amiss, mysql_rows, redis_rows
from tests.suites import SUITE

#: Both versions beside each other, without a way in: the page is asked for in an app's own pod.
APPLIED = (
    "kubernetes/step-0-identities.yaml",
    "kubernetes/step-1-create-voting-app.yaml",
    "kubernetes/step-2-update-voting-analytics-to-1.1.yaml",
    "istio/step-3-add-routing-for-2.0-components.yaml",
    "kubernetes/step-3-update-voting-app-with-new-storage.yaml",
)
ROWS: dict[str, Callable[[Cluster, str, str], list[Row]]] = {"1.0": redis_rows, "2.0": mysql_rows}
#: Views the page and casts a vote; prints, of each answer, what says what became of it.
ASK = r"""
import json, re, sys, urllib.error, urllib.request
for form in (None, b"vote=Cats&id=" + sys.argv[2].encode()):
    try:
        answer = urllib.request.urlopen(sys.argv[1], form, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    problem = re.search(r'id="problem"[^>]*>([^<]*)', answer.read().decode())
    print(json.dumps([answer.status, answer.headers["x-vote-id"], problem and problem[1]]))
"""


@dataclass(frozen=True)
class Answer:
    """An answer of the app: the vote that it acknowledges, and the problem that its page names."""

    status: int
    acknowledged: str | None
    problem: str | None

    @property
    def good(self) -> bool:
        """Whether the app did what it was asked for, and names no problem."""
        return self.status == 200 and not self.problem

    @property
    def refused(self) -> bool:
        """Whether nothing was done, for want of what the page names."""
        named = "is not available: " in (self.problem or "")
        return self.status == 503 and named and not self.acknowledged

    @property
    def blames_storage(self) -> bool:
        """Whether nothing was done for want of storage."""
        return self.refused and (self.problem or "").startswith("Storage ")


@dataclass
class Voter:
    """A user of one version, who keeps all that was answered."""

    place: Tutorial
    version: str
    answers: list[Answer] = field(default_factory=list)

    def look(self) -> tuple[Answer, Answer]:
        """View the page, then cast a vote of a new id."""
        pod = self.place.pod_of("voting-app", self.version).name
        printed = self.place.cluster.exec(
            self.place.namespace, pod, "voting-app", "python3", "-c", ASK, LOCAL_PAGE,
            f"vote-{uuid4()}",
        ).stdout  # fmt: skip
        view, vote = (Answer(*json.loads(line)) for line in printed.splitlines())
        self.answers += [view, vote]
        return view, vote

    def await_good(self) -> None:
        """Look until the page is there and votes are acknowledged."""
        converge(
            self.look,
            until=lambda seen: all(a.good for a in seen) and seen[1].acknowledged is not None,
            what=f"version {self.version} shows the page and stores votes",
            timeout=WORKLOADS_READY,
            successes=3,
        )

    def await_refusal(self) -> None:
        """Look until the page says that there is no storage, and votes are refused."""
        converge(
            self.look,
            until=lambda seen: all(a.blames_storage for a in seen),
            what=f"version {self.version} says that its storage is not available",
            timeout=WORKLOADS_READY,
            successes=3,
        )

    def missing(self) -> list[str]:
        """Say which of the acknowledged votes are not in the store exactly once."""
        pod = self.place.pod_of(STORAGE, self.version).name
        rows = ROWS[self.version](self.place.cluster, self.place.namespace, pod)
        cast = [(answer.acknowledged, "Cats") for answer in self.answers if answer.acknowledged]
        # What was asked for when the store went may be there without having been acknowledged.
        return amiss(cast, rows, others=True)

    def unexplained(self) -> list[Answer]:
        """Answers that neither did what was asked for nor refused it in the page's words."""
        return [
            answer
            for answer in self.answers
            if not (answer.good or answer.acknowledged or answer.refused)
        ]


@pytest.fixture(scope="module")
def place(environment: Environment, progress: Progress) -> Iterator[Tutorial]:
    """A namespace with both versions."""
    namespace = Tutorial(environment.cluster, "stores", SUITE, progress=progress)
    namespace.delete()
    namespace.follow_to("namespace")
    for file in APPLIED:
        namespace.run(f"kubectl apply -n {namespace.namespace} -f {file}")
    namespace.settle("deployed")
    yield namespace
    namespace.delete(wait=False)


def send_signal(environment: Environment, place: Tutorial, pod: str, signal: str) -> None:
    """Send a signal to all in a storage pod's container, from its node.

    Within, nothing ends Redis, which is the first process there.
    """
    if environment.engine is None:
        raise EnvironmentBroken("Servers are stopped from their nodes, and no engine answers here.")
    found = get(place.cluster, f"/api/v1/namespaces/{place.namespace}/pods/{pod}")
    (container,) = (s for s in found["status"]["containerStatuses"] if s["name"] == STORAGE)
    task = container["containerID"].removeprefix("containerd://")
    node = found["spec"]["nodeName"]
    ctr = ("ctr", "--namespace", "k8s.io", "tasks", "kill", "--all", "--signal", signal, task)
    environment.engine.run("exec", node, *ctr)


@pytest.mark.parametrize("version", ROWS)
def test_store_that_falls_silent_and_crashes_is_named_and_loses_nothing(
    environment: Environment, place: Tutorial, version: str
) -> None:
    voter = Voter(place, version)
    voter.await_good()
    before = place.pod_of(STORAGE, version)
    send_signal(environment, place, before.name, "SIGSTOP")
    voter.await_refusal()
    send_signal(environment, place, before.name, "SIGKILL")
    voter.await_good()
    after = place.pod_of(STORAGE, version)
    assert (after.name, after.restarts) == (before.name, before.restarts + 1)
    assert voter.missing() == []
    assert voter.unexplained() == []


def test_store_that_is_taken_away_is_named_and_comes_back_with_all_votes(place: Tutorial) -> None:
    voter = Voter(place, "2.0")
    voter.await_good()
    scale = f"kubectl scale -n {place.namespace} deployment/{STORAGE}-2-0 --replicas"
    place.run(f"{scale}=0")
    voter.await_refusal()
    place.run(f"{scale}=1")
    voter.await_good()
    assert voter.missing() == []
    assert voter.unexplained() == []
