from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, TUTORIAL, Cluster, Owner
from meshproof.cluster.objects import (
    KINDS,
    PROBE,
    delete,
    get,
    live_objects,
    namespace_object,
    namespaces_of,
    owned,
    path_of,
    whole,
)

NAMESPACE = "/api/v1/namespaces/voting"


class ApiServer(ThreadingHTTPServer):
    """Answers GET with what is at a path, an empty list for any other path of a namespace."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Any] = {}
        self.broken: dict[str, int] = {}
        self.asked: list[tuple[str, str, str | None, Any]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one packet, or the client waits 40 ms for the second
    server: ApiServer

    def answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = json.loads(sent) if sent else None
        kind = self.headers.get("Content-Type") if sent else None
        self.server.asked.append((self.command, self.path, kind, content))
        listing: Any = {"items": []} if "/namespaces/voting/" in self.path else None
        body = self.server.answers.get(self.path, listing)
        status = self.server.broken.get(self.path, 200 if body else 404)
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cluster(server: ApiServer, tmp_path: Path) -> Cluster:
    """A cluster by a kubeconfig that leads to the server."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    return Cluster("fake", path, tmp_path)


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": OWNED}, **more}


def test_what_is_at_a_path(server: ApiServer, cluster: Cluster) -> None:
    server.answers[NAMESPACE] = named("voting")
    assert get(cluster, NAMESPACE) == named("voting")
    assert namespace_object(cluster, "voting") == named("voting")


def test_no_namespace_is_none_and_any_other_error_an_error(
    server: ApiServer, cluster: Cluster
) -> None:
    assert namespace_object(cluster, "voting") is None
    server.broken[NAMESPACE] = 403
    with pytest.raises(ApiException) as refused:
        namespace_object(cluster, "voting")
    assert refused.value.status == 403


def test_an_error_says_what_the_server_said(server: ApiServer, cluster: Cluster) -> None:
    server.answers[NAMESPACE] = {"message": "etcdserver: request timed out"}
    server.broken[NAMESPACE] = 500
    with pytest.raises(ApiException, match="etcdserver: request timed out"):
        get(cluster, NAMESPACE)


def test_a_pod_can_be_deleted_without_the_time_that_it_asks_for(
    server: ApiServer, cluster: Cluster
) -> None:
    delete(cluster, f"{NAMESPACE}/pods/a", grace=0)
    assert server.asked == [("DELETE", f"{NAMESPACE}/pods/a?gracePeriodSeconds=0", None, None)]


def test_a_deletion_that_is_refused_is_an_error(server: ApiServer, cluster: Cluster) -> None:
    server.broken[NAMESPACE] = 403
    with pytest.raises(ApiException) as refused:
        delete(cluster, NAMESPACE)
    assert refused.value.status == 403


def test_where_an_object_is_and_what_version_it_is_of() -> None:
    assert path_of(("Service", "a"), "voting") == f"{NAMESPACE}/services/a"
    core, apps = whole(("Service", "a"), named("a")), whole(("Deployment", "b"), named("b"))
    assert core == {"apiVersion": "v1", "kind": "Service", **named("a")}
    assert (apps["apiVersion"], apps["kind"]) == ("apps/v1", "Deployment")
    assert whole(("Gateway", "c"), {})["apiVersion"] == "networking.istio.io/v1"


@pytest.mark.parametrize(
    ("metadata", "ours"),
    [
        ({"labels": {**OWNED, "more": "x"}}, True),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, False),
        ({"labels": {}}, False),
        ({"labels": None}, False),
        ({}, False),
    ],
)
def test_owned(metadata: dict[str, Any], ours: bool) -> None:
    assert owned({"metadata": metadata}) is ours


def test_where_there_is_no_namespace_there_are_no_objects(
    server: ApiServer, cluster: Cluster
) -> None:
    assert live_objects(cluster, "voting") == {}
    assert len(server.asked) == 1


def test_objects_of_every_kind_are_there_and_the_clusters_own_are_not(
    server: ApiServer, cluster: Cluster
) -> None:
    server.answers[NAMESPACE] = named("voting")
    for kind, path in KINDS.items():
        at = path.format(namespace="voting")
        server.answers[at] = {"items": [named(f"{kind}-1"), named("default")]}
    found = live_objects(cluster, "voting")
    assert found.pop(("Namespace", "voting")) == named("voting")
    both = [(kind, name) for kind in KINDS for name in (f"{kind}-1", "default")]
    assert found.keys() == {*both} - {("ServiceAccount", "default")}
    assert found["Service", "Service-1"] == named("Service-1")


def test_what_a_scenario_adds_for_a_look_is_no_part_of_a_stage(
    server: ApiServer, cluster: Cluster
) -> None:
    server.answers[NAMESPACE] = named("voting")
    probe = {"metadata": {"name": "probe", "labels": {**OWNED, **PROBE}}}
    bare: dict[str, Any] = {"metadata": {"name": "bare"}}
    server.answers[KINDS["Service"].format(namespace="voting")] = {"items": [probe, bare]}
    found = live_objects(cluster, "voting")
    assert found == {("Namespace", "voting"): named("voting"), ("Service", "bare"): bare}


def test_an_empty_namespace_is_an_object_itself(server: ApiServer, cluster: Cluster) -> None:
    server.answers[NAMESPACE] = named("voting")
    assert live_objects(cluster, "voting") == {("Namespace", "voting"): named("voting")}


def test_a_kind_that_cannot_be_listed_is_an_error(server: ApiServer, cluster: Cluster) -> None:
    server.answers[NAMESPACE] = named("voting")
    server.broken[KINDS["Gateway"].format(namespace="voting")] = 404  # Istio is not installed
    with pytest.raises(ApiException):
        live_objects(cluster, "voting")


# Whose a namespace is.


def a_namespace(name: str, tutorial: str | None = None, *, label: bool = True) -> dict[str, Any]:
    annotations = {"annotations": {TUTORIAL: tutorial}} if tutorial else {}
    return {"metadata": {"name": name, "labels": OWNED if label else {}, **annotations}}


def test_a_namespace_of_another_run_is_not_taken_for_one_beside(
    cluster: Cluster, server: ApiServer
) -> None:
    server.answers["/api/v1/namespaces"] = {
        "items": [
            a_namespace("voting"),
            a_namespace("voting-2", "voting"),
            a_namespace("voting-b", "voting-b"),
            a_namespace("voting-b-store", "voting-b"),
            a_namespace("voting-c"),
            a_namespace("voting-d", "voting", label=False),
        ]
    }
    assert namespaces_of(cluster, "voting") == ["voting", "voting-2"]
    assert namespaces_of(cluster, "voting-b") == ["voting-b", "voting-b-store"]


def test_what_a_run_makes_carries_its_id(tmp_path: Path) -> None:
    mine = Cluster("fake", tmp_path, tmp_path, Owner("a-run", "voting"))
    assert mine.ownership == {
        "labels": OWNED,
        "annotations": {"meshproof-run": "a-run", "meshproof-tutorial": "voting"},
    }
    assert Cluster("fake", tmp_path, tmp_path).ownership == {"labels": OWNED, "annotations": {}}
