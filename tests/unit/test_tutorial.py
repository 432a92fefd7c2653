from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import yaml

from meshproof.cluster import namespaces
from meshproof.cluster.cluster import OWNED, TUTORIAL, Cluster, Owner
from meshproof.cluster.objects import Objects, owned, path_of
from meshproof.cluster.pods import PodState
from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.mesh.ingress import Answer
from meshproof.mesh.loaded import Loaded, change
from meshproof.process import CommandFailed, Completed
from meshproof.progress import Progress
from meshproof.suite import settling
from meshproof.suite import tutorial as module
from meshproof.suite.differences import LAST_APPLIED
from meshproof.suite.model import Stage
from meshproof.suite.stages import applied_documents, deleted_keys, objects_after, objects_of_stages
from meshproof.suite.tutorial import StepFailed, Tutorial
from meshproof.waiting import NotConverged
from tests.suites import MANIFESTS, NAMES, STAGES, SUITE, stage_named

NAMESPACE = "elsewhere"
#: When each pod was made.
MADE = "2026-11-25T16:43:09Z"
INGRESS = "http://127.0.0.1:31000"
SERVED = [stage for stage in STAGES if stage.served]
NOT_SERVED = [stage for stage in STAGES if not stage.served]

objects_of = cache(objects_of_stages)
WANTED = objects_of(STAGES, NAMESPACE, MANIFESTS)

(CLAIM,) = (name for kind, name in WANTED[NAMES[-1]] if kind == "PersistentVolumeClaim")


class World:
    """A cluster with one namespace, in memory, and a note of all that happens to it."""

    mesh = DEFAULT

    owner: Owner | None = None
    ownership: ClassVar[dict[str, Any]] = {"labels": OWNED}

    def __init__(self) -> None:
        self.objects: Objects = {}
        self.did: list[str] = []
        #: Namespaces whose sidecars are to log calls.
        self.logged: list[str] = []
        self.waited: list[str] = []
        self.failing = ""
        self.statuses = [200]
        self.page = f"<p{SUITE.served.holds}>"
        self.flagged = ["down for a moment"]
        self.viewed: list[str] = []
        self.stopping: list[dict[str, Any]] = []
        self.images = None
        self.core = SimpleNamespace(
            patch_namespace=self.patch_namespace,
            delete_namespace=self.delete_namespace,
            delete_collection_namespaced_pod=lambda *_, **__: self.did.append("delete pods"),
        )
        self.namespace_stays = self.objects_stay = False

    @property
    def namespace(self) -> Mapping[str, Any] | None:
        return self.objects.get(("Namespace", NAMESPACE))

    def is_at(self, stage: str) -> None:
        """Have what the stage holds, and more in it, as an API server does."""
        objects: dict[tuple[str, str], Any] = copy.deepcopy(WANTED[stage])
        self.objects = {
            (kind, name): value if kind == "Namespace" else stored({"kind": kind, **value})
            for (kind, name), value in objects.items()
        }

    def command(
        self, *argv: str, cwd: Path | None = None, stdin: str | None = None, check: bool = True
    ) -> Completed:
        line = shlex.join(argv)
        if stdin:
            for document in yaml.safe_load_all(stdin):
                self.did.append(f"put back {document['kind']} {document['metadata']['name']}")
                self.objects[document["kind"], document["metadata"]["name"]] = stored(document)
            return Completed(argv, 0, "done\n", "", 0, 0)
        self.did.append(line)
        if self.failing and self.failing in line:
            failed = Completed(argv, 1, "", "refused by a webhook", 0, 0)
            if check:
                raise CommandFailed("no", failed)
            return failed
        if argv[:3] == ("kubectl", "create", "namespace"):
            self.objects["Namespace", argv[3]] = {
                "metadata": {"name": argv[3], "labels": {}},
                "status": {"phase": "Active"},
            }
        if argv[:3] == ("kubectl", "label", "namespace"):
            self.label(dict([argv[4].split("=")]))
        for document in applied_documents(line, cwd) if cwd else []:
            self.objects[document["kind"], document["metadata"]["name"]] = stored(document)
        for key in deleted_keys(line):
            del self.objects[key]
        return Completed(argv, 0, "done\n", "", 0, 0)

    def label(self, labels: Mapping[str, str]) -> None:
        assert self.namespace is not None
        self.namespace["metadata"]["labels"].update(labels)

    def patch_namespace(self, name: str, body: Mapping[str, Any]) -> None:
        assert name == NAMESPACE
        self.did.append("patch namespace")
        self.label(body["metadata"]["labels"])

    def delete_namespace(self, namespace: str) -> None:
        assert namespace == NAMESPACE
        self.did.append("delete namespace")
        if not self.namespace_stays:
            self.objects = {}

    def delete(self, _: object, path: str, *, grace: int | None = None) -> None:
        """Delete an object, or a pod, by its path."""
        kind, name = path.split("/")[-2:]
        if kind == "pods":
            self.did.append(f"delete pod of {name}, {grace} s")
            self.stopping = [pod for pod in self.stopping if pod["metadata"]["name"] != name]
            return
        there = (key for key in self.objects if key[0] != "Namespace")
        (key,) = (key for key in there if path_of(key, NAMESPACE) == path)
        self.did.append(f"delete {key[0]} {key[1]}")
        if self.objects_stay:
            return
        deployment = self.objects.pop(key)
        if key[0] == "Deployment":
            pod = self.pod(deployment)
            pod["metadata"] |= {"name": name, "deletionTimestamp": "now"}
            self.stopping.append(pod)

    def pod(self, deployment: Mapping[str, Any]) -> dict[str, Any]:
        labels = deployment["spec"]["template"]["metadata"]
        return {
            "metadata": {"name": "pod", "creationTimestamp": MADE, **labels},
            "spec": {"containers": [{"name": "one"}]},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.7",
                "containerStatuses": [{"name": "one", "ready": True, "restartCount": 0}],
            },
        }

    def status(self, deployment: Mapping[str, Any]) -> dict[str, int]:
        return {"observedGeneration": 1, "availableReplicas": deployment["spec"]["replicas"]}

    def get(self, _: object, path: str) -> dict[str, Any]:
        """The Deployments, or the pods: those of each that run, and those that stop."""
        kind = path.rpartition("/")[2]
        deployments = [v for k, v in self.objects.items() if k[0] == "Deployment"]
        if kind == "deployments":
            return {"items": [{**d, "status": self.status(d)} for d in deployments]}
        if kind == "persistentvolumeclaims":
            claims = (v for k, v in self.objects.items() if k[0] == "PersistentVolumeClaim")
            return {"items": list(claims)}
        assert kind == "pods"
        running = [self.pod(d) for d in deployments for _ in range(d["spec"]["replicas"])]
        return {"items": [*running, *self.stopping]}

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """What the ingress answers, the last answer for ever; those with the flag, apart."""
        assert (method, path) == ("GET", SUITE.served.path)
        if headers:
            assert headers == {"Cookie": "featureflag=on"}
            body = self.flagged.pop(0) if len(self.flagged) > 1 else self.flagged[0]
            self.viewed.append(body)
            return Answer("GET", INGRESS, 503, body, "", 0.0)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.waited.append(f"page {status}")
        return Answer("GET", INGRESS, status, self.page, "", 0.0)


def stored(document: Mapping[str, Any]) -> dict[str, Any]:
    """An object as the API server has it once it was applied: with more in it."""
    applied = {LAST_APPLIED: json.dumps({"apiVersion": "v1", **document}, sort_keys=True)}
    return {**document, "metadata": {"uid": "7", **document["metadata"], "annotations": applied}}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, no_time_passes: None) -> World:
    world = World()
    monkeypatch.setattr(module, "live_objects", lambda *_: copy.deepcopy(world.objects))
    monkeypatch.setattr(namespaces, "namespace_object", lambda *_: world.namespace)
    monkeypatch.setattr(namespaces, "log_calls", lambda _, name: world.logged.append(name))
    for each in (module, settling, namespaces):
        monkeypatch.setattr(each, "get", world.get)
    for each in (module, settling, namespaces):
        monkeypatch.setattr(each, "delete", world.delete)
    monkeypatch.setattr(module, "await_injection", lambda *_: None)
    monkeypatch.setattr(module, "objects_of_stages", objects_of)
    monkeypatch.setattr(module, "Ingress", lambda url, host: {(INGRESS, None): world}[url, host])
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
        cast("Cluster", world),
        NAMESPACE,
        SUITE,
        ingress=INGRESS,
        progress=progress,
        keep=kept.append,
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
    assert world.logged == [NAMESPACE]
    assert tutorial.stage() == stage.name


def test_each_command_of_a_stage_and_each_wait_for_it_is_marked(
    world: World, tutorial: Tutorial
) -> None:
    marks: list[str] = []

    @contextmanager
    def mark(title: str) -> Iterator[None]:
        before = list(world.did)
        yield
        marks.append(f"{title}{' (ran)' if world.did != before else ''}")

    tutorial.mark = mark
    tutorial.follow_to("deployed")
    lines = [(stage.name, line) for stage in STAGES[:2] for line in typed((stage,))]
    expected = []
    for name, line in lines:
        expected += [f"{name}: {line} (ran)", f"{name}: wait for the proxies"]
        if line is lines[1][1] or line is lines[-1][1]:
            expected.append(f"{name}: wait for its pods and the page")
    assert marks == expected


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("current", NAMES)
def test_from_a_stage_only_what_is_missing_is_run(
    world: World, tutorial: Tutorial, current: str, target: str
) -> None:
    world.is_at(current)
    tutorial.follow_to(target)
    here, there = NAMES.index(current), NAMES.index(target)
    assert without_harness(world.did) == typed(STAGES[here + 1 : there + 1])
    taken_back = [line for line in world.did if line.startswith(("delete ", "put back "))]
    assert bool(taken_back) is (here > there)
    assert "delete namespace" not in world.did
    assert tutorial.stage() == target


@pytest.mark.parametrize("target", NAMES[1:-1])
def test_from_no_stage_the_target_is_entered_by_its_own_commands(
    world: World, tutorial: Tutorial, lines: list[str], target: str
) -> None:
    before = NAMES[NAMES.index(target) - 1]
    world.is_at(before)
    world.objects["Service", "stray"] = {"metadata": {"name": "stray"}, "spec": {}}
    tutorial.follow_to(target)
    assert "delete Service stray" in world.did
    assert "delete namespace" not in world.did
    assert without_harness(world.did) == typed((stage_named(target),))
    assert any(f"tutorial: back to {before}" in line for line in lines)
    assert tutorial.stage() == target


@pytest.mark.parametrize("target", NAMES)
def test_what_is_of_no_stage_is_taken_away_in_place_where_the_target_is_achieved(
    world: World, tutorial: Tutorial, lines: list[str], target: str
) -> None:
    world.is_at(target)
    world.objects["Service", "stray"] = {"metadata": {"name": "stray"}, "spec": {}}
    tutorial.follow_to(target)
    assert world.did == ["delete Service stray"]
    assert any(f"tutorial: back to {target}" in line for line in lines)
    assert tutorial.stage() == target


@pytest.mark.parametrize("target", NAMES)
def test_where_nothing_can_be_gone_back_to_it_starts_over(
    world: World, tutorial: Tutorial, target: str
) -> None:
    world.is_at(NAMES[-1])
    world.label({"istio-injection": "disabled"})
    tutorial.follow_to(target)
    assert world.did[:2] == ["delete namespace", "delete pods"]
    assert without_harness(world.did) == typed(STAGES[: NAMES.index(target) + 1])


def test_what_does_not_come_back_is_started_over(
    world: World, tutorial: Tutorial, lines: list[str]
) -> None:
    world.is_at("lock-down")
    world.objects_stay = True
    tutorial.follow_to("exposed")
    assert "delete namespace" in world.did
    assert any("starting over: going back to exposed failed: " in line for line in lines)
    assert tutorial.stage() == "exposed"


def test_the_way_back_from_lock_down_loses_nothing(world: World, tutorial: Tutorial) -> None:
    world.is_at("lock-down")
    tutorial.follow_to("exposed")
    assert world.did == [
        "delete AuthorizationPolicy voting-analytics-1-0",
        "delete AuthorizationPolicy voting-analytics-1-1",
        "delete AuthorizationPolicy voting-app-1-0",
        "delete AuthorizationPolicy voting-storage-1-0",
        "delete PeerAuthentication default",
        "put back VirtualService voting-app",
        "delete VirtualService voting-analytics",
        "delete VirtualService voting-storage",
        "delete DestinationRule voting-analytics",
        "delete DestinationRule voting-app",
        "delete DestinationRule voting-storage",
        "delete Deployment voting-analytics-1-1",
        "delete pod of voting-analytics-1-1, 0 s",
    ]
    # What forbids, the way in, the mesh's routes, the subsets, and then the pod's endpoint.
    assert [line for line in world.waited if "loaded" in line] == [
        "loaded 5", "loaded 2", "loaded 2", "loaded 3", "loaded 0", "loaded 1",
    ]  # fmt: skip


def test_the_way_back_from_the_end_first_puts_back_what_was_deleted(
    world: World, tutorial: Tutorial, lines: list[str]
) -> None:
    world.is_at("cleaned-up")
    tutorial.follow_to("lock-down")
    begun = [line.rpartition("back to ")[2] for line in lines if "▸" in line]
    assert begun == ["rolled-out", "lock-down"]
    done = list(dict.fromkeys(line.rpartition(" ")[0] for line in world.did))
    assert done[:6] == [
        "put back ServiceAccount", "put back Deployment",
        "put back DestinationRule", "put back VirtualService", "put back AuthorizationPolicy",
        "delete AuthorizationPolicy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("booted", "over"),
    [(None, False), ("2026-11-25T16:43:09.9Z", False), ("2026-11-25T16:43:10.0Z", True)],
)
def test_pods_that_were_restarted_with_their_node_are_made_anew(
    world: World, tutorial: Tutorial, booted: str | None, over: bool
) -> None:
    world.is_at("deployed")
    tutorial.pods_since = booted
    tutorial.follow_to("deployed")
    assert ("delete namespace" in world.did) is over


def test_a_namespace_of_another_run_is_not_touched(world: World, tutorial: Tutorial) -> None:
    tutorial.follow_to("namespace")
    metadata = world.objects["Namespace", NAMESPACE]["metadata"]
    world.owner = Owner("mine", NAMESPACE)
    tutorial.follow_to("namespace")  # a predecessor made it, which said nothing yet
    world.owner = Owner("mine", "elsewhere")
    tutorial.follow_to("namespace")
    metadata["annotations"] = {TUTORIAL: "elsewhere"}
    tutorial.follow_to("namespace")  # it is one of the run's lanes
    metadata["annotations"] = {TUTORIAL: "another"}
    world.did.clear()
    for touch in (lambda: tutorial.follow_to("deployed"), tutorial.delete):
        with pytest.raises(EnvironmentBroken, match="was made by a run in another: choose"):
            touch()
    assert world.did == []


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
    wanted: list[str] = []
    objects: Objects = {}
    for command in typed(STAGES[: STAGES.index(stage) + 1]):
        now = objects_after(command, objects, MANIFESTS)
        documents = ([{"kind": k, **o} for (k, _), o in at.items()] for at in (objects, now))
        wanted.append(f"loaded {len(change(*documents))}")
        objects = now
    assert [line for line in world.waited if line.startswith("loaded")] == wanted


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


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        ((), ["app", "storage", "way-in"]),
        (("gateway",), ["way-in"]),
        (("sidecars",), ["app", "storage"]),
        (("voting-storage-1.0",), ["storage"]),
    ],
)
def test_only_the_proxies_that_a_change_concerns_are_asked(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch, where: tuple[str, ...], asked: list[str]
) -> None:
    settled = PodState(
        "app", "voting-app", "1.0", "Running", ready=2, containers=2, restarts=0, proxied=True,
        stopping=False,
    )  # fmt: skip
    storage = replace(settled, name="storage", app="voting-storage")
    pods = [
        settled,
        storage,
        replace(settled, name="starting", ready=1),
        replace(settled, name="going", stopping=True),
        replace(settled, name="bare", proxied=False),
    ]
    gateway = {"metadata": {"name": "way-in", "labels": {"istio": "ingressgateway"}}}
    listed = {DEFAULT.gateway.pods_path: [gateway]}
    monkeypatch.setattr(tutorial, "pods", lambda: pods)
    monkeypatch.setattr(settling, "get", lambda _, path: {"items": listed[path]})
    monkeypatch.setattr(
        module, "configuration_dumps", lambda _, proxies: {(w, name): "" for w, _, name in proxies}
    )
    assert sorted(name for _, name in tutorial.dumps([Loaded("x", where)])) == asked


# Waiting until it works.


@pytest.mark.parametrize("stage", SERVED, ids=lambda stage: stage.name)
def test_a_served_stage_is_there_when_the_page_is_three_times_in_a_row(
    world: World, tutorial: Tutorial, stage: Stage
) -> None:
    world.is_at(stage.name)
    world.statuses = [404, 200, 200, 503, 200]
    assert tutorial.follow_to(stage.name) == []
    assert world.waited == ["page 404", "page 200", "page 200", "page 503", *["page 200"] * 3]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_where_the_flag_leads_to_2_0_the_gateway_must_know_its_pods(
    world: World, tutorial: Tutorial, stage: Stage
) -> None:
    world.is_at(stage.name)
    world.flagged = ["no healthy upstream", "page", "no healthy upstream", "page"]
    tutorial.settle(stage.name)
    known = ["no healthy upstream", "page", "no healthy upstream", *["page"] * 3]
    assert world.viewed == (known if NAMES.index(stage.name) >= NAMES.index("canary") else [])


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


def test_another_page_than_the_suites_is_not_served(world: World, tutorial: Tutorial) -> None:
    world.is_at(SERVED[0].name)
    world.page = "<p>It works!</p>"
    with pytest.raises(NotConverged, match="the page is served through the ingress"):
        tutorial.settle(SERVED[0].name)


def test_pods_that_do_not_come_are_named(
    world: World, tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.is_at("deployed")
    monkeypatch.setattr(tutorial, "pods", list)
    with pytest.raises(NotConverged, match=r"0 of \d pods"):
        tutorial.settle("deployed")


# Deleting.


def test_a_namespace_is_deleted_and_waited_for(
    world: World, tutorial: Tutorial, lines: list[str]
) -> None:
    world.is_at(NAMES[-1])
    tutorial.delete()
    assert world.did == ["delete namespace", "delete pods"]
    assert any(f"delete namespace {NAMESPACE}" in line for line in lines)


def test_a_namespace_can_be_left_to_go(world: World, tutorial: Tutorial) -> None:
    world.is_at(NAMES[-1])
    world.namespace_stays = True
    tutorial.delete(wait=False)
    claim = f"delete PersistentVolumeClaim {CLAIM}"
    assert world.did == ["delete namespace", "delete pods", claim]


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


# One command.


def test_a_command_is_split_as_a_shell_does(
    world: World, tutorial: Tutorial, kept: list[Completed]
) -> None:
    done = tutorial.run("kubectl get service -o jsonpath='{.status.x[0].ip}'")
    assert done.argv == ("kubectl", "get", "service", "-o", "jsonpath={.status.x[0].ip}")
    assert (kept, done.stdout) == ([done], "done\n")


def test_a_command_that_may_fail_is_kept_all_the_same(
    world: World, tutorial: Tutorial, kept: list[Completed]
) -> None:
    world.failing = "kubectl create"
    done = tutorial.run("kubectl create namespace voting", check=False)
    assert (kept, done.exit_code, done.stderr) == ([done], 1, "refused by a webhook")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-1, ""),  # not in time
        (-9, ""),  # killed
        (1, "The connection to the server 127.0.0.1:6443 was refused - did you specify it?"),
        (1, "Unable to connect to the server: net/http: TLS handshake timeout"),
        (1, "Warning: old\nError from server (Timeout): the server was unable to answer in time"),
        (1, "error: You must be logged in to the server (Unauthorized)"),
        (1, "Error: failed to get pods: dial tcp 127.0.0.1:6443: connect: connection refused"),
    ],
)
def test_a_command_that_nobody_answers_is_no_broken_promise(
    monkeypatch: pytest.MonkeyPatch,
    tutorial: Tutorial,
    kept: list[Completed],
    code: int,
    said: str,
) -> None:
    done = Completed(("kubectl", "get", "pods"), code, "", said, 0.0, 1.0)

    def fail(*argv: str, **how: object) -> Completed:
        raise CommandFailed("it failed", done)

    monkeypatch.setattr(tutorial.cluster, "command", fail)
    with pytest.raises(CommandFailed):
        tutorial.run("kubectl get pods")
    assert kept == [done]


def test_a_command_that_the_suite_adds_is_no_promise(
    world: World, tutorial: Tutorial, kept: list[Completed]
) -> None:
    world.failing = "kubectl delete"
    with pytest.raises(CommandFailed):
        tutorial.run_own("kubectl delete pod one")
    assert [done.exit_code for done in kept] == [1]


def test_commands_are_run_where_the_manifests_are(
    world: World, tutorial: Tutorial, tmp_path: Path
) -> None:
    manifest = {"kind": "Service", "metadata": {"name": "mine", "labels": OWNED}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(manifest))
    tutorial.manifests = tmp_path
    tutorial.run("kubectl apply -f mine.yaml")
    assert world.objects == {("Service", "mine"): stored(manifest)}


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
    with pytest.raises(PromiseBroken, match=rf"no pod of voting-app {version} .*Terminating"):
        tutorial.pod_of("voting-app", version)
