"""Pods of an image that was built again are never judged in the new one's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.cluster.objects import namespace_object
from meshproof.environment import bring_up
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, manifests_of
from meshproof.suite.tutorial import Tutorial
from tests.suites import MANIFESTS, SUITE

APP, OTHER = "localhost/voting/app:1.0", "localhost/voting/analytics:1.0"


@pytest.fixture
def tutorial(environment: Environment, lane: Lane, progress: Progress, tmp_path: Path) -> Tutorial:
    """The tutorial in its own namespace, at a stage with pods."""
    tutorial = Tutorial(
        environment.cluster,
        lane.namespace,
        SUITE,
        ingress=environment.loopback,
        progress=progress,
        manifests=manifests_of(lane, MANIFESTS, tmp_path / "manifests"),
        pods_since=environment.pods_since,
    )
    tutorial.follow_to("deployed")
    return tutorial


def in_nodes(environment: Environment, *arguments: str) -> list[str]:
    """Ask containerd in each node; the nodes of kind are containers of the same names."""
    assert environment.engine
    nodes = [node.metadata.name for node in environment.cluster.core.list_node().items]
    ctr = ("ctr", "--namespace=k8s.io", "images")
    return [environment.engine.run("exec", node, *ctr, *arguments).stdout for node in nodes]


def digests(environment: Environment) -> list[str]:
    """What the name of the app's image means in each node: below a heading, name, type, digest."""
    lists = in_nodes(environment, "list", f"name=={APP}")
    return [listed.splitlines()[1].split()[2] for listed in lists]


# Whoever has pods made meanwhile gets the other image.
@pytest.mark.exclusive
def test_pods_of_another_image_of_the_same_name_are_not_judged(
    environment: Environment, options: Options, progress: Progress, tutorial: Tutorial
) -> None:
    namespace = namespace_object(tutorial.cluster, tutorial.namespace)
    built = digests(environment)
    in_nodes(environment, "tag", "--force", OTHER, APP)
    assert digests(environment) != built
    tutorial.pods_since = bring_up.up(options, progress).pods_since
    assert digests(environment) == built
    # Nobody's namespace goes; whose it is starts over.
    assert namespace
    left = namespace_object(tutorial.cluster, tutorial.namespace)
    assert left
    assert left["metadata"]["uid"] == namespace["metadata"]["uid"]
    assert tutorial.stage() == "deployed"
    tutorial.follow_to("deployed")
    now = namespace_object(tutorial.cluster, tutorial.namespace)
    assert now
    assert now["metadata"]["uid"] != namespace["metadata"]["uid"]
    assert tutorial.stage() == "deployed"
