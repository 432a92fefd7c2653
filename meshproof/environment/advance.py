"""Putting a namespace at a stage of the tutorial, to look around in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from meshproof.cluster.cluster import Cluster, new_owner
from meshproof.cluster.lease import ANY_HOST, Leases, of_namespace
from meshproof.cluster.objects import live_objects, take_over
from meshproof.cluster.shape import DEFAULT
from meshproof.environment import bring_up
from meshproof.environment.images import from_registry
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken, MeshproofError, UsageFailure
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, manifests_of
from meshproof.suite.differences import stage_of
from meshproof.suite.model import Stage, Suite
from meshproof.suite.registry import default_name, suite_named
from meshproof.suite.stages import objects_of_stages
from meshproof.suite.tutorial import Tutorial


@dataclass(frozen=True)
class Place:
    """Where a namespace is now: its stage, the page's address, and how to look at the cluster.

    ``adapted`` says that its mesh is of another shape than that which the manifests are for.
    """

    namespace: str
    stage: Stage
    page: str
    kubeconfig: str
    suite: Suite
    adapted: bool = False

    @property
    def following(self) -> Stage | None:
        """The stage that comes next; None after the last."""
        stages = self.suite.stages
        index = stages.index(self.stage) + 1
        return stages[index] if index < len(stages) else None

    def lines(self) -> list[str]:
        """Say it, and what can be done next, in lines."""
        told = [
            f"The namespace {self.namespace} is at stage “{self.stage.name}”.",
            f"page        {self.page}{self.suite.served.path}"
            if self.stage.served
            else "page        not served yet",
        ]
        if self.kubeconfig:
            told.append(f"kubectl     export KUBECONFIG={self.kubeconfig}")
        after = self.following
        if after is None:
            return [*told, "This is the last stage."]
        following = f"next        `meshproof advance {after.name}{self._of_suite}`"
        if self.adapted:  # the commands are others there
            return [*told, following]
        commands = after.command_lines(self.namespace)
        return [
            *told,
            # By hand they would apply manifests that ask for no counts, which is no stage.
            f"{following}, which runs:",
            *(f"            {command}" for command in commands),
        ]

    @property
    def _of_suite(self) -> str:
        return "" if self.suite.name == default_name() else f" --suite {self.suite.name}"


def checked_stage(name: str, suite: Suite) -> str:
    """Return a stage's name. Raises ``UsageFailure``, naming the stages, for an unknown one."""
    names = suite.stage_names
    if name not in names:
        raise UsageFailure(f"There is no stage “{name}”; the stages are: {', '.join(names)}.")
    return name


def advance(options: Options, stage: str, progress: Progress) -> Place:
    """Bring cluster and mesh up, and the namespace to a stage, forward or back.

    Raises ``UsageFailure`` for an unknown stage, ``EnvironmentBroken`` where a run follows the
    tutorial there, ``StepFailed`` where a command of the tutorial fails, and ``NotConverged``
    where its effect does not come.
    """
    suite = suite_named(options.suite)
    checked_stage(stage, suite)
    found = bring_up.up(options, progress)
    owner = new_owner(options.namespace)
    cluster = replace(found.cluster, owner=owner)
    with (
        _held(Leases(cluster, owner), options.namespace),
        _followed(cluster, options) as manifests,
    ):
        take_over(cluster)
        Tutorial(
            cluster,
            options.namespace,
            suite,
            ingress=found.loopback,
            progress=progress,
            manifests=manifests,
            pods_since=found.pods_since,
        ).follow_to(stage)
    own = options.cluster == "kind"
    return Place(
        options.namespace,
        suite.stage(stage),
        found.loopback,
        str(cluster.kubeconfig) if own else "",
        suite,
        adapted=cluster.mesh != DEFAULT,
    )


def stage_now(cluster: Cluster, options: Options) -> str:
    """Say which stage the namespace is at, by its objects and the manifests. Raises nothing."""
    try:
        live = live_objects(cluster, options.namespace)
        there = from_registry(cluster, options, Progress(lambda _: None))
    except (ApiException, HTTPError) as error:
        return f"cannot be seen ({type(error).__name__})"
    except MeshproofError as error:
        return f"cannot be seen ({error.sentence})"
    if not live:
        return "not there"
    stages = suite_named(options.suite).stages
    with _followed(there, options) as manifests:
        wanted = objects_of_stages(stages, options.namespace, manifests, cluster.mesh)
    found = stage_of(live, wanted)
    return f"at stage “{found}”" if found else "at no stage of these manifests"


@contextmanager
def _followed(cluster: Cluster, options: Options) -> Iterator[Path]:
    """The manifests that are followed: copies, for a while."""
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        lane, copy = Lane(options.namespace), Path(folder) / "manifests"
        yield manifests_of(lane, options.manifests, copy, cluster.images, cluster.mesh)


@contextmanager
def _held(leases: Leases, namespace: str) -> Iterator[None]:
    """Hold the namespace, and the way in for any host, as long as the tutorial is followed."""
    try:
        for name, what in (
            (of_namespace(namespace), f"follows the tutorial in namespace {namespace}"),
            (ANY_HOST, "has the way in for any host"),
        ):
            if holder := leases.claim(name):
                raise EnvironmentBroken(
                    f"A run {what} ({holder}): wait until it ends; one that was killed holds it "
                    "for a minute."
                )
        yield
    finally:
        leases.release()
