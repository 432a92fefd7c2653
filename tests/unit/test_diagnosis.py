from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.probes import diagnosis
from meshproof.probes.diagnosis import capture, without_secrets
from meshproof.signoff.evidence import Evidence

#: What stands in for kubectl and istioctl: prints its own arguments, knows two pods.
ECHO = """
case "$*" in
  *"get pods -o name"*) printf 'pod/voting-app-1\\npod/voting-storage-1\\n' ;;
  *) echo "asked: $*" ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster without programs of its own: those on the PATH are taken."""
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path / "tools")


#: What a proxy says, its keys among it.
DUMP = {
    "configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "version": "7"},
        {"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "key": "hidden"},
    ]
}


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies that answer, but for the storage's."""

    def ask(_: Cluster, __: str, pod: str, ___: list[str]) -> list[dict[str, Any]]:
        if pod == "voting-storage-1":
            raise OSError("connection reset")
        return [DUMP]

    monkeypatch.setattr(diagnosis, "ask_proxy", ask)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "evidence")


@pytest.fixture
def programs(script: Callable[[str, str], Path]) -> None:
    """kubectl and istioctl that print their own arguments."""
    script("kubectl", ECHO)
    script("istioctl", ECHO)


def caught(evidence: Evidence) -> dict[str, str]:
    """What was kept, by the command that it is the output of."""
    texts = [file.read_text() for file in evidence.files]
    return {text.partition("\n")[0].removeprefix("$ "): text for text in texts}


def test_all_that_a_failure_needs_is_caught(
    cluster: Cluster, evidence: Evidence, programs: None
) -> None:
    capture(cluster, "voting", evidence)
    commands = "\n".join(caught(evidence))
    for part in (
        "-n voting get events",
        "-n voting describe pods",
        "istioctl proxy-status",
        "-n istio-system logs deploy/istiod",
        "-n istio-system logs deploy/istio-ingressgateway",
        *(f"-n voting logs {pod} --all-containers" for pod in ("voting-app-1", "voting-storage-1")),
    ):
        assert part in commands
    for kind in ("gateways", "virtualservices", "destinationrules", "peerauthentications"):
        assert kind in commands
    assert "secret" not in commands
    for command, text in caught(evidence).items():
        if command.startswith(("kubectl", "istioctl")):
            assert f"asked: {command.partition(' ')[2]}\n" in text


def test_what_each_proxy_has_loaded_is_caught_without_its_keys(
    cluster: Cluster, evidence: Evidence, programs: None
) -> None:
    capture(cluster, "voting", evidence)
    app, storage = (file.read_text() for file in evidence.files if "configuration" in file.name)
    assert "ClustersConfigDump" in app and "hidden" not in app
    assert storage == "OSError: connection reset\n"


def test_only_secrets_are_left_out() -> None:
    assert without_secrets(DUMP) == {"configs": DUMP["configs"][:1]}


def test_files_are_in_the_order_of_the_commands_and_named_after_them(
    cluster: Cluster, evidence: Evidence, programs: None
) -> None:
    capture(cluster, "voting", evidence)
    names = [file.name for file in evidence.files]
    assert names == sorted(names)
    assert len(set(names)) == len(names) == len(caught(evidence))
    assert all("-failure-" in name for name in names)


def test_a_command_that_fails_is_kept_with_what_it_said(
    cluster: Cluster, evidence: Evidence, script: Callable[[str, str], Path]
) -> None:
    script("kubectl", "echo 'the server is currently unable' >&2; exit 1")
    script("istioctl", ECHO)
    capture(cluster, "voting", evidence)
    failed = [text for text in caught(evidence).values() if "currently unable" in text]
    assert failed
    assert all("[exit code 1, " in text for text in failed)
    assert "istioctl proxy-status" in caught(evidence)


def test_without_any_program_nothing_is_raised(
    cluster: Cluster, evidence: Evidence, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    capture(cluster, "voting", evidence)
    assert evidence.files
    assert all("is not there" in file.read_text() for file in evidence.files)
