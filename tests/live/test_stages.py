"""Going back to an earlier stage loses no request, and what is not of the tutorial goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from meshproof.cluster.objects import namespace_object
from meshproof.environment.environment import Environment
from meshproof.plugin.environment import lanes_of
from meshproof.progress import Progress
from meshproof.run.lanes import manifests_of
from meshproof.suite.round_trips import go
from meshproof.suite.tutorial import Tutorial
from steps.voting.voting_app import Response, VotingApp
from tests.suites import MANIFESTS, SUITE

#: Ways back over several stages, on which the page is served all the time.
WAYS = [("cleaned-up", "lock-down"), ("canary", "updated"), ("lock-down", "exposed")]
#: Views at most while a namespace goes back: a minute of them, where it takes some seconds.
MOST_VIEWS = 6000


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What is shown as progress."""
    return []


@pytest.fixture(scope="module")
def tutorial(
    pytestconfig: pytest.Config,
    environment: Environment,
    lines: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Tutorial:
    """The tutorial in the lane's own namespace."""
    lane = lanes_of(pytestconfig)[-1]
    return Tutorial(
        environment.cluster,
        lane.namespace,
        SUITE,
        ingress=environment.loopback,
        host=lane.host,
        manifests=manifests_of(lane, MANIFESTS, tmp_path_factory.mktemp("manifests") / "lane"),
        progress=Progress(lines.append),
        pods_since=environment.pods_since,
    )


def uid_of_namespace(tutorial: Tutorial) -> str:
    namespace = namespace_object(tutorial.cluster, tutorial.namespace)
    assert namespace
    return str(namespace["metadata"]["uid"])


@contextmanager
def viewed(tutorial: Tutorial) -> Iterator[list[Response]]:
    """View the page over and over meanwhile; the views are there at the end."""
    views: list[Response] = []
    going = True

    def view() -> None:
        ingress = VotingApp.at(tutorial.ingress, host=tutorial.host)
        while going and len(views) < MOST_VIEWS:
            views.append(ingress.view())

    with ThreadPoolExecutor(max_workers=1) as pool:
        viewing = pool.submit(view)
        try:
            yield views
        finally:
            going = False
            viewing.result()


def failed(views: Sequence[Response]) -> list[str]:
    return [f"{view}: {view.body!r}" for view in views if view.status != 200]


@pytest.mark.parametrize(("origin", "target"), WAYS, ids=lambda name: name)
def test_going_back_loses_no_request(tutorial: Tutorial, origin: str, target: str) -> None:
    tutorial.follow_to(origin)
    with viewed(tutorial) as views:
        way = go(tutorial, target)
    assert way.problems == []
    assert 20 < len(views) < MOST_VIEWS
    assert failed(views) == [], f"{len(failed(views))} of {len(views)} views failed"


def test_what_other_manifests_left_behind_goes(tutorial: Tutorial, lines: list[str]) -> None:
    tutorial.follow_to("lock-down")
    uid = uid_of_namespace(tutorial)
    kubectl = ("kubectl", "-n", tutorial.namespace)
    tutorial.cluster.command(*kubectl, "delete", "authorizationpolicy", "voting-storage-1-0")
    tutorial.cluster.command(*kubectl, "patch", "peerauthentication", "default", "--type=merge",
                             '-p={"spec": {"mtls": {"mode": "PERMISSIVE"}}}')  # fmt: skip
    assert tutorial.stage() is None
    done = tutorial.follow_to("lock-down")
    assert tutorial.stage() == "lock-down"
    assert uid_of_namespace(tutorial) == uid, "it was started over"
    assert any("tutorial: back to updated" in line for line in lines[-4:]), lines[-4:]
    printed = "".join(command.stdout for command in done)
    assert "peerauthentication.security.istio.io/default created\n" in printed


def test_a_namespace_on_its_way_out_is_waited_for(tutorial: Tutorial) -> None:
    tutorial.follow_to("namespace")
    uid = uid_of_namespace(tutorial)
    tutorial.delete(wait=False)
    tutorial.follow_to("namespace")
    assert tutorial.stage() == "namespace"
    assert uid_of_namespace(tutorial) != uid
