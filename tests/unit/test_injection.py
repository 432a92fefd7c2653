from __future__ import annotations

import shlex
import signal
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from meshproof.cluster import namespaces
from meshproof.cluster.cluster import OWNED, Cluster, Owner
from meshproof.cluster.objects import owned
from meshproof.cluster.shape import DEFAULT
from meshproof.interruption import interruption
from meshproof.probes import injection as module
from meshproof.probes import scratch_namespace
from meshproof.probes.injection import InjectionProbe
from meshproof.process import CommandFailed, Completed
from meshproof.progress import Progress
from meshproof.waiting import NotConverged
from tests.suites import STAGES, stage_named

NAMESPACE = "voting-injection"
CREATE, LABEL = (
    shlex.join(shlex.split(line)) for line in stage_named("namespace").command_lines(NAMESPACE)
)


class Namespace:
    """The probe's namespace, in memory: it injects where it is labelled."""

    mesh, images = DEFAULT, None

    owner: Owner | None = None
    ownership: ClassVar[dict[str, Any]] = {"labels": OWNED}

    def __init__(self) -> None:
        self.did: list[str] = []
        self.labels: dict[str, str] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.ready = True
        #: What the API server has of it.
        self.there: dict[str, Any] = {}
        self.cut_off = False
        self.core = SimpleNamespace(
            patch_namespace=self.patch, create_namespaced_pod=self.create_pod
        )

    def command(self, *argv: str) -> Completed:
        line = shlex.join(argv)
        self.did.append(line)
        if line == CREATE:
            self.there = {"metadata": {"name": NAMESPACE}}
        if self.cut_off:
            raise KeyboardInterrupt
        if line == LABEL and "injected" in self.labels:
            raise CommandFailed("no", Completed(argv, 1, "", "already labelled", 0, 0))
        if line == LABEL:
            self.labels["injected"] = "yes"
        return Completed(argv, 0, "", "", 0, 0)

    def applied(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return manifest

    def patch(self, name: str, body: dict[str, Any]) -> None:
        assert name == NAMESPACE
        self.labels.update(body["metadata"]["labels"])

    def create_pod(self, namespace: str, manifest: dict[str, Any]) -> None:
        assert namespace == NAMESPACE
        assert owned(manifest)
        names = [container["name"] for container in manifest["spec"]["containers"]]
        if "injected" in self.labels:
            names.append("istio-proxy")
        status = {"ready": self.ready, "restartCount": 0}
        self.pods[manifest["metadata"]["name"]] = {
            **manifest,
            "spec": {"containers": [{"name": name} for name in names]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": name, **status} for name in names],
            },
        }

    def get(self, _: object, path: str) -> dict[str, Any]:
        base, _, name = path.rpartition("/")
        assert base == f"/api/v1/namespaces/{NAMESPACE}/pods"
        return self.pods[name]


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    namespace = Namespace()
    monkeypatch.setattr(scratch_namespace, "get", namespace.get)
    monkeypatch.setattr(module, "await_injection", lambda *_: None)
    monkeypatch.setattr(namespaces, "namespace_object", lambda *_: namespace.there or None)
    monkeypatch.setattr(namespaces, "log_calls", lambda *_: "")
    return namespace


@pytest.fixture
def kept() -> list[Completed]:
    return []


@pytest.fixture
def probe(namespace: Namespace, kept: list[Completed], progress: Progress) -> InjectionProbe:
    cluster = cast("Cluster", namespace)
    return InjectionProbe(
        cluster, NAMESPACE, STAGES[0].command_lines(NAMESPACE), progress=progress, keep=kept.append
    )


def test_the_namespace_is_made_and_labelled_as_the_tutorial_says(
    probe: InjectionProbe, namespace: Namespace, kept: list[Completed]
) -> None:
    probe.create()
    assert namespace.did == [CREATE]
    assert namespace.labels == OWNED
    probe.label()
    assert namespace.did == [done.command_line for done in kept] == [CREATE, LABEL]


@pytest.mark.parametrize(("told", "before"), [(True, False), (True, True), (False, False)])
def test_what_an_interrupted_command_has_created_has_its_owner(
    probe: InjectionProbe,
    namespace: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    told: bool,
    before: bool,
) -> None:
    monkeypatch.setattr(interruption, "number", signal.SIGINT if told else None)
    namespace.there = {"metadata": {"name": NAMESPACE}} if before else {}
    namespace.cut_off = True
    with pytest.raises(KeyboardInterrupt):
        probe.create()
    # One that was there before is somebody else's, and stays so.
    assert namespace.labels == (OWNED if told and not before else {})


def test_pods_before_and_after_the_label(probe: InjectionProbe, namespace: Namespace) -> None:
    probe.create()
    before = probe.make_pod("before-label")
    probe.label()
    after = probe.make_pod("after-label")
    assert (before.name, before.proxied, before.containers) == ("before-label", False, 1)
    assert (after.name, after.proxied, after.containers) == ("after-label", True, 2)
    assert list(namespace.pods) == ["before-label", "after-label"]


@pytest.mark.usefixtures("no_time_passes")
def test_a_pod_that_does_not_run_is_said(probe: InjectionProbe, namespace: Namespace) -> None:
    namespace.ready = False
    with pytest.raises(NotConverged, match="pod slow runs: not so") as ended:
        probe.make_pod("slow")
    assert ended.value.last == "slow 0/1 Running 0"


def test_a_command_that_fails_says_so(probe: InjectionProbe) -> None:
    probe.label()
    with pytest.raises(CommandFailed, match="already labelled"):
        probe.label()


@pytest.mark.parametrize("wait", [True, False])
def test_the_namespace_is_removed_as_the_tutorials_is(
    probe: InjectionProbe, monkeypatch: pytest.MonkeyPatch, wait: bool
) -> None:
    removed: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        module,
        "delete_namespace",
        lambda _, namespace, progress, wait: removed.append((namespace, wait)),
    )
    probe.remove(wait=wait)
    assert removed == [(NAMESPACE, wait)]
