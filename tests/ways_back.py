"""Ways back over several stages, on which the page is served all the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from meshproof.environment.environment import Environment
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, manifests_of
from meshproof.suite.round_trips import go
from meshproof.suite.tutorial import Tutorial
from steps.voting.voting_app import Response, VotingApp
from tests.suites import MANIFESTS, SUITE

#: Views at most while a namespace goes back: a minute of them, where it takes some seconds.
MOST_VIEWS = 6000


def tutorial_of(lane: Lane, environment: Environment, folder: Path, progress: Progress) -> Tutorial:
    """Return the tutorial in a lane's own namespace; its manifests go below a folder."""
    return Tutorial(
        environment.cluster,
        lane.namespace,
        SUITE,
        ingress=environment.loopback,
        host=lane.host,
        manifests=manifests_of(lane, MANIFESTS, folder / "lane"),
        progress=progress,
        pods_since=environment.pods_since,
    )


def go_back(tutorial: Tutorial, origin: str, target: str) -> None:
    """Go from a stage back to another while the page is viewed: no view may fail."""
    tutorial.follow_to(origin)
    with viewed(tutorial) as views:
        way = go(tutorial, target)
    assert not way.problems, way.problems
    assert 20 < len(views) < MOST_VIEWS, len(views)
    gone = failed(views)
    assert not gone, f"{len(gone)} of {len(views)} views failed: {gone[:5]}"


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
