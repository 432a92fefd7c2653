from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes import client

from meshproof.cluster.cluster import API_TIMEOUT, Cluster, DeadlineClient, make_tools
from meshproof.process import CommandFailed


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster whose kubectl says what it was called with."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text('#!/bin/sh\necho "$KUBECONFIG $*"; test "$1" != fail\n')
    (tools / "kubectl").chmod(0o755)
    return Cluster("meshproof", tmp_path / "kubeconfig", tools)


def test_a_command_means_this_cluster_and_its_own_programs(cluster: Cluster) -> None:
    done = cluster.command("kubectl", "get", "pods")
    assert done.stdout == f"{cluster.kubeconfig} get pods\n"
    assert cluster.command("sh", "-c", "command -v kubectl").stdout == f"{cluster.tools}/kubectl\n"


def test_programs_collect_garbage_seldom_unless_told_otherwise(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOGC", raising=False)
    assert cluster.command("sh", "-c", "echo $GOGC").stdout == "400\n"
    monkeypatch.setenv("GOGC", "50")
    assert cluster.command("sh", "-c", "echo $GOGC").stdout == "50\n"


def test_evidence_shows_a_command_as_it_is_published(cluster: Cluster) -> None:
    assert cluster.command("kubectl", "get", "pods").command_line == "kubectl get pods"


def test_a_failing_command_is_an_error_unless_it_may_fail(cluster: Cluster) -> None:
    assert not cluster.command("kubectl", "fail", check=False).ok
    with pytest.raises(CommandFailed):
        cluster.command("kubectl", "fail")


def test_links_of_tools_follow_what_was_built_last(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "kind", tmp_path / "new" / "kind"
    folder = make_tools(tmp_path / "bin", {"kind": old})
    assert make_tools(folder, {"kind": new, "kubectl": old}) == folder
    assert {link.name: link.readlink() for link in folder.iterdir()} == {
        "kind": new,
        "kubectl": old,
    }


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{server}"}}}}]
users: [{{name: me, user: {{token: none}}}}]
"""


@pytest.mark.parametrize(
    ("server", "proxied"),
    [
        ("https://127.0.0.1:6443", False),
        ("https://[::1]:6443", False),
        ("https://localhost:6443", False),
        ("https://192.0.2.7:6443", True),
        ("https://api.example:6443", True),
    ],
)
def test_a_proxy_of_the_environment_is_never_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, server: str, proxied: bool
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    cluster.kubeconfig.write_text(KUBECONFIG.format(server=server))
    assert bool(cluster.api.configuration.proxy) == proxied


def test_every_call_has_a_deadline(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    waited: list[object] = []

    def call_api(_: client.ApiClient, *request: object, **how: object) -> None:
        waited.append(how["_request_timeout"])

    monkeypatch.setattr(client.ApiClient, "call_api", call_api)
    cluster.kubeconfig.write_text(KUBECONFIG.format(server="https://127.0.0.1:6443"))
    assert isinstance(cluster.api, DeadlineClient)
    cluster.api.call_api("GET", "/api")
    cluster.api.call_api("GET", "/api", _request_timeout=5)
    assert waited == [API_TIMEOUT, 5]
