from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from meshproof.cluster import namespaces
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import equip, log_calls
from meshproof.cluster.objects import is_probe, owned
from meshproof.cluster.observability import ACCESS_LOG, ANNOTATION, KEPT, with_statistics
from meshproof.documents import read_all
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.access_log import FIELDS
from meshproof.mesh.istio import OPERATOR, PUBLISHED_OPERATOR
from meshproof.mesh.proxy_stats import NEEDED
from meshproof.run.lanes import lane_number, manifests_of
from meshproof.suite.deviations import deviations_of, observed
from meshproof.suite.registry import suites

CLUSTER = cast("Cluster", SimpleNamespace(images=None))


# What is counted.


def asked(pod: dict[str, Any]) -> dict[str, Any]:
    """How a pod has its proxy configured."""
    found: dict[str, Any] = json.loads(pod["metadata"]["annotations"][ANNOTATION])
    return found


def test_a_pod_asks_for_what_is_counted() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    assert asked(with_statistics(pod)) == {"proxyStatsMatcher": {"inclusionRegexps": [*KEPT]}}
    assert pod == {"kind": "Pod", "metadata": {"name": "a"}, "spec": {}}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_so_does_a_template_and_what_it_asked_for_before_is_kept(kind: str) -> None:
    own = """
      proxyMetadata: {SECRET_TTL: 20s}
      proxyStatsMatcher: {inclusionPrefixes: [cluster.outbound], inclusionRegexps: [http.*]}
    """
    template = {"metadata": {"annotations": {ANNOTATION: own, "a": "b"}}, "spec": {}}
    made = with_statistics(
        {"kind": kind, "metadata": {"name": "a"}, "spec": {"template": template}}
    )
    assert "annotations" not in made["metadata"]
    assert asked(made["spec"]["template"]) == {
        "proxyMetadata": {"SECRET_TTL": "20s"},
        "proxyStatsMatcher": {
            "inclusionPrefixes": ["cluster.outbound"],
            "inclusionRegexps": ["http.*", *KEPT],
        },
    }
    assert made["spec"]["template"]["metadata"]["annotations"]["a"] == "b"
    assert with_statistics(made) == made  # once is enough


def test_an_annotation_that_is_empty_is_none() -> None:
    pod = {"kind": "Pod", "metadata": {"annotations": {ANNOTATION: ""}}, "spec": {}}
    assert asked(with_statistics(pod)) == {"proxyStatsMatcher": {"inclusionRegexps": [*KEPT]}}


def test_a_sign_off_says_of_every_suite_what_is_seen_by_and_what_rests_on_it() -> None:
    told = next(one for one in deviations_of(built=False) if "EnvoyFilter" in one.text)
    assert told == observed()
    assert {"U6", "T2", "T3", "C6", "F3", "B3"} == {*told.expectations}


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Service", "spec": {"ports": []}},
        {"kind": "Secret", "stringData": {}},
        {"kind": "ServiceAccount", "spec": None},
        {"kind": "Other", "spec": {"template": "text"}},
    ],
    ids=lambda document: str(document["kind"]),
)
def test_what_has_no_pods_stays_as_it_is(document: dict[str, Any]) -> None:
    assert with_statistics(document) is document


@pytest.mark.parametrize("suite", suites(), ids=lambda suite: suite.name)
@pytest.mark.parametrize("lane", [0, 1])
def test_every_workload_of_a_suite_asks_for_it(suite: Any, lane: int, tmp_path: Path) -> None:
    copy = manifests_of(lane_number(lane, suite.name), suite.manifests, tmp_path / "copy")
    templates = [
        document["spec"]["template"]
        for file in copy.rglob("*.yaml")
        for document in read_all(file.read_text())
        if document["kind"] == "Deployment"
    ]
    assert templates
    assert all(asked(template) for template in templates)


def test_the_mesh_itself_keeps_to_what_istio_does_by_default() -> None:
    for operator in (OPERATOR, PUBLISHED_OPERATOR):
        spec = yaml.safe_load(operator.read_text())["spec"]
        assert spec.get("meshConfig", {}).keys() <= {"defaultProviders"}, operator


# What is logged.


def log_formats(part: Any) -> list[dict[str, str]]:
    if isinstance(part, dict):
        found = [part["json_format"]] if "json_format" in part else []
        return found + [one for inner in part.values() for one in log_formats(inner)]
    return [one for inner in part for one in log_formats(inner)] if isinstance(part, list) else []


def test_http_tcp_and_what_no_chain_is_for_are_logged_alike_with_all_that_is_read() -> None:
    (document,) = read_all(ACCESS_LOG.read_text())
    patches = document["spec"]["configPatches"]
    assert {one["patch"]["operation"] for one in patches} == {"MERGE"}
    assert "workloadSelector" not in document["spec"]
    first, *others = log_formats(document)
    assert len(others) == 2 and all(one == first for one in others)
    assert first.keys() >= FIELDS
    assert first["logged_for"] == "meshproof"


def test_a_mesh_that_takes_no_filter_is_told_to_log_the_same() -> None:
    told = yaml.safe_load(ACCESS_LOG.with_name("seen-by.yaml").read_text())
    (document,) = read_all(ACCESS_LOG.read_text())
    assert yaml.safe_load(told["accessLogFormat"]) == log_formats(document)[0]
    assert told.keys() == {"accessLogFile", "accessLogEncoding", "accessLogFormat"}


@pytest.mark.parametrize("tried", [False, True])
def test_a_namespace_gets_the_filter_which_is_part_of_no_stage(
    monkeypatch: pytest.MonkeyPatch, tried: bool
) -> None:
    applied: list[tuple[str, dict[str, Any], bool]] = []
    monkeypatch.setattr(
        namespaces, "apply", lambda _, path, what, *, tried: applied.append((path, what, tried))
    )
    assert log_calls(CLUSTER, "voting", tried=tried) == ""
    ((path, manifest, dry),) = applied
    assert path.endswith("/namespaces/voting/envoyfilters/meshproof-access-log")
    assert owned(manifest) and is_probe(manifest)
    assert dry is tried


def failing(status: int, message: str) -> Any:
    def fail(*_: object, **__: object) -> None:
        error = ApiException(status=status, reason="no")
        error.body = f'{{"message": "{message}"}}'
        raise error

    return fail


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_mesh_that_refuses_it_says_why_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(namespaces, "apply", failing(status, "the add-on has no EnvoyFilter"))
    assert log_calls(CLUSTER, "voting") == "the add-on has no EnvoyFilter"
    assert equip(CLUSTER, "voting") == "the add-on has no EnvoyFilter"


@pytest.mark.parametrize("status", [0, 401, 409, 429, 500])
def test_a_cluster_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(namespaces, "apply", failing(status, "failed calling webhook"))
    with pytest.raises(EnvironmentBroken, match="namespace voting: failed calling webhook"):
        log_calls(CLUSTER, "voting")


def test_every_count_that_is_read_is_kept() -> None:
    """Istio keeps denials by itself; of the others each has a name that is asked for."""
    names = {
        "cluster.inbound|8080||;.upstream_rq_total",
        "cluster.inbound|6379||;.upstream_cx_tx_bytes_total",
        "listener.0.0.0.0_15006.no_filter_chain_match",
        "listener.0.0.0.0_15006.ssl.fail_verify_error",
        "http.inbound_0.0.0.0_8080;.rbac.denied",
    }
    read = {pattern: [name for name in names if pattern.fullmatch(name)] for pattern in NEEDED}
    assert all(len(found) == 1 for found in read.values()), read
    left = {name for name in names if not any(re.fullmatch(one, name) for one in KEPT)}
    assert left == {"http.inbound_0.0.0.0_8080;.rbac.denied"}
