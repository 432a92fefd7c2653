"""What of the tutorial is adapted to a mesh of another shape, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.observability import with_statistics
from meshproof.cluster.shape import DEFAULT, INJECTION, GatewayShape, MeshShape
from meshproof.documents import manifests_in
from meshproof.environment.environment import Environment, deviations_told
from meshproof.run.lanes import lane_number, manifests_of
from meshproof.suite.stages import objects_of_stages
from tests.suites import MANIFESTS, STAGES, SUITE
from tests.suites import objects_of_stages as default_objects

AKS = MeshShape(
    "aks-istio-system",
    "asm-1-22",
    "istiod-asm-1-22",
    gateway=GatewayShape(
        "aks-istio-ingress",
        "aks-istio-ingressgateway-external",
        "aks-istio-ingressgateway-external-asm-1-22",
        (("istio", "aks-istio-ingressgateway-external"),),
        "aks-istio-ingressgateway-external",
    ),
)
ADDRESS = (
    "kubectl -n istio-system get service istio-ingressgateway "
    "-o jsonpath='{.status.loadBalancer.ingress[0].ip}'"
)
COMMANDS = [
    "kubectl label namespace voting istio-injection=enabled",
    "istioctl proxy-status -o json",
    "istioctl analyze -n voting",
    ADDRESS,
]


@pytest.mark.parametrize("line", COMMANDS)
def test_on_a_mesh_of_the_tutorials_shape_commands_are_as_published(line: str) -> None:
    assert DEFAULT.command(line) == line
    assert DEFAULT.deviations() == []


@pytest.mark.parametrize(
    ("line", "adapted"),
    list(
        zip(
            COMMANDS,
            [
                "kubectl label namespace voting istio.io/rev=asm-1-22",
                "istioctl proxy-status -o json --istioNamespace aks-istio-system "
                "--revision asm-1-22",
                "istioctl analyze -n voting --istioNamespace aks-istio-system --revision asm-1-22",
                "kubectl -n aks-istio-ingress get service aks-istio-ingressgateway-external "
                "-o jsonpath='{.status.loadBalancer.ingress[0].ip}'",
            ],
            strict=True,
        )
    ),
)
def test_commands_are_adapted(line: str, adapted: str) -> None:
    assert AKS.command(line) == adapted


def test_no_other_command_of_the_tutorial_is_adapted() -> None:
    lines = [line for stage in STAGES for line in stage.command_lines("voting")]
    changed = [line for line in lines if AKS.command(line) != line]
    assert changed == ["kubectl label namespace voting istio-injection=enabled"]


def test_a_command_that_takes_no_revision_gets_none() -> None:
    assert AKS.istioctl("proxy-config", "all") == (
        "istioctl", "proxy-config", "all", "--istioNamespace", "aks-istio-system",
    )  # fmt: skip


def test_a_namespace_asks_by_the_tag_that_was_named() -> None:
    assert MeshShape(revision="1-31", tag="prod").injection == ("istio.io/rev", "prod")
    assert MeshShape(revision="1-31", tag="default").injection == INJECTION
    assert MeshShape(revision="1-31", tag="prod").istiod_selector == (
        "app=istiod,istio.io/rev=1-31"
    )


def test_what_a_revision_calls_its_own() -> None:
    assert (AKS.config_map, AKS.istiod_host) == (
        "istio-asm-1-22",
        "istiod-asm-1-22.aks-istio-system.svc",
    )
    assert (DEFAULT.config_map, DEFAULT.istiod_host) == ("istio", "istiod.istio-system.svc")
    assert AKS.namespaces == ("aks-istio-system", "aks-istio-ingress")
    assert DEFAULT.namespaces == ("istio-system",)


def test_a_label_and_an_identity_are_adapted_where_they_are_the_meshs() -> None:
    gateway = "spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account"
    assert AKS.identity(gateway) == (
        "spiffe://{domain}/ns/aks-istio-ingress/sa/aks-istio-ingressgateway-external"
    )
    app = "spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0"
    assert AKS.identity(app) == app
    assert AKS.label(*INJECTION) == ("istio.io/rev", "asm-1-22")
    assert AKS.label("team", "enabled") == ("team", "enabled")
    assert DEFAULT.label(*INJECTION) == INJECTION


def test_what_was_adapted_is_told_whole() -> None:
    assert AKS.deviations() == [
        "The namespace is labelled istio.io/rev=asm-1-22 instead of istio-injection=enabled.",
        "Gateways select istio: aks-istio-ingressgateway-external instead of "
        "istio: ingressgateway.",
        "Policies name the ingress gateway's account "
        "aks-istio-ingress/aks-istio-ingressgateway-external instead of "
        "istio-system/istio-ingressgateway-service-account.",
        "The address is that of Service aks-istio-ingress/aks-istio-ingressgateway-external "
        "instead of istio-system/istio-ingressgateway.",
        "istioctl is called with --istioNamespace aks-istio-system --revision asm-1-22.",
    ]


def test_a_sign_off_says_what_was_adapted() -> None:
    cluster = Cluster("c", Path("kubeconfig"), Path("bin"))
    plain = Environment(cluster, "", made=False, engine=None, images={}, built=False)
    adapted = replace(plain, cluster=replace(cluster, mesh=AKS))
    assert deviations_told(adapted) == [*deviations_told(plain), *AKS.deviations()]


def test_manifests_are_adapted_where_they_name_the_gateway_and_nowhere_else(
    tmp_path: Path,
) -> None:
    made = manifests_of(lane_number(0, "voting"), MANIFESTS, tmp_path / "copy", mesh=AKS)
    text = "".join(file.read_text() for file in sorted(made.rglob("*.yaml")))
    assert "istio-ingressgateway-service-account" not in text
    assert "istio: ingressgateway" not in text
    changed = set()
    for file in MANIFESTS.rglob("*.yaml"):
        name = file.relative_to(MANIFESTS)
        if name.parts[0] == "breakages":
            continue
        for old, new in zip(manifests_in(file), manifests_in(made / name), strict=True):
            assert with_statistics(AKS.adapted(dict(old))) == new
            assert DEFAULT.adapted(dict(old)) == old
            if AKS.adapted(dict(old)) != old:
                changed.add((old["kind"], old["metadata"]["name"]))
    assert changed == {
        ("Gateway", "voting-app-gateway"),
        ("Gateway", "plain-text"),
        ("AuthorizationPolicy", "voting-app-1-0"),
        ("AuthorizationPolicy", "voting-app-2-0"),
    }


def test_copies_for_any_host_and_for_a_host_are_two(tmp_path: Path) -> None:
    any_host = manifests_of(lane_number(0, "voting"), MANIFESTS, tmp_path / "copy", mesh=AKS)
    own_host = manifests_of(lane_number(1, "voting"), MANIFESTS, tmp_path / "copy", mesh=AKS)
    assert any_host != own_host
    file = "istio/step-1-create-voting-app-gateway.yaml"
    assert "voting-2.localhost" in (own_host / file).read_text()
    assert "voting-2.localhost" not in (any_host / file).read_text()


def test_a_stage_has_the_label_of_the_mesh() -> None:
    found = objects_of_stages(SUITE.stages, "voting", MANIFESTS, AKS)["namespace"]
    labels = found["Namespace", "voting"]["metadata"]["labels"]
    assert labels["istio.io/rev"] == "asm-1-22"
    assert "istio-injection" not in labels
    assert default_objects("voting", MANIFESTS)["namespace"] != found
