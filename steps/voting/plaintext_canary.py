"""Traffic with a marker in it, on every way between workloads (T4)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from meshproof.analysis.wire import Pair
from meshproof.cluster.shape import INGRESS_GATEWAY
from meshproof.errors import PromiseBroken
from meshproof.suite.breakages import change_manifests
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import ROUTE_IN_FORCE, converge
from meshproof.wording import quoted
from steps.voting.inside import answer_of_redis
from steps.voting.voting_app import Response, VotingApp

PLAIN_TEXT = "istio/plain-text.yaml"
#: The name by which the ingress leads to a namespace without mutual TLS, as in that file.
PLAIN_HOST = "plain-text.example"
#: Cast at once, so that more than the connections that are open already are needed.
VOTES = 10
#: A header of tracing that the app passes on to analytics, and that no proxy reads or changes.
HEADER = "x-ot-span-context"


def one_app_pod(manifests: Path) -> None:
    """Have manifests ask for one pod of the app, by its label, where the tutorial has three.

    Every way between workloads is there with one, too, and pods are what such a namespace costs.
    """

    def is_app(document: Mapping[str, Any]) -> bool:
        if document["kind"] != "Deployment":
            return False
        return bool(document["spec"]["template"]["metadata"]["labels"].get("app") == "voting-app")

    change_manifests(manifests, is_app, lambda app: app["spec"].update(replicas=1))


def follow_in_plain_text(tutorial: Tutorial) -> None:
    """Follow the tutorial until its first workloads run, with mutual TLS off on both sides.

    For a namespace that is not there yet; the ingress leads to it by ``PLAIN_HOST``. Raises
    ``StepFailed``, ``CommandFailed`` or ``NotConverged``.
    """
    tutorial.follow_to("namespace")
    # Before there are pods, so that no connection ever begins with mutual TLS.
    tutorial.run_own(f"kubectl apply -f {PLAIN_TEXT} --namespace {tutorial.namespace}")
    tutorial.follow_to("deployed")
    converge(
        lambda: VotingApp.at(tutorial.ingress, host=PLAIN_HOST).view(),
        until=lambda response: response.status == 200,
        what=f"the page is served by the name {PLAIN_HOST}",
        timeout=ROUTE_IN_FORCE,
        successes=3,
    )


def marked_ways(analytics: str) -> set[Pair]:
    """The ways between workloads that a marker goes, with this version of analytics."""
    app, storage = "voting-app 1.0", "voting-storage 1.0"
    return {
        (INGRESS_GATEWAY, app),
        (app, f"voting-analytics {analytics}"),
        (app, storage),
        (f"voting-analytics {analytics}", storage),
    }


def cast_marked(
    tutorial: Tutorial, marker: str, *, analytics: str, host: str | None = None
) -> list[str]:
    """Send a marker on each of these ways.

    It is the id of votes through the ingress, cast at once, and in a tracing header of theirs.
    Storage is asked to repeat it from inside each pod of the app and of analytics, on a
    connection of its own. ``host`` is the name that the ingress is asked for instead of the
    tutorial's. Returns what came back, a line each; raises ``PromiseBroken`` where it is not what
    it must be.
    """

    def vote(_: int) -> Response:
        ingress = VotingApp.at(tutorial.ingress, host=host or tutorial.host)
        return ingress.vote("Cats", vote_id=marker, headers={HEADER: marker})

    with ThreadPoolExecutor(VOTES) as pool:
        responses = list(pool.map(vote, range(VOTES)))
    for response in responses:
        if response.page.analytics != analytics:
            raise PromiseBroken(
                f"a vote was answered without analytics {analytics}: {response.page}"
            )
    answers = [f"{response}, page {response.page}" for response in responses]
    for pod in tutorial.pods():
        if (pod.app, pod.version) in (("voting-app", "1.0"), ("voting-analytics", analytics)):
            answer = answer_of_redis(
                tutorial.cluster,
                tutorial.namespace,
                pod.name,
                pod.app,
                f"ECHO {marker}",
            )
            answers.append(f"Redis answers {pod.name} with {quoted(answer)}")
            if marker not in answer:
                raise PromiseBroken(answers[-1])
    return answers
