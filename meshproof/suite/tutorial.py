"""Following the tutorial on a cluster, with every command and its output kept."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import (
    delete_namespace,
    equip,
    owned_once_created,
    pods_of,
    refuse_anothers,
)
from meshproof.cluster.objects import (
    Objects,
    delete,
    get,
    live_objects,
    owned,
    path_of,
    whole,
)
from meshproof.cluster.pods import (
    PodState,
    older_than,
)
from meshproof.documents import written
from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.mesh.ingress import Answer, Ingress
from meshproof.mesh.injection import await_injection
from meshproof.mesh.loaded import (
    Loaded,
    change,
    configuration_dumps,
)
from meshproof.process import CommandFailed, Completed
from meshproof.progress import Progress
from meshproof.suite.differences import deviations, stage_of
from meshproof.suite.model import Stage, Suite
from meshproof.suite.settling import (
    Proxy,
    await_answers,
    await_loaded,
    await_workloads,
    concerned,
    drop_pods,
    proxies,
    with_page,
    with_upstream,
)
from meshproof.suite.stages import objects_after, objects_of_stages
from meshproof.suite.transitions import from_the_beginning, path_to, way_back
from meshproof.waiting import (
    NAMESPACE_GONE,
    NotConverged,
    converge,
)
from meshproof.wording import listed


class StepFailed(PromiseBroken):
    """A command of the tutorial failed: the tutorial does not keep its promise."""


class Tutorial:
    """The tutorial in one namespace of one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        suite: Suite,
        *,
        progress: Progress,
        ingress: str = "",
        host: str | None = None,
        keep: Callable[[Completed], None] = lambda _: None,
        manifests: Path | None = None,
        pods_since: str | None = None,
        others: Sequence[Mapping[str, Objects]] = (),
        mark: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """``ingress`` is the gateway's address as reached from here; ``keep`` gets each command.

        ``suite`` is whose tutorial it is; ``manifests`` those that are followed instead of its own.
        ``host`` is the name that users ask for, where the page is not for any host.

        ``pods_since`` is when the cluster's nodes were last started or got other images (UTC, ISO
        8601), where it is known: pods that are older say nothing.
        ``others`` are the stages by other manifests that the namespace may be at (see `path_to`).
        ``mark`` is entered for each command of a stage and each wait for what it brings about,
        with a title that begins with the stage's name and a colon.
        """
        self.cluster = cluster
        self.namespace = namespace
        self.ingress = ingress
        self.host = host
        self.progress = progress
        self.keep = keep
        self.suite = suite
        self.manifests = manifests or self.suite.manifests
        self.pods_since = pods_since
        self.others = others
        self.mark = mark
        self._wanted = objects_of_stages(self.suite.stages, namespace, self.manifests, cluster.mesh)

    def stage(self) -> str | None:
        """The stage that the namespace is at, or None where it is at none."""
        return stage_of(live_objects(self.cluster, self.namespace), self._wanted)

    def follow_to(self, target: str) -> list[Completed]:
        """Bring the namespace to a stage and return the commands that this took, with their output.

        Raises ``KeyError`` for an unknown stage, ``StepFailed`` where a command
        of the tutorial fails, ``NotConverged`` where its effect does not come,
        ``EnvironmentBroken`` where the namespace is not Meshproof's.
        """
        live = live_objects(self.cluster, self.namespace)
        route = path_to(target, live, self._wanted, self.others)
        if live and not owned(live["Namespace", self.namespace]):
            raise EnvironmentBroken(
                f"The namespace {self.namespace} is there and not Meshproof's: "
                "choose another with --namespace, or delete it yourself."
            )
        if live:
            refuse_anothers(self.cluster, self.namespace, live["Namespace", self.namespace])
            equip(self.cluster, self.namespace)
        if live and self._outdated():
            self.progress.note("starting over: pods are older than their node's start or images")
            route = from_the_beginning(target, self.suite.stage_names)
        for stage in route.back:
            try:
                self._go_back(stage)
            except NotConverged as error:
                self.progress.note(f"starting over: going back to {stage} failed: {error}")
                route = from_the_beginning(target, self.suite.stage_names)
                break
        if route.start_over:
            self.delete()
        done = [command for name in route.stages for command in self._enter(name)]
        if not route.stages and not route.back:
            self.settle(target)
        return done

    def delete(self, *, wait: bool = True) -> None:
        """Delete the namespace and ``wait`` until it is gone; nothing happens where there is none.

        Raises ``EnvironmentBroken`` where it is not Meshproof's, ``NotConverged`` where it stays.
        """
        delete_namespace(self.cluster, self.namespace, self.progress, wait=wait)

    def run(self, command_line: str, *, check: bool = True) -> Completed:
        """Run one of the tutorial's commands as it is typed on this mesh, and keep it.

        Raises ``StepFailed``, with the whole output, where it ends with an error, unless
        ``check`` is off, and ``CommandFailed`` where it was ended, or nobody answered it: of the
        tutorial that says nothing.
        """
        try:
            return self.run_own(command_line, check=check)
        except CommandFailed as error:
            if not error.by_itself:
                raise
            raise StepFailed(
                f"A command of the tutorial failed:\n{error.completed.transcript()}"
            ) from error

    def run_own(self, command_line: str, *, check: bool = True) -> Completed:
        """Run a command that the suite adds, and keep it. Raises ``CommandFailed``."""
        typed = shlex.split(self.cluster.mesh.command(command_line))
        try:
            done = self.cluster.command(*typed, cwd=self.manifests, check=check)
        except CommandFailed as error:
            self.keep(error.completed)
            raise
        self.keep(done)
        return done

    def pods(self) -> list[PodState]:
        """The namespace's pods, without those that a scenario adds for a look."""
        return pods_of(self.cluster, self.namespace)

    def pod_of(self, app: str, version: str) -> PodState:
        """The first pod of a workload. Raises ``PromiseBroken``, listing the pods, for none."""
        pods = self.pods()
        for pod in pods:
            if (pod.app, pod.version) == (app, version) and not pod.stopping:
                return pod
        raise PromiseBroken(f"no pod of {app} {version} among {listed(pods, most=len(pods))}")

    def settle(self, stage: str) -> None:
        """Wait until the workloads of a stage run and, where it is served, the page answers.

        Raises ``NotKept``: both are promised.
        """
        self._await_workloads(stage)
        served, entered = self.suite.served, self.suite.stage(stage)
        awaited = []
        if headers := entered.also_for:
            answer = partial(self._asked, served.path, headers)
            awaited.append(with_upstream(listed(headers.values()), answer))
        if entered.served:
            awaited.append(with_page(served, partial(self._asked, served.path)))
        await_answers(awaited)

    def _asked(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a page, on a new connection."""
        return Ingress(self.ingress, host=self.host).request("GET", path, headers=headers)

    def _await_workloads(self, stage: str) -> None:
        what = f"the workloads of stage “{stage}” run"
        await_workloads(self.cluster, self.namespace, self.pods, what, note=self.progress.note)

    def await_change(self, before: Objects, now: Objects) -> None:
        """Wait until the proxies have loaded that the objects are others. Raises `NotConverged`."""
        self.await_loaded(change(*(
            [{"kind": kind, **manifest} for (kind, _), manifest in objects.items()]
            for objects in (before, now)
        )))  # fmt: skip

    def await_loaded(self, wanted: Sequence[Loaded]) -> None:
        """Wait until the proxies have loaded a change.

        Raises ``NotKept``, and ``EnvironmentBroken`` where a proxy does not answer in the end.
        """
        await_loaded(wanted, self.namespace, lambda done: self.dumps(wanted, done))

    def dumps(
        self, wanted: Sequence[Loaded], done: Collection[tuple[str, str]] = ()
    ) -> dict[tuple[str, str], str]:
        """What the proxies that a change concerns, but for those ``done``, say they have loaded."""
        asked = concerned(self.proxies(), wanted)
        left = [proxy for proxy in asked if (proxy[0], proxy[2]) not in done]
        return configuration_dumps(self.cluster, left)

    def proxies(self) -> list[Proxy]:
        """The namespace's sidecars and the ingress gateway, by workload, namespace and pod.

        A pod that is still starting is left out: it begins with what is newest.
        """
        return proxies(self.cluster, self.namespace, self.pods())

    def _outdated(self) -> bool:
        """Whether pods were restarted with their node, or may run other images than it has now.

        No restart of theirs means anything then, nor a stage that they are at by all objects.
        """
        if self.pods_since is None:
            return False
        items = get(self.cluster, f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        return bool(older_than(items, self.pods_since))

    def _go_back(self, stage: str) -> None:
        """Undo what came since until the namespace is at a stage. Raises ``NotConverged``."""
        wanted = self._wanted[stage]
        live = live_objects(self.cluster, self.namespace)
        with self.progress.step(f"tutorial: back to {stage}"):
            there = live
            for group in way_back(wanted, live):
                for key in group.remove:
                    delete(self.cluster, path_of(key, self.namespace))
                if group.restore:
                    self._apply([whole(key, wanted[key]) for key in group.restore])
                now = {key: there[key] for key in there.keys() - {*group.remove}}
                now |= {key: wanted[key] for key in group.restore}
                if any(kind == "Deployment" for kind, _ in group.restore):
                    self._await_workloads(stage)
                self.await_change(there, now)
                there = now
                deployments = [live[key] for key in group.remove if key[0] == "Deployment"]
                if deployments:
                    drop_pods(self.cluster, self.namespace, deployments, self.await_loaded)
            converge(
                lambda: deviations(wanted, live_objects(self.cluster, self.namespace)),
                until=lambda lines: not lines,
                what=f"the namespace is back at stage “{stage}”",
                timeout=NAMESPACE_GONE,
            )
            self.settle(stage)

    def _apply(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Put objects back, so that the next `kubectl apply` finds them as one before it did."""
        self.cluster.command(
            "kubectl", "apply", "--namespace", self.namespace, "-f", "-",
            stdin=written(documents),
        )  # fmt: skip

    def _before(self, stage: Stage) -> Objects:
        """What the namespace holds when a stage is entered."""
        names = self.suite.stage_names
        index = names.index(stage.name)
        return self._wanted[names[index - 1]] if index else {}

    def _enter(self, name: str) -> list[Completed]:
        stage = self.suite.stage(name)
        with self.progress.step(f"tutorial: {stage.name}"):
            done = []
            there = self._before(stage)
            for line in stage.command_lines(self.namespace):
                creates = line.startswith("kubectl create namespace")
                # The command is run as published, so the owner comes after it.
                owned = owned_once_created(self.cluster, self.namespace) if creates else None
                with self.mark(f"{stage.name}: {line}"), owned or nullcontext():
                    done.append(self.run(line))
                now = objects_after(line, there, self.manifests)
                # The next command may rely on what this one tells the proxies.
                with self.mark(f"{stage.name}: wait for the proxies"):
                    self.await_change(there, now)
                there = now
                if creates:
                    equip(self.cluster, self.namespace)
                if line.startswith("kubectl label namespace"):
                    await_injection(self.cluster, self.namespace)
            with self.mark(f"{stage.name}: wait for its pods and the page"):
                self.settle(stage.name)
        return done
