from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.loaded import awaited
from meshproof.probes.ingress import Response
from meshproof.process import CommandFailed, Completed
from meshproof.progress import Progress
from meshproof.tutorial import tutorial as module
from meshproof.tutorial.objects import owned
from meshproof.tutorial.pods import PodState
from meshproof.tutorial.stages import (
    NAMES,
    STAGES,
    Objects,
    Stage,
    applied_documents,
    applied_files,
    objects_at,
)
from meshproof.tutorial.tutorial import MANIFESTS, StepFailed, Tutorial
from meshproof.waiting import NotConverged, Timeout

NAMESPACE = "elsewhere"
INGRESS = "http://127.0.0.1:31000"
AT_ONCE = Timeout("at-once", 5, 0.001, "nothing in a test takes any time")
SERVED = [stage for stage in STAGES if stage.served]
NOT_SERVED = [stage for stage in STAGES if not stage.served]

objects_of = cache(objects_at)


def simulated(stage: Stage) -> bool:
    """Whether the world below can do all that leads to a stage."""
    verbs = [
        command.split()[1] for s in STAGES[: STAGES.index(stage) + 1] for command in s.commands
    ]
    return {*verbs} <= {"create", "label", "apply"}


class World:
    """A cluster with one namespace, in memory, and a note of all that happens to it."""

    def __init__(self) -> None:
        self.objects: Objects = {}
        self.did: list[str] = []
        self.waited: list[str] = []
        self.failing = ""
        self.statuses = [200]
        self.core = SimpleNamespace(
            patch_namespace=self.patch_namespace,
            delete_namespace=self.delete_namespace,
            delete_collection_namespaced_pod=lambda *_, **__: self.did.append("delete pods"),
        )
        self.apps = SimpleNamespace(delete_collection_namespaced_deployment=self.delete_deployments)
        self.pods_stay = self.namespace_stays = False

    @property
    def namespace(self) -> Mapping[str, Any] | None:
        return self.objects.get(("Namespace", NAMESPACE))

    def is_at(self, stage: str) -> None:
        """Have what the stage holds, and more in it, as an API server does."""
        objects: dict[tuple[str, str], Any] = copy.deepcopy(objects_of(stage, NAMESPACE, MANIFESTS))
        self.objects = {
            (kind, name): {**value, "metadata": {"name": name, "uid": "7", **value["metadata"]}}
            for (kind, name), value in objects.items()
        }

    def command(self, *argv: str, cwd: Path) -> Completed:
        line = shlex.join(argv)
        self.did.append(line)
        if self.failing and self.failing in line:
            raise CommandFailed("no", Completed(argv, 1, "", "refused by a webhook", 0, 0))
        if argv[:3] == ("kubectl", "create", "namespace"):
            self.objects["Namespace", argv[3]] = {"metadata": {"name": argv[3], "labels": {}}}
        if argv[:3] == ("kubectl", "label", "namespace"):
            self.label(dict([argv[4].split("=")]))
        for file in applied_files(line):
            for document in yaml.safe_load_all((cwd / file).read_text()):
                self.objects[document["kind"], document["metadata"]["name"]] = document
        return Completed(argv, 0, "done\n", "", 0, 0)

    def label(self, labels: Mapping[str, str]) -> None:
        assert self.namespace is not None
        self.namespace["metadata"]["labels"].update(labels)

    def patch_namespace(self, name: str, body: Mapping[str, Any]) -> None:
        assert name == NAMESPACE
        self.did.append("patch namespace")
        self.label(body["metadata"]["labels"])

    def delete_deployments(self, namespace: str) -> None:
        assert namespace == NAMESPACE
        self.did.append("delete deployments")
        if not self.pods_stay:
            self.objects = {k: v for k, v in self.objects.items() if k[0] != "Deployment"}

    def delete_namespace(self, namespace: str) -> None:
        assert namespace == NAMESPACE
        self.did.append("delete namespace")
        if not self.namespace_stays:
            self.objects = {}

    def get(self, _: object, path: str) -> dict[str, Any]:
        """The Deployments, or pods for each of them that run."""
        kind = path.rpartition("/")[2]
        deployments = [v for k, v in self.objects.items() if k[0] == "Deployment"]
        if kind == "deployments":
            observed = {"status": {"observedGeneration": 1}}
            return {"items": [{**deployment, **observed} for deployment in deployments]}
        assert kind == "pods"
        return {
            "items": [
                {
                    "metadata": {"name": "pod", **deployment["spec"]["template"]["metadata"]},
                    "spec": {"containers": [{"name": "one"}]},
                    "status": {
                        "phase": "Running",
                        "containerStatuses": [{"name": "one", "ready": True, "restartCount": 0}],
                    },
                }
                for deployment in deployments
                for _ in range(deployment["spec"]["replicas"])
            ]
        }

    def view(self) -> Response:
        """What the ingress answers, the last answer for ever."""
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.waited.append(f"page {status}")
        return Response("GET", INGRESS, status, "", "", 0.0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "live_objects", lambda *_: copy.deepcopy(world.objects))
    monkeypatch.setattr(module, "namespace_object", lambda *_: world.namespace)
    monkeypatch.setattr(module, "get", world.get)
    monkeypatch.setattr(module, "await_injection", lambda *_: None)
    monkeypatch.setattr(module, "objects_at", objects_of)
    monkeypatch.setattr(module, "Ingress", lambda url: world if url == INGRESS else None)
    for name in ("NAMESPACE_GONE", "ROUTE_IN_FORCE", "WORKLOADS_READY"):
        monkeypatch.setattr(module, name, replace(AT_ONCE, seconds=0.05))
    monkeypatch.setattr(
        Tutorial, "await_loaded", lambda _, wanted: world.waited.append(f"loaded {len(wanted)}")
    )
    return world


@pytest.fixture
def kept() -> list[Completed]:
    return []


@pytest.fixture
def tutorial(world: World, kept: list[Completed], progress: Progress) -> Tutorial:
    return Tutorial(
        cast("Cluster", world), NAMESPACE, ingress=INGRESS, progress=progress, keep=kept.append
    )


def typed(stages: tuple[Stage, ...]) -> list[str]:
    """The commands of these stages, in the spelling of the world's notes."""
    return [shlex.join(shlex.split(line)) for s in stages for line in s.command_lines(NAMESPACE)]


def without_harness(did: list[str]) -> list[str]:
    """What was typed, without what the harness did for itself."""
    return [line for line in did if line.startswith(("kubectl ", "istioctl "))]


# Where the namespace is.


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_is_told_by_what_is_there(world: World, tutorial: Tutorial, name: str) -> None:
    world.is_at(name)
    assert tutorial.stage() == name
    world.objects["Service", "stray"] = {"metadata": {"name": "stray"}}
    assert tutorial.stage() is None


def test_without_a_namespace_there_is_no_stage(tutorial: Tutorial) -> None:
    assert tutorial.stage() is None


# Following the tutorial.


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_from_nothing_all_commands_are_run_as_published(
    world: World, tutorial: Tutorial, kept: list[Completed], stage: Stage
) -> None:
    done = tutorial.follow_to(stage.name)
    expected = typed(STAGES[: STAGES.index(stage) + 1])
    assert without_harness(world.did) == expected
    assert [completed.command_line for completed in done] == expected
    assert kept == done
    assert world.namespace is not None
    assert owned(world.namespace)
    if simulated(stage):
        assert tutorial.stage() == stage.name


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("current", NAMES)
def test_from_a_stage_only_what_is_missing_is_run(
    world: World, tutorial: Tutorial, current: str, target: str
) -> None:
    world.is_at(current)
    tutorial.follow_to(target)
    here, there = NAMES.index(current), NAMES.index(target)
    over = here > there
    assert without_harness(world.did) == typed(STAGES[0 if over else here + 1 : there + 1])
    assert ("delete namespace" in world.did) is over
    assert over or not [line for line in world.did if line.startswith("delete")]


@pytest.mark.parametrize("target", NAMES)
def test_from_no_stage_it_starts_over(world: World, tutorial: Tutorial, target: str) -> None:
    world.is_at(NAMES[-1])
    world.objects["Service", "stray"] = {"metadata": {"name": "stray"}}
    tutorial.follow_to(target)
    assert world.did[:3] == ["delete deployments", "delete pods", "delete namespace"]
    assert without_harness(world.did) == typed(STAGES[: NAMES.index(target) + 1])


def test_a_namespace_that_is_not_ours_is_not_touched(world: World, tutorial: Tutorial) -> None:
    world.objects["Namespace", NAMESPACE] = {"metadata": {"labels": {"team": "payments"}}}
    for target in NAMES:
        with pytest.raises(EnvironmentBroken, match="is there and not Meshproof's"):
            tutorial.follow_to(target)
    assert world.did == []


@pytest.mark.parametrize("current", [None, NAMES[-1]])
def test_an_unknown_stage_changes_nothing(
    world: World, tutorial: Tutorial, current: str | None
) -> None:
    if current:
        world.is_at(current)
    with pytest.raises(KeyError, match="rolled-back"):
        tutorial.follow_to("rolled-back")
    assert world.did == []


def test_the_namespace_is_ours_before_anything_is_put_into_it(
    world: World, tutorial: Tutorial
) -> None:
    tutorial.follow_to(NAMES[-1])
    assert world.did[1] == "patch namespace"
    assert world.did[0].startswith("kubectl create namespace")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_a_stage_waits_for_is_waited_for(
    world: World, tutorial: Tutorial, stage: Stage
) -> None:
    tutorial.follow_to(stage.name)
    wanted = [
        sum(len(awaited(document)) for document in applied_documents(command, MANIFESTS))
        for s in STAGES[: STAGES.index(stage) + 1]
        for command in s.commands
    ]
    assert [line for line in world.waited if line.startswith("loaded")] == [
        f"loaded {count}" for count in wanted
    ]


def test_a_command_that_fails_ends_it_and_is_kept(
    world: World, tutorial: Tutorial, kept: list[Completed]
) -> None:
    commands = typed(STAGES)
    world.failing = commands[-1]
    with pytest.raises(StepFailed) as failed:
        tutorial.follow_to(NAMES[-1])
    assert without_harness(world.did) == commands
    assert [done.command_line for done in kept] == commands
    assert "refused by a webhook" in str(failed.value)
    assert f"$ {commands[-1]}\n" in str(failed.value)


def test_after_a_command_that_fails_no_other_is_run(world: World, tutorial: Tutorial) -> None:
    first = typed(STAGES)[0]
    world.failing = first
    with pytest.raises(StepFailed):
        tutorial.follow_to(NAMES[-1])
    assert world.did == [first]


# Waiting until it works.


@pytest.mark.parametrize("stage", SERVED, ids=lambda stage: stage.name)
def test_a_served_stage_is_there_when_the_page_is_three_times_in_a_row(
    world: World, tutorial: Tutorial, stage: Stage
) -> None:
    world.is_at(stage.name)
    world.statuses = [404, 200, 200, 503, 200]
    assert tutorial.follow_to(stage.name) == []
    assert world.waited == ["page 404", "page 200", "page 200", "page 503", *["page 200"] * 3]


@pytest.mark.parametrize("stage", NOT_SERVED, ids=lambda stage: stage.name)
def test_a_stage_that_is_not_served_asks_for_no_page(
    world: World, tutorial: Tutorial, stage: Stage
) -> None:
    world.is_at(stage.name)
    assert tutorial.follow_to(stage.name) == []
    assert world.waited == []


def test_a_page_that_is_never_served_says_what_was(world: World, tutorial: Tutorial) -> None:
    world.is_at(SERVED[0].name)
    world.statuses = [503]
    with pytest.raises(NotConverged, match="HTTP 503"):
        tutorial.settle(SERVED[0].name)


def test_pods_that_do_not_come_are_named(
    world: World, tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = next(stage for stage in STAGES if any(k == "Deployment" for k, _ in objects_of(
        stage.name, NAMESPACE, MANIFESTS)))  # fmt: skip
    world.is_at(stage.name)
    monkeypatch.setattr(tutorial, "pods", list)
    with pytest.raises(NotConverged, match=r"0 of \d pods"):
        tutorial.settle(stage.name)


# Deleting.


def test_a_namespace_is_deleted_and_waited_for(
    world: World, tutorial: Tutorial, lines: list[str]
) -> None:
    world.is_at(NAMES[-1])
    tutorial.delete()
    assert world.did == ["delete deployments", "delete pods", "delete namespace"]
    assert any(f"delete namespace {NAMESPACE}" in line for line in lines)


def test_a_namespace_can_be_left_to_go(world: World, tutorial: Tutorial) -> None:
    world.is_at(NAMES[-1])
    world.namespace_stays = True
    tutorial.delete(wait=False)
    assert world.did == ["delete namespace"]


def test_where_there_is_none_nothing_is_deleted(world: World, tutorial: Tutorial) -> None:
    tutorial.delete()
    assert world.did == []


def test_a_namespace_that_is_not_ours_is_not_deleted(world: World, tutorial: Tutorial) -> None:
    world.objects["Namespace", NAMESPACE] = {"metadata": {"name": NAMESPACE}}
    with pytest.raises(EnvironmentBroken, match="not Meshproof's to delete"):
        tutorial.delete()
    assert world.did == []


def test_what_stays_is_said(world: World, tutorial: Tutorial) -> None:
    world.is_at(NAMES[-1])
    world.namespace_stays = True
    with pytest.raises(NotConverged, match=f"namespace {NAMESPACE} is gone: not so"):
        tutorial.delete()
    world.is_at(NAMES[-1])
    world.pods_stay = True
    with pytest.raises(NotConverged, match=f"the pods of namespace {NAMESPACE} are gone: not so"):
        tutorial.delete()


# One command.


def test_a_command_is_split_as_a_shell_does(
    world: World, tutorial: Tutorial, kept: list[Completed]
) -> None:
    done = tutorial.run("kubectl get service -o jsonpath='{.status.x[0].ip}'")
    assert done.argv == ("kubectl", "get", "service", "-o", "jsonpath={.status.x[0].ip}")
    assert (kept, done.stdout) == ([done], "done\n")


def test_commands_are_run_where_the_manifests_are(
    world: World, tutorial: Tutorial, tmp_path: Path
) -> None:
    manifest = {"kind": "Service", "metadata": {"name": "mine", "labels": OWNED}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(manifest))
    tutorial.manifests = tmp_path
    tutorial.run("kubectl apply -f mine.yaml")
    assert world.objects == {("Service", "mine"): manifest}


# One pod.


def test_a_pod_of_a_workload(world: World, tutorial: Tutorial) -> None:
    world.is_at(NAMES[-1])
    pod = tutorial.pods()[0]
    assert tutorial.pod_of(pod.app, pod.version) == pod


@pytest.mark.parametrize("version", ["1.0", "9.9"])
def test_no_pod_of_a_workload(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    leaving = PodState(
        "a", "voting-app", "1.0", "Running", ready=2, containers=2, restarts=0, proxied=True,
        stopping=True,
    )  # fmt: skip
    monkeypatch.setattr(tutorial, "pods", lambda: [leaving])
    with pytest.raises(ValueError, match=rf"no pod of voting-app {version} .*Terminating"):
        tutorial.pod_of("voting-app", version)
