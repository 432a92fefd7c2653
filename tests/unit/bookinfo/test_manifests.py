"""Bookinfo's manifests: what belongs together has the same names, labels and ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bookinfo.settings import VERSIONS, Settings

from meshproof.cluster.cluster import OWNED
from meshproof.documents import manifests_in
from meshproof.paths import PROJECT

FOLDER = PROJECT / "manifests" / "bookinfo"
WORKLOADS = "platform/kube/bookinfo.yaml"
#: The one file that the sample does not have.
STRICT = "networking/peer-authentication-strict.yaml"
#: As Istio's sample calls them, and what each states, in the order of what kubectl prints.
PUBLISHED = {
    WORKLOADS: [
        "Service details", "ServiceAccount bookinfo-details", "Deployment details-v1",
        "Service ratings", "ServiceAccount bookinfo-ratings", "Deployment ratings-v1",
        "Service reviews", "ServiceAccount bookinfo-reviews", "Deployment reviews-v1",
        "Deployment reviews-v2", "Deployment reviews-v3",
        "Service productpage", "ServiceAccount bookinfo-productpage", "Deployment productpage-v1",
    ],
    "networking/bookinfo-gateway.yaml": ["Gateway bookinfo-gateway", "VirtualService bookinfo"],
    **{
        f"networking/destination-rule-all{suffix}.yaml": [
            f"DestinationRule {name}" for name in ("productpage", "reviews", "ratings", "details")
        ]
        for suffix in ("", "-mtls")
    },
    "networking/virtual-service-all-v1.yaml": [
        f"VirtualService {name}" for name in ("productpage", "reviews", "ratings", "details")
    ],
    "networking/virtual-service-reviews-test-v2.yaml": ["VirtualService reviews"],
    "networking/virtual-service-ratings-test-delay.yaml": ["VirtualService ratings"],
    "networking/virtual-service-ratings-test-abort.yaml": ["VirtualService ratings"],
    "networking/virtual-service-reviews-50-v3.yaml": ["VirtualService reviews"],
    "networking/virtual-service-reviews-v3.yaml": ["VirtualService reviews"],
}  # fmt: skip
RULES = [name for name in PUBLISHED if "destination-rule" in name]
ROUTES = [name for name in PUBLISHED if "virtual-service" in name]
JASON = [{"headers": {"end-user": {"exact": "jason"}}}]

Object = Mapping[str, Any]


def stated(file: str, kind: str | None = None) -> list[Object]:
    return [each for each in manifests_in(FOLDER / file) if kind in (None, each["kind"])]


def named(kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in stated(WORKLOADS, kind)}


def one_route(file: str) -> list[Any]:
    """The HTTP routes of the one VirtualService in a file."""
    (service,) = stated(f"networking/virtual-service-{file}.yaml", "VirtualService")
    routes: list[Any] = service["spec"]["http"]
    return routes


def to(host: str, subset: str, weight: int | None = None) -> dict[str, Any]:
    destination = {"destination": {"host": host, "subset": subset}}
    return destination if weight is None else destination | {"weight": weight}


def destinations(file: str) -> Iterator[tuple[str, str]]:
    for service in stated(file):
        for rule in service["spec"]["http"]:
            for each in rule["route"]:
                yield each["destination"]["host"], each["destination"]["subset"]


def test_files_are_the_published_ones_and_one_of_our_own() -> None:
    found = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*") if file.is_file()}
    assert {file for file in found if not file.startswith("breakages/")} == {*PUBLISHED, STRICT}


def test_our_own_file_demands_mutual_tls_of_everybody() -> None:
    (policy,) = stated(STRICT)
    assert (policy["kind"], policy["metadata"]["name"]) == ("PeerAuthentication", "default")
    assert policy["spec"] == {"mtls": {"mode": "STRICT"}}


@pytest.mark.parametrize("file", PUBLISHED)
def test_each_file_states_the_published_objects(file: str) -> None:
    found = [f"{each['kind']} {each['metadata']['name']}" for each in stated(file)]
    assert found == PUBLISHED[file]


@pytest.mark.parametrize("file", [*PUBLISHED, STRICT])
def test_every_object_carries_the_label_of_its_owner(file: str) -> None:
    for each in stated(file):
        assert each["metadata"]["labels"].items() >= OWNED.items()
        assert "namespace" not in each["metadata"]


def test_there_is_a_deployment_of_each_version_of_each_component() -> None:
    expected = {f"{app}-{version}" for app, versions in VERSIONS.items() for version in versions}
    assert named("Deployment").keys() == expected


@pytest.mark.parametrize("name", named("Deployment"))
def test_pods_are_what_their_labels_say(name: str) -> None:
    deployment = named("Deployment")[name]
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert name == f"{labels['app']}-{labels['version']}"
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert deployment["metadata"]["labels"] == labels | OWNED
    (container,) = template["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    settings = Settings.from_environment(environment)
    assert (container["name"], settings.component) == (labels["app"], labels["app"])
    assert settings.version == labels["version"]
    assert container["ports"] == [{"name": "http", "containerPort": settings.listen.port}]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert template["spec"]["serviceAccountName"] == f"bookinfo-{labels['app']}"


def test_all_pods_are_one_image_without_privileges() -> None:
    images = set()
    for deployment in named("Deployment").values():
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        images.add(container["image"])
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert images == {"localhost/bookinfo:1.0"}


@pytest.mark.parametrize("app", VERSIONS)
def test_each_component_has_a_service_and_an_account(app: str) -> None:
    service = named("Service")[app]
    assert service["metadata"]["labels"] == {"app": app, "service": app} | OWNED
    assert service["spec"] == {"selector": {"app": app}, "ports": [{"name": "http", "port": 9080}]}
    account = named("ServiceAccount")[f"bookinfo-{app}"]
    assert account["metadata"]["labels"] == {"account": app} | OWNED


def test_components_find_each_other_by_their_services() -> None:
    settings = Settings.from_environment(
        {"BOOKINFO_COMPONENT": "productpage", "BOOKINFO_VERSION": "v1"}
    )
    for app in ("details", "reviews", "ratings"):
        (port,) = named("Service")[app]["spec"]["ports"]
        assert getattr(settings, f"{app}_url") == f"http://{app}:{port['port']}"


@pytest.mark.parametrize("file", RULES)
def test_subsets_are_the_versions_that_are_deployed(file: str) -> None:
    for rule in stated(file):
        host = rule["spec"]["host"]
        assert host == rule["metadata"]["name"]
        versions = [
            each["spec"]["template"]["metadata"]["labels"]["version"]
            for each in named("Deployment").values()
            if each["spec"]["template"]["metadata"]["labels"]["app"] == host
        ]
        assert versions
        assert rule["spec"]["subsets"] == [
            {"name": version, "labels": {"version": version}} for version in versions
        ]


def test_only_one_of_the_rules_files_asks_for_mutual_tls() -> None:
    for file, policy in zip(RULES, (None, {"tls": {"mode": "ISTIO_MUTUAL"}}), strict=True):
        assert [rule["spec"].get("trafficPolicy") for rule in stated(file)] == [policy] * 4


@pytest.mark.parametrize("file", ROUTES)
def test_routes_lead_to_subsets_that_there_are(file: str) -> None:
    for rules in RULES:
        known = {
            (rule["spec"]["host"], subset["name"])
            for rule in stated(rules)
            for subset in rule["spec"]["subsets"]
        }
        found = set(destinations(file))
        assert found and found <= known
    for service in stated(file):
        assert service["spec"]["hosts"] == [service["metadata"]["name"]]
        assert {host for host, _ in destinations(file)} >= set(service["spec"]["hosts"])


def test_gateway_lets_in_what_the_page_needs() -> None:
    file = "networking/bookinfo-gateway.yaml"
    (gateway,) = stated(file, "Gateway")
    (service,) = stated(file, "VirtualService")
    assert gateway["spec"] == {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    }
    assert service["spec"]["hosts"] == ["*"]
    assert service["spec"]["gateways"] == [gateway["metadata"]["name"]]
    assert service["spec"]["http"] == [
        {
            "match": [
                {"uri": {"exact": "/productpage"}},
                {"uri": {"prefix": "/static"}},
                {"uri": {"exact": "/login"}},
                {"uri": {"exact": "/logout"}},
                {"uri": {"prefix": "/api/v1/products"}},
            ],
            "route": [{"destination": {"host": "productpage", "port": {"number": 9080}}}],
        }
    ]


def test_everybody_gets_version_1_at_first() -> None:
    for service in stated("networking/virtual-service-all-v1.yaml"):
        assert service["spec"]["http"] == [{"route": [to(service["metadata"]["name"], "v1")]}]


def test_jason_alone_gets_version_2_of_reviews() -> None:
    assert one_route("reviews-test-v2") == [
        {"match": JASON, "route": [to("reviews", "v2")]},
        {"route": [to("reviews", "v1")]},
    ]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("delay", {"delay": {"percentage": {"value": 100}, "fixedDelay": "7s"}}),
        ("abort", {"abort": {"percentage": {"value": 100}, "httpStatus": 500}}),
    ],
)
def test_faults_are_for_jason_alone(file: str, fault: Object) -> None:
    assert one_route(f"ratings-test-{file}") == [
        {"match": JASON, "fault": fault, "route": [to("ratings", "v1")]},
        {"route": [to("ratings", "v1")]},
    ]


def test_traffic_is_shifted_by_halves_and_then_wholly() -> None:
    assert one_route("reviews-50-v3") == [
        {"route": [to("reviews", "v1", 50), to("reviews", "v3", 50)]}
    ]
    assert one_route("reviews-v3") == [{"route": [to("reviews", "v3")]}]
