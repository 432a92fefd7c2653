"""Going back to an earlier stage loses no request, and what is not of the tutorial goes.

Other ways back: ``tests/thorough/test_ways_back.py``.
"""

from __future__ import annotations

import pytest

from meshproof.cluster.objects import namespace_object
from meshproof.environment.environment import Environment
from meshproof.plugin.environment import lanes_of
from meshproof.progress import Progress
from meshproof.suite.tutorial import Tutorial
from tests.ways_back import go_back, tutorial_of


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
    folder = tmp_path_factory.mktemp("manifests")
    return tutorial_of(lane, environment, folder, Progress(lines.append))


def uid_of_namespace(tutorial: Tutorial) -> str:
    namespace = namespace_object(tutorial.cluster, tutorial.namespace)
    assert namespace
    return str(namespace["metadata"]["uid"])


def test_going_back_loses_no_request(tutorial: Tutorial) -> None:
    go_back(tutorial, "canary", "updated")


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
