"""Certificates as proxies hold them, and calls across their renewal, over stand-ins."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import owned
from meshproof.errors import PromiseBroken
from meshproof.paths import PROJECT
from meshproof.probes import certificates as module
from meshproof.probes.certificates import (
    OpenConnection,
    await_renewal,
    certificates_held,
    new_connection,
    pods_and_gateway,
    pods_of,
)
from meshproof.tls.certificates import Held
from meshproof.waiting import NotConverged
from tests.authority import Authority
from tests.unit.test_certificates import POD, dump

MESH = Authority.root()
ANY: Any = None


def pod(name: str, *, proxied: bool = True, phase: str = "Running") -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(POD)
    made["metadata"]["name"] = name
    made["spec"]["initContainers"][1]["restartPolicy"] = "Always"
    names = ["voting-app", "istio-proxy"]
    if not proxied:
        del made["spec"]["initContainers"], names[1]
    made["status"] = {
        "phase": phase,
        "containerStatuses": [{"name": n, "ready": True, "restartCount": 0} for n in names],
    }
    return made


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """What the API server lists, by the path that it is asked for."""
    found: dict[str, list[dict[str, Any]]] = {}
    monkeypatch.setattr(module, "get", lambda _, path: {"items": found[path]})
    return found


VOTING = "/api/v1/namespaces/voting/pods"
GATEWAY = "/api/v1/namespaces/istio-system/pods?labelSelector=istio%3Dingressgateway"


def test_all_pods_that_run_are_asked_and_the_gateways(
    cluster: Cluster,
    listed: dict[str, list[dict[str, Any]]],
) -> None:
    listed[VOTING] = [pod("app-1"), pod("app-2"), pod("starting", phase="Pending")]
    listed[GATEWAY] = [pod("gateway")]
    names = [found["metadata"]["name"] for found in pods_and_gateway(cluster, "voting")]
    assert names == ["app-1", "app-2", "gateway"]


def test_a_pod_without_a_proxy_is_not_passed_over(
    listed: dict[str, list[dict[str, Any]]],
) -> None:
    listed[VOTING] = [pod("app-1"), pod("bare", proxied=False)]
    with pytest.raises(PromiseBroken, match=r"2 pods run, without a proxy: bare"):
        pods_of(ANY, "voting")
    listed[VOTING] = []
    with pytest.raises(PromiseBroken, match="0 pods run"):
        pods_of(ANY, "voting")


def test_each_proxy_is_asked_for_its_own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, list[str]]] = []

    def ask(_: object, namespace: str, name: str, queries: list[str]) -> list[Any]:
        asked.append((namespace, name, queries))
        return [dump(MESH.issue(f"spiffe://here/{name}"))]

    monkeypatch.setattr(module, "ask_proxy", ask)
    monkeypatch.setattr(module, "mesh_config", lambda _: {"trustDomain": "here"})
    held = certificates_held(ANY, [pod("app-1"), pod("app-2")])
    assert [each.names for each in held] == [["spiffe://here/app-1"], ["spiffe://here/app-2"]]
    assert held[0].identity == "spiffe://here/ns/voting/sa/voting-app-1-0"
    query = "/config_dump?resource=dynamic_active_secrets"
    assert sorted(asked) == [("voting", "app-1", [query]), ("voting", "app-2", [query])]


def held_by(name: str) -> Held:
    return Held(name, "", (MESH.issue("spiffe://here"),), (), datetime.now(UTC), {})


def looks(monkeypatch: pytest.MonkeyPatch, *seen: list[Held]) -> None:
    """Let proxies hold these in turn, the last ones for good."""
    remaining = list(seen)
    monkeypatch.setattr(
        module,
        "certificates_held",
        lambda *_: remaining.pop(0) if len(remaining) > 1 else remaining[0],
    )


@pytest.mark.usefixtures("no_time_passes")
def test_the_first_certificate_that_followed_is_what_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = held_by("a"), held_by("a"), held_by("a")
    old, new = held_by("b"), held_by("b")
    looks(monkeypatch, [first, old], [second, old], [third, new])
    assert await_renewal(ANY, [], [first, old]) == [second, new]


@pytest.mark.usefixtures("no_time_passes")
def test_a_proxy_that_does_not_renew_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, old = held_by("a"), held_by("a"), held_by("b")
    looks(monkeypatch, [second, old])
    with pytest.raises(NotConverged, match="have renewed their certificates: not so") as ended:
        await_renewal(ANY, [], [first, old])
    assert ended.value.last == f"b still holds {old.serial}"


def kubectl(tools: Path, body: str) -> Cluster:
    program = tools / "kubectl"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return Cluster("here", tools / "kubeconfig", tools)


def test_an_open_connection_is_asked_until_it_is_closed(tmp_path: Path) -> None:
    cluster = kubectl(tmp_path, f'echo "$@" > {tmp_path}/argv; echo 7; exec sleep 60')
    begun = datetime.now(UTC)
    with OpenConnection(cluster, "ns", "caller-1", "redis", "server") as connection:
        connection.await_answer(begun)
        process = connection._process
    assert process.poll() is not None
    assert [answer.text for answer in connection.answers] == ["7"]
    assert connection.answers[0].at > begun
    assert (tmp_path / "argv").read_text() == (
        "exec -n ns caller-1 -c redis -- redis-cli -h server -r -1 -i 0.5 CLIENT ID\n"
    )


@pytest.mark.usefixtures("no_time_passes")
def test_a_connection_that_gives_no_answer_is_said(tmp_path: Path) -> None:
    cluster = kubectl(tmp_path, "echo refused >&2")
    with OpenConnection(cluster, "ns", "caller-1", "redis", "server") as connection:
        connection._reader.join()
        with pytest.raises(NotConverged, match="an answer on the open connection"):
            connection.await_answer(datetime.now(UTC) + timedelta(minutes=1))
    assert [answer.text for answer in connection.answers] == ["refused"]


def test_a_new_connection_is_asked_once(tmp_path: Path) -> None:
    cluster = kubectl(tmp_path, 'echo "$@"')
    assert new_connection(cluster, "ns", "caller-1", "redis", "server") == (
        "exec -n ns caller-1 -c redis -- redis-cli -h server CLIENT ID"
    )


def test_only_the_lifetime_is_not_istios_own_where_renewal_is_watched() -> None:
    text = (PROJECT / "manifests" / "voting" / "kubernetes" / "renewal.yaml").read_text()
    documents = list(yaml.safe_load_all(text))
    assert all(owned(document) for document in documents)
    deployments = [document for document in documents if document["kind"] == "Deployment"]
    told = [
        yaml.safe_load(annotation)
        for deployment in deployments
        for annotation in deployment["spec"]["template"]["metadata"]["annotations"].values()
    ]
    assert told == [{"proxyMetadata": {"SECRET_TTL": "20s"}}] * 2
