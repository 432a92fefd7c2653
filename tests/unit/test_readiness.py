"""Whether a cluster that exists is ready: what is tried, and what is said of what was found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import KINDS, refusal
from meshproof.cluster.shape import DEFAULT
from meshproof.engine.machine import Machine
from meshproof.environment import readiness as looking
from meshproof.environment.finding import Finding
from meshproof.environment.options import read_options
from meshproof.environment.readiness import (
    DEFAULT_CLASS,
    _looked,
    admission_findings,
    answers,
    claims_of,
    nodes_findings,
    quota_finding,
    rights_findings,
    security_finding,
    storage_finding,
    strict_services,
    tried_findings,
)
from meshproof.errors import EnvironmentBroken
from meshproof.probes import admission
from meshproof.probes.admission import (
    ENFORCED,
    PODS,
    PROBES,
    TRIED_IN,
    Tried,
    changes,
    documents,
    pod_of,
    require_admitted,
)
from meshproof.probes.rights import Missing
from meshproof.suite.registry import suites
from meshproof.suite.rights import RIGHTS

DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "app"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "app"}, "annotations": {"a": "b"}},
            "spec": {
                "serviceAccountName": "app",
                "containers": [{"name": "app", "image": "app:1", "resources": {}}],
            },
        }
    },
}


# What is tried.


def test_every_manifest_is_tried_but_what_breaks_something(cluster: Cluster) -> None:
    for suite in suites():
        found = documents([suite.manifests])
        assert {one["kind"] for one in found} <= {*KINDS, "Pod"}
        assert "breaks" not in {key for one in found for key in one}
        tried = admission.to_try(found, cluster)
        deployments = [one for one in found if one["kind"] == "Deployment"]
        assert deployments
        assert len(tried) == len(found) + len(deployments)
    assert {one["kind"] for one in documents([PROBES])} >= {"Pod", "Service"}


def test_what_two_files_state_is_tried_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("kind: Service\nmetadata: {name: app}\n")
    (tmp_path / "c.yaml").write_text("kind: Service\nmetadata: {name: app, labels: {a: b}}\n")
    assert len(documents([tmp_path])) == 2


def test_a_pod_is_tried_as_its_deployment_makes_it() -> None:
    pod = pod_of(DEPLOYMENT, DEFAULT)
    assert pod["metadata"]["labels"] == {"sidecar.istio.io/inject": "true", "app": "app"}
    assert pod["metadata"]["annotations"] == {"a": "b"}
    assert "serviceAccountName" not in pod["spec"]
    revisioned = pod_of(DEPLOYMENT, replace(DEFAULT, revision="1-31"))
    assert revisioned["metadata"]["labels"]["istio.io/rev"] == "1-31"


# What came of it.


def test_a_sidecar_is_no_change_and_raised_requests_are() -> None:
    pod = pod_of(DEPLOYMENT, DEFAULT)
    (app,) = pod["spec"]["containers"]
    made = {"spec": {"containers": [{**app, "volumeMounts": []}, {"name": "istio-proxy"}]}}
    assert changes(pod, made) == []
    raised = {**app, "image": "elsewhere/app:1"}
    assert changes(pod, {"spec": {"containers": [raised]}}) == [
        "container app.image: 'elsewhere/app:1' instead of 'app:1'"
    ]


def test_of_other_objects_everything_stated_is_compared() -> None:
    service = {"kind": "Service", "metadata": {"name": "app"}, "spec": {"type": "ClusterIP"}}
    assert changes(service, {**service, "status": {}}) == []
    made = {**service, "spec": {"type": "NodePort"}}
    assert changes(service, made) == ["spec.type: 'NodePort' instead of 'ClusterIP'"]


def test_why_something_is_denied_is_the_api_servers_word() -> None:
    error = ApiException(status=403, reason="Forbidden")
    assert refusal(error) == "Forbidden"
    error.body = json.dumps({"message": "denied by policy"})
    assert refusal(error) == "denied by policy"


@pytest.mark.parametrize(
    ("status", "tried"),
    [(409, Tried("Service app")), (403, Tried("Service app", "Forbidden", status=403))],
)
def test_what_is_there_already_is_not_denied(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, status: int, tried: Tried
) -> None:
    def refuse(*_: object) -> None:
        raise ApiException(status=status, reason="Forbidden")

    monkeypatch.setattr(admission, "dry_run", refuse)
    service = {"kind": "Service", "metadata": {"name": "app"}}
    assert admission._try(cluster, PODS, service, "default") == tried


@pytest.mark.parametrize(
    ("status", "labels", "why", "ends"),
    [
        (403, {}, "exceeded quota", True),
        (500, {}, "failed calling webhook", True),
        (403, {}, "violates PodSecurity", True),
        (403, {ENFORCED: "restricted"}, "violates PodSecurity", False),
        (403, {ENFORCED: "restricted"}, "exceeded quota", True),
        (400, {}, "unknown field", False),
    ],
)
def test_what_the_cluster_denies_ends_a_run_before_anything_is_changed(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    status: int,
    labels: dict[str, str],
    why: str,
    ends: bool,
) -> None:
    def there(_: Cluster, name: str) -> object:
        return {"metadata": {"labels": labels}} if name == TRIED_IN else None

    monkeypatch.setattr(admission, "namespace_object", there)
    monkeypatch.setattr(admission, "try_namespace", lambda *_: (Tried("Namespace a"), {}))
    tried = [Tried("Pod a", why, status=status), Tried("Pod b", changed=("c",))]
    monkeypatch.setattr(admission, "try_all", lambda *_: tried)
    if ends:
        with pytest.raises(EnvironmentBroken, match=f"1 of 3 objects .* Pod a: {why}"):
            require_admitted(cluster, [], "voting")
    else:
        assert require_admitted(cluster, [], "voting") == ["admission changes Pod b: c"]


def test_what_is_said_beforehand_is_what_a_run_would_meet(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    """`meshproof doctor` and the run itself try the same, with those labels, in that place."""
    there = {"metadata": {"labels": {ENFORCED: "baseline"}}}
    asked: list[tuple[tuple[Path, ...], str]] = []

    def tried(_: Cluster, folders: Iterable[Path], place: str) -> list[Tried]:
        asked.append((tuple(folders), place))
        return [Tried("Pod a", "exceeded quota", status=403)]

    monkeypatch.setattr(admission, "namespace_object", lambda _, name: {TRIED_IN: there}.get(name))
    monkeypatch.setattr(admission, "try_namespace", lambda *_: (Tried("Namespace a"), {}))
    monkeypatch.setattr(admission, "try_all", tried)
    monkeypatch.setattr(looking, "get", lambda *_: {"items": []})
    monkeypatch.setattr(looking, "log_calls", lambda *_, tried: "no filters here" if tried else "")
    options = read_options({"namespace": "never-made"})
    found = admission_findings(cluster, options)
    with pytest.raises(EnvironmentBroken, match="Pod a: exceeded quota"):
        require_admitted(cluster, [suites()[0].manifests], "never-made")
    assert asked == [((suites()[0].manifests, PROBES), TRIED_IN)] * 2
    assert "which enforces baseline" in found[0].text
    assert [one.text for one in found if one.fatal] == ["Pod a: exceeded quota"]
    assert "EnvoyFilter is refused: no filters here; what reads calls is skipped" in found[-1].text
    assert (found[-1].subject, found[-1].doubtful) == ("access log", True)


# What is said.


def signs(found: list[Finding]) -> list[str]:
    return [one.sign for one in found]


def test_rights_that_a_run_needs_are_fatal_and_others_doubtful() -> None:
    needed = next(one for one in RIGHTS if one.needed)
    other = next(one for one in RIGHTS if not one.needed)
    assert signs(rights_findings([Missing(needed, "a"), Missing(other, "b")])) == ["✗", "‼"]
    assert signs(rights_findings([])) == ["✓"]


def test_a_cluster_without_a_default_storage_class_is_told() -> None:
    standard = {"metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}}}
    assert storage_finding([standard], ["data"]).text == "default StorageClass standard"
    found = storage_finding([{"metadata": {"name": "standard"}}], ["data"])
    assert found.fatal and "PersistentVolumeClaim data would stay pending" in found.text


def test_a_suite_without_claims_needs_no_storage_class() -> None:
    assert not storage_finding([], []).fatal
    named = {suite.name: claims_of(read_options({"suite": suite.name})) for suite in suites()}
    assert named == {"voting": ["mysql-pv-claim"], "bookinfo": []}


HOOK = {"name": "a.example.org", "clientConfig": {"service": {"namespace": "ns", "name": "a"}}}


@pytest.mark.parametrize(
    ("hook", "found"),
    [
        (HOOK, [("a.example.org", "ns", "a")]),
        ({**HOOK, "failurePolicy": "Ignore"}, []),
        ({**HOOK, "clientConfig": {"url": "https://elsewhere"}}, []),
    ],
)
def test_webhooks_that_must_answer_are_those_of_services(
    hook: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert strict_services([{"webhooks": [hook, hook]}, {"webhooks": None}]) == found


@pytest.mark.parametrize(
    ("endpoints", "ready"),
    [
        ([{"conditions": {"ready": True}}], True),
        ([{}], True),
        ([{"conditions": {"ready": False}}], False),
        (None, False),
    ],
)
def test_a_service_answers_by_an_endpoint_that_is_ready(endpoints: Any, ready: bool) -> None:
    labels = {"kubernetes.io/service-name": "a"}
    assert answers([{"metadata": {"labels": labels}, "endpoints": endpoints}], "a") is ready
    assert not answers([{"metadata": {"labels": labels}, "endpoints": endpoints}], "b")


def test_pod_security_is_that_of_a_new_namespace_and_of_where_it_is_tried() -> None:
    none = security_finding(TRIED_IN, {}, {})
    assert (none.sign, none.text) == (
        "✓",
        "a namespace that a run makes is labelled to enforce nothing",
    )
    labelled = security_finding(TRIED_IN, {ENFORCED: "baseline"}, {ENFORCED: "restricted"})
    assert labelled.sign == "‼"
    assert "enforce restricted; manifests are tried in default, which enforces baseline" in (
        labelled.text
    )


def test_quotas_are_told_with_what_is_used() -> None:
    quota = {"metadata": {"name": "q"}, "status": {"hard": {"pods": "3"}, "used": {"pods": "1"}}}
    assert quota_finding("default", [quota]).text == "in default: q: 1 of 3 pods"
    assert quota_finding("default", []).sign == "✓"


def test_what_is_denied_is_fatal_and_what_is_changed_is_told() -> None:
    tried = [Tried("Pod a"), Tried("Pod b", "quota exceeded"), Tried("Pod c", changed=("x", "y"))]
    found = tried_findings("default", tried)
    assert signs(found) == ["✓", "✗", "‼"]
    assert found[0].text.startswith("1 of 3 objects")
    assert (found[1].text, found[2].text) == ("Pod b: quota exceeded", "Pod c: x; y")


def test_a_look_that_is_not_allowed_is_doubtful_and_one_that_fails_is_fatal() -> None:
    def fails(error: Exception) -> str:
        def look() -> list[Finding]:
            raise error

        (found,) = _looked("storage", look)
        return found.sign

    assert fails(ApiException(status=403)) == "‼"
    assert fails(ApiException(status=500)) == "✗"
    assert fails(EnvironmentBroken("It is not there.")) == "✗"


@pytest.mark.parametrize(
    ("said", "held", "signs"),
    [
        ("No container of docker is the node aks-1.", 128, [("nodes", "‼")]),
        ("", 128, [("nodes", "✓"), ("inotify", "‼")]),
        ("", 0, [("nodes", "✓"), ("inotify", "✓")]),
    ],
)
def test_what_proxies_hold_is_told_of_nodes_that_share_this_machines_kernel(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    held: int,
    signs: list[tuple[str, str]],
) -> None:
    here = replace(machine, inotify_instances=128, inotify_held=held)
    monkeypatch.setattr(looking, "this_machine", lambda: here)
    monkeypatch.setattr(looking, "answering", lambda: None)
    monkeypatch.setattr(looking, "lacking_nodes", lambda *_: said)
    found = nodes_findings(Cluster("aks", Path(), Path()))
    assert [(one.subject, one.sign) for one in found] == signs
