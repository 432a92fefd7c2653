"""What istioctl prints of a pod, and which name stands in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.tls.modes import ServerMode
from meshproof.tls.policies import Applied, Policy, parse_description, read_applied

Json = dict[str, Any]
PRINTED = """\
Pod: storage-1
   Pod Revision: default
--------------------
Service: voting-storage
   Port: redis 6379/Redis targets pod port 6379
6379 RBAC policies: ns[voting]-policy[voting-storage]-rule[0]
--------------------
Effective PeerAuthentication:
   Workload mTLS mode: STRICT
   Port Level mTLS mode:
      3306: DISABLE
      6379: PERMISSIVE
Applied PeerAuthentication:
   default.istio-system, default.voting, of.storage.voting
"""
APPLIED = Applied(
    ServerMode.STRICT,
    {3306: ServerMode.DISABLE, 6379: ServerMode.PERMISSIVE},
    ("default/istio-system", "default/voting", "of.storage/voting"),
)


def policy(name: str, mode: str | None, **ports: str) -> Json:
    name, _, namespace = name.partition("/")
    spec: Json = {"mtls": {"mode": mode}} if mode else {}
    if ports:
        spec["portLevelMtls"] = {port[1:]: {"mode": said} for port, said in ports.items()}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_a_description_has_modes_and_names() -> None:
    assert parse_description(PRINTED) == APPLIED


def test_without_a_policy_there_is_a_mode_and_no_name() -> None:
    printed = "Effective PeerAuthentication:\n   Workload mTLS mode: PERMISSIVE\n"
    assert parse_description(printed) == Applied(ServerMode.PERMISSIVE, {}, ())


@pytest.mark.parametrize("printed", ["", "Effective PeerAuthentication:\n",
                                     PRINTED.replace("mode: STRICT", "mode: UNKNOWN")])  # fmt: skip
def test_what_does_not_say_a_mode_is_no_description(printed: str) -> None:
    with pytest.raises(ValueError, match=r"PeerAuthentication|UNKNOWN"):
        parse_description(printed)


@pytest.mark.parametrize(
    ("port", "policies", "counts"),
    [
        (80, [policy("default/voting", "STRICT")], Policy(ServerMode.STRICT, "default/voting")),
        (80, [policy("default/voting", "STRICT"), policy("default/istio-system", "DISABLE")],
         Policy(ServerMode.STRICT, "default/voting")),
        # Either would do alone.
        (80, [policy("default/voting", "STRICT"), policy("default/istio-system", "STRICT")],
         Policy(ServerMode.STRICT, "default/istio-system,default/voting")),
        (6379, [policy("default/voting", "STRICT"),
                policy("of.storage/voting", "STRICT", p6379="PERMISSIVE")],
         Policy(ServerMode.PERMISSIVE, "of.storage/voting")),
        # A port without a mode is as its workload.
        (3306, [policy("of.storage/voting", "DISABLE", p3306="UNSET")],
         Policy(ServerMode.DISABLE, "of.storage/voting")),
        (80, [policy("default/voting", "UNSET"), policy("default/istio-system", "STRICT")],
         Policy(ServerMode.STRICT, "default/istio-system")),
        # It says so, and does not apply.
        (80, [policy("default/elsewhere", "STRICT")], Policy(ServerMode.STRICT, "-")),
    ],
)  # fmt: skip
def test_those_are_named_that_say_what_they_come_to(
    port: int, policies: list[Json], counts: Policy
) -> None:
    assert APPLIED.at(port, policies) == counts


@pytest.mark.parametrize("nothing", [{}, {"spec": None}, {"spec": {}}, {"spec": {"mtls": None}}])
def test_a_policy_that_says_nothing_is_not_named(nothing: Json) -> None:
    empty = {"metadata": {"name": "default", "namespace": "istio-system"}} | nothing
    strict = policy("default/voting", "STRICT")
    assert APPLIED.at(80, [empty, strict]) == Policy(ServerMode.STRICT, "default/voting")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path)


def istioctl(cluster: Cluster, script: str) -> None:
    program = cluster.tools / "istioctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_istioctl_is_asked_of_the_pod(cluster: Cluster) -> None:
    (cluster.tools / "printed").write_text(PRINTED)
    # It gives up on the proxies, which are not asked, after it has said what it is asked for.
    istioctl(cluster, f'echo "$*" > {cluster.tools}/asked; cat {cluster.tools}/printed; exit 1')
    assert read_applied(cluster, "voting", "storage-1", "canary") == APPLIED
    asked = (cluster.tools / "asked").read_text()
    assert asked.startswith("experimental describe pod storage-1 -n voting -i canary ")


def test_an_istioctl_that_does_not_say_it_is_a_sentence(cluster: Cluster) -> None:
    istioctl(cluster, "echo 'pods \"storage-1\" not found' >&2; exit 1")
    with pytest.raises(EnvironmentBroken) as failed:
        read_applied(cluster, "voting", "storage-1", "istio-system")
    assert failed.value.sentence == (
        "istioctl does not say which PeerAuthentications apply to pod storage-1.voting."
    )
    assert 'pods "storage-1" not found' in failed.value.details


def test_a_policy_says_what_it_says() -> None:
    assert str(Policy(ServerMode.STRICT, "default/voting")) == (
        "by Istio's description PeerAuthentication default/voting says STRICT"
    )
    assert str(Policy(ServerMode.PERMISSIVE)) == (
        "by Istio's description no PeerAuthentication has a mode, which is PERMISSIVE"
    )
