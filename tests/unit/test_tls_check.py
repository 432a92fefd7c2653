"""The whole of tls-check, on a mesh whose API server and proxies are stand-ins."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof import cli
from meshproof.cluster.cluster import Cluster
from meshproof.environment import reach
from meshproof.errors import EnvironmentBroken, MeshproofError, UsageFailure
from meshproof.mesh import discovery
from meshproof.paths import state_dir
from meshproof.tls import check, istiod, survey
from meshproof.tls.check import Table, tls_check
from meshproof.tls.envoy import canonical
from meshproof.tls.modes import ServerMode, Status
from meshproof.tls.policies import Applied
from meshproof.tls.table import render, render_json

Json = dict[str, Any]
HOSTS = ("voting-app", "voting-analytics", "voting-storage")
#: The tutorial's three tables, to the letter.
TUTORIAL = """\
HOST:PORT                                    STATUS     SERVER     CLIENT     AUTHN POLICY       DESTINATION RULE
voting-app.voting.svc.cluster.local:8080     OK         mTLS       mTLS       default/voting     voting-app/voting

HOST:PORT                                          STATUS     SERVER     CLIENT     AUTHN POLICY       DESTINATION RULE
voting-analytics.voting.svc.cluster.local:8080     OK         mTLS       mTLS       default/voting     voting-analytics/voting

HOST:PORT                                        STATUS     SERVER     CLIENT     AUTHN POLICY       DESTINATION RULE
voting-storage.voting.svc.cluster.local:6379     OK         mTLS       mTLS       default/voting     voting-storage/voting
"""  # noqa: E501
MESH_TLS = {
    "name": "envoy.transport_sockets.tls",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "default"}]},
        "require_client_certificate": True,
    },
}
OTHER_TLS = {
    "name": "envoy.transport_sockets.tls",
    "typed_config": MESH_TLS["typed_config"] | {"common_tls_context": {}},  # type: ignore[operator]
}
RAW = {"name": "envoy.transport_sockets.raw_buffer"}
CHAINS: dict[str, list[Json]] = {
    "STRICT": [{"transport_socket": MESH_TLS}],
    "PERMISSIVE": [{"transport_socket": MESH_TLS}, {}],
    "DISABLE": [{}],
}
SOCKETS: dict[str, Json] = {
    "ISTIO_MUTUAL": {"transport_socket": MESH_TLS},
    "SIMPLE": {"transport_socket": OTHER_TLS},
    "DISABLE": {},
    "-": {"transport_socket_matches": [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": MESH_TLS},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": RAW},
    ]},
}  # fmt: skip
NETWORKING = "/apis/networking.istio.io/v1"


def made(name: str, spec: Json, namespace: str = "voting") -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


class FakeMesh:
    """The voting app under lock-down, as the API server, the proxies and istiod have it.

    What istiod would send is what the proxies have loaded, but for what a test says.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.missing: set[str] = set()
        self.pods: dict[str, Json] = {}
        self.services: dict[str, dict[str, int]] = {}
        self.unready: set[str] = set()
        self.policies = [made("default", {"mtls": {"mode": "STRICT"}})]
        self.rules: dict[str, Json] = {}
        self.mesh: Json = {}
        self.unconnected: set[str] = set()
        #: By pod: its mode, and a clients' view by host: its mode, and the rule's name.
        self.accepts: dict[str, str] = {}
        self.sends: dict[tuple[str, str], tuple[str, str]] = {}
        #: What istiod would have them, where that is something else.
        self.should_accept: dict[str, str] = {}
        self.should_send: dict[tuple[str, str], tuple[str, str]] = {}
        self.should_have: dict[str, dict[str, list[str]]] = {}
        self.tls_endpoints: set[str] = set()
        self.subsets: dict[str, dict[str, list[str]]] = {}
        #: The one port that a pod has by name, where it has not all of its Service's.
        self.own_port: dict[str, str] = {}
        self.refused: dict[str, dict[str, str]] = {}
        #: Pods that istioctl described, and those that it does not.
        self.described: list[str] = []
        self.undescribed: set[str] = set()
        self.rested: set[tuple[str, str]] = set()
        self.add("voting-app", "http", 8080, "voting-app-1", "voting-app-2", "voting-app-3")
        self.add("voting-analytics", "http", 8080, "voting-analytics-1")
        self.add("voting-storage", "redis", 6379, "voting-storage-1")
        self.add_pod("gateway-1", "gateway", namespace="istio-system")
        self.add_pod("istiod-1", "istiod", namespace="istio-system", proxied=False)

    def add(self, service: str, port: str, number: int, *pods: str) -> None:
        self.services[service] = {port: number}
        for pod in pods:
            self.add_pod(pod, service)
        self.rules[service] = {"host": service, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}

    def add_pod(
        self, name: str, app: str, *, namespace: str = "voting", proxied: bool = True
    ) -> None:
        containers = ["app", *(["istio-proxy"] if proxied else [])]
        states = [{"name": c, "ready": True, "restartCount": 0} for c in containers]
        address = f"10.0.0.{len(self.pods) + 1}"
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"app": app},
                "ownerReferences": [{"kind": "ReplicaSet", "name": f"{app}-set"}],
            },
            "spec": {"containers": [{"name": c} for c in containers]},
            "status": {
                "phase": "Running",
                "podIPs": [{"ip": address}],
                "containerStatuses": states,
            },
        }
        self.tls_endpoints.add(name)

    def get(self, _: object, path: str) -> Json:
        """What the API server has at a path."""
        if path in self.missing:
            raise ApiException(status=404)
        namespace = path.rpartition("/namespaces/")[2].partition("/")[0]
        if namespace == "nowhere" and path.endswith("nowhere"):
            raise ApiException(status=404)
        kind = urlsplit(path).path.split("/")[-1]
        read: Callable[[], Any] = getattr(self, f"_{kind}", dict)
        found = read()
        if kind == "pods" and "labelSelector" in path:
            wanted = parse_qs(urlsplit(path).query)["labelSelector"][0].removeprefix("app=")
            return {"items": [p for p in found if p["metadata"]["labels"]["app"] == wanted]}
        if isinstance(found, list) and "/namespaces/" in path:
            return {"items": [i for i in found if i["metadata"]["namespace"] == namespace]}
        return {"items": found} if isinstance(found, list) else found

    def _pods(self) -> list[Json]:
        return list(self.pods.values())

    def _services(self) -> list[Json]:
        return [
            made(
                name,
                {
                    "ports": [{"name": n, "port": p} for n, p in ports.items()],
                    "selector": {"app": name},
                },
            )
            for name, ports in self.services.items()
        ]

    def _endpointslices(self) -> list[Json]:
        return [
            {
                "metadata": {
                    "namespace": "voting",
                    "labels": {"kubernetes.io/service-name": service},
                },
                # Pods that have other ports by name are in a slice of their own.
                "ports": [{"name": n, "port": p} for n, p in ports.items() if own in ("", n)],
                "endpoints": [
                    {
                        "addresses": [pod["status"]["podIPs"][0]["ip"]],
                        "conditions": {"ready": name not in self.unready},
                        "targetRef": {"kind": "Pod", "name": name},
                    }
                    for name, pod in self.pods.items()
                    if pod["metadata"]["labels"]["app"] == service
                    and self.own_port.get(name, "") == own
                ],
            }
            for service, ports in self.services.items()
            for own in sorted({"", *self.own_port.values()})
        ]

    def _deployments(self) -> list[Json]:
        apps = {pod["metadata"]["labels"]["app"] for pod in self.pods.values()}
        return [made(app, {"selector": {"matchLabels": {"app": app}}}) for app in apps]

    def _replicasets(self) -> list[Json]:
        apps = {pod["metadata"]["labels"]["app"] for pod in self.pods.values()}
        owned = {app: [{"kind": "Deployment", "name": app}] for app in apps}
        return [
            {"metadata": {"name": f"{app}-set", "namespace": "voting", "ownerReferences": owners}}
            for app, owners in owned.items()
        ]

    def _peerauthentications(self) -> list[Json]:
        return self.policies

    def _virtualservices(self) -> list[Json]:
        route = {"route": [{"destination": {"host": "voting-app"}}]}
        return [made("voting-app", {"gateways": ["front"], "http": [route]})]

    def _gateways(self) -> list[Json]:
        return [made("front", {"selector": {"app": "gateway"}})]

    def ask(self, _: object, namespace: str, pod: str, queries: Sequence[str]) -> list[Json]:
        """What a proxy says."""
        self.asked.append(f"{pod}.{namespace}")
        if pod in self.silent:
            raise EnvironmentBroken(f"The proxy of pod {pod}.{namespace} does not answer.")
        answers: dict[str, Callable[[str, str], Json]] = {
            "dynamic_listeners": self._inbound,
            "dynamic_active_clusters": self._outbound,
            "dynamic_endpoint_configs": self._known,
        }
        wanted = [parse_qs(urlsplit(query).query) for query in queries]
        return [answers[query["resource"][0]](pod, query["name_regex"][0]) for query in wanted]

    def ask_istiod(self, _: object, namespace: str, pod: str, queries: Sequence[str]) -> list[Any]:
        """What istiod says."""
        assert (namespace, pod) == ("istio-system", "istiod-1")
        return [self._istiod(urlsplit(query)) for query in queries]

    def at_rest(self, _: object, istiods: Collection[tuple[str, str]]) -> None:
        """Nothing is about to be pushed."""
        self.rested |= set(istiods)

    def describe(self, _: object, namespace: str, pod: str, mesh: str) -> Applied:
        """What Istio's own code says of a pod; in this mesh all policies apply to all."""
        assert mesh == "istio-system"
        self.described.append(pod)
        if pod in self.undescribed:
            raise EnvironmentBroken(f"istioctl does not say which apply to pod {pod}.{namespace}.")
        modes = [spec["mtls"]["mode"] for p in self.policies if "mtls" in (spec := p["spec"])]
        ports = {
            int(port): ServerMode(said["mode"])
            for policy in self.policies
            for port, said in policy["spec"].get("portLevelMtls", {}).items()
        }
        names = tuple(f"{p['metadata']['name']}/voting" for p in self.policies)
        return Applied(ServerMode(modes[-1]) if modes else ServerMode.PERMISSIVE, ports, names)

    def _istiod(self, query: Any) -> Any:
        asked = {key: value for key, (value,) in parse_qs(query.query).items()}
        proxies = [
            f"{name}.{pod['metadata']['namespace']}"
            for name, pod in self.pods.items()
            if len(pod["spec"]["containers"]) > 1 and name not in self.unconnected
        ]
        if query.path == "/debug/connections":
            return {"clients": [{"connectionId": f"{proxy}-7"} for proxy in proxies]}
        if query.path == "/debug/syncz":
            return [
                {
                    "proxy": proxy,
                    "resources": {
                        f"type.googleapis.com/envoy.{kind}": {"sent": "1", "lastError": error}
                        for kind, error in self.refused.get(proxy.split(".")[0], {}).items()
                    },
                }
                for proxy in proxies
            ]
        if query.path == "/debug/mesh":
            return self.mesh
        name = asked["proxyID"].removesuffix("-7").split(".")[0]
        if query.path == "/debug/sidecarz":
            return {"destinationRules": {
                f"{service}.voting.svc.cluster.local": [
                    {"rule": {"name": service, "namespace": "voting", "Spec": spec}}]
                for service, spec in self.rules.items()}}  # fmt: skip
        assert query.path == "/debug/config_dump"
        assert ("istio-system", "istiod-1") in self.rested, "asked while it may push"
        configs = []
        if "lds" in asked["types"]:
            (entry,) = self._inbound(name, "", self.accepts | self.should_accept)["configs"]
            configs.append({"@type": "x.Listener", **entry["active_state"]["listener"]})
        if "cds" in asked["types"]:
            sends = self.sends | self.should_send
            subsets = self.subsets | self.should_have
            configs += [
                {"@type": "x.Cluster", **entry["cluster"]}
                for entry in self._outbound(name, ".*", sends, subsets)["configs"]
            ]
        if "eds" in asked["types"]:
            known = FakeMesh._known(self, name, ".*")["configs"]
            configs += [{"@type": "x.ClusterLoadAssignment", **e["endpoint_config"]} for e in known]
        return {"configs": canonical(configs)}

    def _inbound(self, pod: str, _: str, accepts: dict[str, str] | None = None) -> Json:
        mode = (accepts or self.accepts).get(pod, "STRICT")
        chains: list[Json] = [{"filter_chain_match": {}} | c for c in CHAINS[mode]]
        listener = {"@type": "x.Listener", "name": "virtualInbound", "filter_chains": chains}
        return {"configs": [{"name": "virtualInbound", "active_state": {"listener": listener}}]}

    def _names(
        self, pattern: str, subsets: dict[str, dict[str, list[str]]] | None = None
    ) -> list[tuple[str, str, str]]:
        found = []
        for service, ports in self.services.items():
            for port in ports.values():
                for subset in ("", *(subsets or self.subsets).get(service, {})):
                    name = f"outbound|{port}|{subset}|{service}.voting.svc.cluster.local"
                    if re.fullmatch(pattern, name):
                        found.append((name, service, subset))
        return found

    def _outbound(
        self,
        pod: str,
        pattern: str,
        sends: dict[tuple[str, str], tuple[str, str]] | None = None,
        subsets: dict[str, dict[str, list[str]]] | None = None,
    ) -> Json:
        configs = []
        sent = sends or self.sends
        for name, service, subset in self._names(pattern, subsets):
            told = sent.get((pod, f"{service}|{subset}"), sent.get((pod, service)))
            mode, rule = told or ("ISTIO_MUTUAL", service)
            path = f"{NETWORKING}/namespaces/voting/destination-rule/{rule}"
            metadata = {"filter_metadata": {"istio": {"config": path} if rule else {}}}
            cluster = {"@type": "x.Cluster", "name": name, "type": "EDS", **SOCKETS[mode]}
            cluster["metadata"] = metadata
            configs.append({"cluster": cluster})
        return {"configs": configs}

    def _has(self, pod: str, service: str, cluster: str) -> bool:
        """Whether a pod has the port of a cluster."""
        port = self.services[service][self.own_port[pod]] if pod in self.own_port else ""
        return not port or cluster.startswith(f"outbound|{port}|")

    def _known(self, _: str, pattern: str) -> Json:
        configs = []
        for name, service, subset in self._names(pattern):
            listed = [
                {
                    "endpoint": {"address": {"socket_address": {
                        "address": pod["status"]["podIPs"][0]["ip"]}}},
                    "metadata": {"filter_metadata": {"envoy.transport_socket_match":
                        {"tlsMode": "istio"} if key in self.tls_endpoints else {}}},
                }
                for key, pod in self.pods.items()
                if pod["metadata"]["labels"]["app"] == service
                and (not subset or key in self.subsets[service][subset])
                and self._has(key, service, name)
            ]  # fmt: skip
            endpoints = [{"lb_endpoints": listed}]
            configs.append({"endpoint_config": {"cluster_name": name, "endpoints": endpoints}})
        return {"configs": configs}


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> FakeMesh:
    found = FakeMesh()
    monkeypatch.setattr(survey, "get", found.get)
    monkeypatch.setattr(check, "ask_proxy", found.ask)
    monkeypatch.setattr(check, "read_applied", found.describe)
    monkeypatch.setattr(istiod, "ask_istiod", found.ask_istiod)
    monkeypatch.setattr(check, "await_no_push", found.at_rest)
    return found


@pytest.fixture
def ask(mesh: FakeMesh, tmp_path: Path) -> Callable[..., list[Table]]:
    cluster = Cluster("fake", tmp_path / "kubeconfig", tmp_path)

    def run(*hosts: str, client: str | None = None) -> list[Table]:
        return tls_check(cluster, hosts or HOSTS, namespace="voting", client=client)

    return run


Ask = Callable[..., list[Table]]


def only(tables: list[Table]) -> Any:
    ((row,),) = [table.rows for table in tables]
    return row


def problem(tables: list[Table], kind: type[MeshproofError]) -> str:
    """Say why there is no table of the only host, which must be of this kind."""
    (table,) = tables
    assert isinstance(table.problem, kind)
    assert table.rows == ()
    return str(table.problem)


def test_the_tutorials_tables(ask: Ask) -> None:
    assert render(ask()) == TUTORIAL


def test_every_proxy_is_asked_once(ask: Ask, mesh: FakeMesh) -> None:
    ask()
    assert sorted(mesh.asked) == [
        "gateway-1.istio-system",
        "voting-analytics-1.voting",
        "voting-app-1.voting",
        "voting-app-2.voting",
        "voting-app-3.voting",
        "voting-storage-1.voting",
    ]


def test_istioctl_is_asked_once_for_all_pods_of_the_same_labels(ask: Ask, mesh: FakeMesh) -> None:
    ask()
    assert sorted(mesh.described) == ["voting-analytics-1", "voting-app-1", "voting-storage-1"]
    mesh.policies, mesh.described = [], []
    mesh.accepts = dict.fromkeys(mesh.pods, "PERMISSIVE")
    assert only(ask("voting-storage")).columns[4] == "-"
    assert mesh.described == []


def test_a_host_whose_policies_cannot_be_read_costs_the_others_nothing(
    ask: Ask, mesh: FakeMesh
) -> None:
    mesh.undescribed.add("voting-storage-1")
    analytics, storage = ask("voting-analytics", "voting-storage")
    assert only([analytics]).status is Status.OK
    assert problem([storage], EnvironmentBroken).startswith("istioctl does not say")


def test_a_host_that_is_asked_about_twice_has_one_table(ask: Ask) -> None:
    assert len(ask("voting-app", "voting-app.voting", "voting-app:8080")) == 2


def test_the_client_is_the_gateway_or_who_is_behind_it(ask: Ask) -> None:
    clients = [str(table.rows[0].client.pod) for table in ask()]
    assert clients == ["gateway-1.istio-system", "voting-app-1.voting", "voting-app-1.voting"]


def test_a_client_can_be_named(ask: Ask, mesh: FakeMesh) -> None:
    mesh.sends["voting-analytics-1", "voting-app"] = ("DISABLE", "its-own")
    row = only(ask("voting-app", client="voting-analytics"))
    assert (str(row.client.pod), row.status) == ("voting-analytics-1.voting", Status.CONFLICT)
    assert only(ask("voting-app", client="gateway-1.istio-system")).status is Status.OK


def test_an_istiod_that_keeps_to_an_older_rule_is_drift(ask: Ask, mesh: FakeMesh) -> None:
    # Proxy and istiod agree, and the call works: by a rule that is no longer there.
    mesh.rules["voting-storage"]["trafficPolicy"]["tls"]["mode"] = "SIMPLE"
    row = only(ask("voting-storage"))
    assert row.columns[1:4] == ("DRIFT", "mTLS", "mTLS")
    assert row.notes == (
        "DestinationRule voting-storage/voting asks for SIMPLE, and istiod would still send "
        "ISTIO_MUTUAL to the proxy of client voting-app-1.voting: it makes it anew when the rule "
        "is changed",
    )


def test_wide_adds_the_modes_by_todays_names_and_who_was_asked(ask: Ask) -> None:
    heading, row = render(ask("voting-analytics"), wide=True).splitlines()
    assert re.split(r" {5,}", heading)[6:] == [
        "SERVER MODE",
        "CLIENT MODE",
        "CLIENT POD",
        "SERVER PODS",
    ]
    assert row.split()[6:] == [
        "STRICT",
        "ISTIO_MUTUAL",
        "voting-app-1.voting",
        "voting-analytics-1.voting",
    ]


def test_json_has_everything_for_machines(ask: Ask) -> None:
    (row,) = json.loads(render_json(ask("voting-storage")))
    assert row == {
        "host": "voting-storage.voting.svc.cluster.local",
        "port": 6379,
        "subset": None,
        "status": "OK",
        "server": "mTLS",
        "client": "mTLS",
        "authn_policy": "default/voting",
        "destination_rule": "voting-storage/voting",
        "client_mode": "ISTIO_MUTUAL",
        "client_pod": "voting-app-1.voting",
        "servers": [
            {
                "pod": "voting-storage-1.voting",
                "mode": "STRICT",
                "authn_policy": "default/voting",
                "proxied": True,
                "sent": "mutual TLS of the mesh",
            }
        ],
        "notes": [],
    }


@pytest.mark.parametrize("server", CHAINS)
@pytest.mark.parametrize("client", SOCKETS)
def test_the_truth_table(ask: Ask, mesh: FakeMesh, server: str, client: str) -> None:
    mesh.policies = [made("default", {"mtls": {"mode": server}})]
    mesh.accepts["voting-storage-1"] = server
    tls = {} if client == "-" else {"tls": {"mode": client}}
    mesh.rules["voting-storage"] = {"host": "voting-storage", "trafficPolicy": tls}
    loaded = client
    if client == "-" and server == "DISABLE":
        loaded = "DISABLE"  # as istiod decides for a namespace without mutual TLS
    mesh.sends["voting-app-1", "voting-storage"] = (loaded, "voting-storage")
    row = only(ask("voting-storage"))
    works = {
        "STRICT": {"ISTIO_MUTUAL": "OK"},
        "PERMISSIVE": {"ISTIO_MUTUAL": "OK", "DISABLE": "OK"},
        "DISABLE": {"DISABLE": "OK"},
    }
    assert row.status == ("AUTO" if client == "-" else works[server].get(client, "CONFLICT"))
    shown = {"ISTIO_MUTUAL": "mTLS", "DISABLE": "HTTP", "SIMPLE": "TLS", "-": "-"}
    assert row.columns[2:] == (
        ServerMode(server).shown,
        shown[client],
        "default/voting",
        "voting-storage/voting",
    )
    assert bool(row.notes) is (row.status == "CONFLICT")


def test_without_policy_and_rule_it_is_automatic(ask: Ask, mesh: FakeMesh) -> None:
    mesh.policies, mesh.rules = [], {}
    mesh.accepts["voting-storage-1"] = "PERMISSIVE"
    mesh.sends["voting-app-1", "voting-storage"] = ("-", "")
    row = only(ask("voting-storage"))
    assert row.columns[1:] == ("AUTO", "mTLS/HTTP", "-", "-", "-")


def test_automatic_is_a_conflict_where_what_istiod_chose_does_not_work(
    ask: Ask, mesh: FakeMesh
) -> None:
    mesh.rules["voting-storage"] = {"host": "voting-storage"}
    mesh.sends["voting-app-1", "voting-storage"] = ("-", "voting-storage")
    assert only(ask("voting-storage")).status is Status.AUTO
    mesh.tls_endpoints.remove("voting-storage-1")
    row = only(ask("voting-storage"))
    assert row.columns[1:4] == ("CONFLICT", "mTLS", "-")
    assert row.notes == (
        "client voting-app-1.voting sends plain text, "
        "which server voting-storage-1.voting does not accept",
    )


def test_without_auto_mtls_a_client_that_is_not_told_sends_plain_text(
    ask: Ask, mesh: FakeMesh
) -> None:
    mesh.mesh = {"enableAutoMtls": False}
    mesh.rules["voting-storage"] = {"host": "voting-storage"}
    mesh.sends["voting-app-1", "voting-storage"] = ("DISABLE", "voting-storage")
    assert only(ask("voting-storage")).columns[1:4] == ("CONFLICT", "mTLS", "HTTP")
    mesh.policies[0]["spec"]["mtls"]["mode"] = mesh.accepts["voting-storage-1"] = "PERMISSIVE"
    assert only(ask("voting-storage")).columns[1:4] == ("OK", "mTLS/HTTP", "HTTP")


def test_a_server_that_has_not_loaded_the_policy_is_drift(ask: Ask, mesh: FakeMesh) -> None:
    mesh.accepts["voting-app-2"] = "PERMISSIVE"
    mesh.should_accept["voting-app-2"] = "STRICT"
    mesh.refused["voting-app-2"] = {"Listener": "no such filter", "Cluster": "of another side"}
    (table,) = ask("voting-app")
    (row,) = table.rows
    assert row.columns[1:3] == ("DRIFT", "mTLS/HTTP,mTLS")
    assert row.notes == (
        "the proxy of server voting-app-2.voting refused what istiod sent it last (no such filter)",
        "the proxy of server voting-app-2.voting has not what istiod would send it: "
        "STRICT, and PERMISSIVE is loaded",
        "its servers do not agree: voting-app-1.voting STRICT, voting-app-2.voting PERMISSIVE, "
        "voting-app-3.voting STRICT",
    )
    assert render([table]).splitlines()[2].startswith("voting-app.voting.svc.cluster.local:8080: t")


def test_a_policy_that_istiod_has_not_made_anything_of_is_drift(ask: Ask, mesh: FakeMesh) -> None:
    mesh.policies = []
    row = only(ask("voting-storage"))
    assert (row.status, row.columns[4]) == (Status.DRIFT, "-")
    assert row.notes[0] == (
        "by Istio's description no PeerAuthentication has a mode, which is PERMISSIVE, and istiod "
        "would send STRICT to the proxy of server voting-storage-1.voting"
    )


@pytest.mark.parametrize(
    ("intended", "loaded", "note"),
    [
        (
            ("DISABLE", "voting-storage"),
            ("ISTIO_MUTUAL", "voting-storage"),
            "DISABLE of DestinationRule voting-storage/voting, and ISTIO_MUTUAL of DestinationRule "
            "voting-storage/voting is loaded",
        ),
        (
            ("ISTIO_MUTUAL", "voting-storage"),
            ("-", ""),
            "ISTIO_MUTUAL of DestinationRule voting-storage/voting, and auto mTLS of no "
            "DestinationRule is loaded",
        ),
        (
            ("ISTIO_MUTUAL", "voting-storage"),
            ("ISTIO_MUTUAL", "older"),
            "ISTIO_MUTUAL of DestinationRule voting-storage/voting, and ISTIO_MUTUAL of "
            "DestinationRule older/voting is loaded",
        ),
    ],
)
def test_a_client_that_has_something_else_loaded_is_drift(
    ask: Ask, mesh: FakeMesh, intended: tuple[str, str], loaded: tuple[str, str], note: str
) -> None:
    mesh.should_send["voting-app-1", "voting-storage"] = intended
    mesh.sends["voting-app-1", "voting-storage"] = loaded
    row = only(ask("voting-storage"))
    assert (row.status, row.notes[0]) == (
        Status.DRIFT,
        f"the proxy of client voting-app-1.voting has not what istiod would send it: {note}",
    )


@pytest.mark.parametrize("kind", ["Cluster", "ClusterLoadAssignment"])
def test_a_client_that_refused_a_change_is_drift(ask: Ask, mesh: FakeMesh, kind: str) -> None:
    mesh.refused["voting-app-1"] = {kind: "nonsense", "Listener": "of another side"}
    row = only(ask("voting-storage"))
    assert (row.status, row.notes) == (
        Status.DRIFT,
        ("the proxy of client voting-app-1.voting refused what istiod sent it last (nonsense)",),
    )


@pytest.mark.parametrize(
    ("pod", "role"), [("voting-app-1", "client"), ("voting-storage-1", "server")]
)
def test_a_proxy_that_is_not_connected_is_drift(
    ask: Ask, mesh: FakeMesh, pod: str, role: str
) -> None:
    mesh.unconnected.add(pod)
    row = only(ask("voting-storage"))
    assert row.columns[1:4] == ("DRIFT", "mTLS", "mTLS")
    assert row.notes[0].startswith(f"the proxy of {role}")
    assert row.notes[0].endswith(f" {pod}.voting is not connected to istiod: it gets no changes")


@pytest.mark.parametrize("istiod_too", [False, True])
def test_a_client_that_does_not_know_a_server(
    ask: Ask, mesh: FakeMesh, monkeypatch: pytest.MonkeyPatch, istiod_too: bool
) -> None:
    known = FakeMesh._known
    mesh.add_pod("voting-storage-2", "voting-storage")
    address = mesh.pods["voting-storage-2"]["status"]["podIPs"][0]["ip"]

    def without(mesh: FakeMesh, pod: str, pattern: str) -> Json:
        answer = known(mesh, pod, pattern)
        for config in answer["configs"]:
            config["endpoint_config"]["endpoints"][0]["lb_endpoints"].pop()
        return answer

    if istiod_too:
        monkeypatch.setattr(FakeMesh, "_known", without)
    else:
        mesh._known = lambda *asked: without(mesh, *asked)  # type: ignore[method-assign]
    row = only(ask("voting-storage"))
    unknown = "client voting-app-1.voting does not know server voting-storage-2.voting"
    if istiod_too:
        assert (row.status, row.notes) == (Status.OK, (unknown,))
    else:
        assert (row.status, row.notes) == (
            Status.DRIFT,
            (
                f"the proxy of client voting-app-1.voting does not know {address}, an endpoint "
                "that istiod would send it",
                unknown,
            ),
        )


def test_a_client_that_knows_no_server_cannot_call(ask: Ask, mesh: FakeMesh) -> None:
    mesh.services["voting-storage"]["mysql"] = 3306
    mesh.add_pod("voting-storage-2", "voting-storage")
    row = only(ask("voting-storage:6379"))
    assert row.status is Status.OK
    mesh.own_port = {"voting-storage-1": "redis", "voting-storage-2": "mysql"}
    mesh._has = lambda *_: False  # type: ignore[method-assign]
    row = only(ask("voting-storage:6379"))
    assert (row.status, row.notes) == (
        Status.CONFLICT,
        ("client voting-app-1.voting does not know server voting-storage-1.voting",),
    )


def test_a_header_before_tls_is_not_taken_for_tls(ask: Ask, mesh: FakeMesh) -> None:
    def headed(socket: Json) -> Json:
        typed = {"config": {}, "transport_socket": socket}
        return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": typed}

    SOCKETS["headed"] = {"transport_socket": headed(MESH_TLS)}
    SOCKETS["headed text"] = {"transport_socket": headed(RAW)}
    header = "client voting-app-1.voting begins each connection with a PROXY header (V1)"
    try:
        mesh.sends["voting-app-1", "voting-storage"] = ("headed", "voting-storage")
        analytics, storage = ask("voting-analytics", "voting-storage")
        assert only([analytics]).status is Status.OK
        row = only([storage])
        assert row.columns[1:4] == ("CONFLICT", "mTLS", "mTLS")
        assert row.notes == (
            "client voting-app-1.voting sends a PROXY header before TLS, "
            "which server voting-storage-1.voting does not accept",
            header,
        )
        mesh.sends["voting-app-1", "voting-storage"] = ("headed text", "voting-storage")
        mesh.rules["voting-storage"]["trafficPolicy"]["tls"]["mode"] = "DISABLE"
        mesh.accepts["voting-storage-1"] = "PERMISSIVE"
        mesh.policies[0]["spec"]["mtls"]["mode"] = "PERMISSIVE"
        row = only(ask("voting-storage"))
        assert (row.columns[1:4], row.notes) == (("OK", "mTLS/HTTP", "HTTP"), (header,))
    finally:
        del SOCKETS["headed"], SOCKETS["headed text"]


@pytest.mark.parametrize(
    ("mode", "loaded", "outcome"),
    [
        ("STRICT", "ISTIO_MUTUAL", "CONFLICT"),
        ("STRICT", "-", "CONFLICT"),  # it works, and nothing protects it
        ("PERMISSIVE", "ISTIO_MUTUAL", "CONFLICT"),
        ("PERMISSIVE", "-", "AUTO"),
    ],
)
def test_a_server_without_a_proxy_takes_plain_text(
    ask: Ask, mesh: FakeMesh, mode: str, loaded: str, outcome: str
) -> None:
    mesh.policies[0]["spec"]["mtls"]["mode"] = mode
    mesh.add_pod("voting-storage-1", "voting-storage", proxied=False)
    mesh.tls_endpoints.remove("voting-storage-1")
    if loaded == "-":
        mesh.rules["voting-storage"] = {"host": "voting-storage"}
    mesh.sends["voting-app-1", "voting-storage"] = (loaded, "voting-storage")
    row = only(ask("voting-storage"))
    assert (row.status, row.columns[2]) == (outcome, "HTTP")
    protected = "server voting-storage-1.voting has no proxy: nothing keeps to default/voting"
    assert any(note.startswith(protected) for note in row.notes) is (mode == "STRICT")
    assert "voting-storage-1.voting" not in mesh.asked


def test_a_port_that_goes_round_the_proxy_takes_plain_text(ask: Ask, mesh: FakeMesh) -> None:
    annotations = {"traffic.sidecar.istio.io/excludeInboundPorts": "6379"}
    mesh.pods["voting-storage-1"]["metadata"]["annotations"] = annotations
    row = only(ask("voting-storage"))
    assert row.columns[1:3] == ("CONFLICT", "HTTP")
    assert "server voting-storage-1.voting is not seen by its proxy" in row.notes[1]


def with_subsets(mesh: FakeMesh, modes: dict[str, str | None]) -> None:
    mesh.add_pod("voting-analytics-2", "voting-analytics")
    mesh.subsets["voting-analytics"] = {
        "v1-0": ["voting-analytics-1"],
        "v1-1": ["voting-analytics-2"],
    }
    mesh.rules["voting-analytics"]["subsets"] = [
        {"name": name, **({"trafficPolicy": {"tls": {"mode": mode}}} if mode else {})}
        for name, mode in modes.items()
    ]
    for name, mode in modes.items():
        if mode:
            key = ("voting-app-1", f"voting-analytics|{name}")
            mesh.sends[key] = (mode, "voting-analytics")


def test_subsets_have_no_rows_where_they_are_like_the_whole(ask: Ask, mesh: FakeMesh) -> None:
    with_subsets(mesh, {"v1-0": None, "v1-1": None})
    assert only(ask("voting-analytics")).status is Status.OK


def test_a_subset_that_differs_has_a_row_with_its_own_pods(ask: Ask, mesh: FakeMesh) -> None:
    with_subsets(mesh, {"v1-0": None, "v1-1": "DISABLE"})
    ((whole, part),) = [table.rows for table in ask("voting-analytics")]
    assert whole.status is Status.OK
    assert part.columns[:4] == (
        "voting-analytics.voting.svc.cluster.local:8080|v1-1",
        "CONFLICT",
        "mTLS",
        "HTTP",
    )
    assert [str(server.pod) for server in part.servers] == ["voting-analytics-2.voting"]


def test_a_subset_without_pods_is_told(ask: Ask, mesh: FakeMesh) -> None:
    with_subsets(mesh, {"v1-0": None, "v1-1": None})
    mesh.subsets["voting-analytics"]["v1-1"] = []
    row = only(ask("voting-analytics"))
    assert (row.status, row.notes) == (Status.OK, ("subset v1-1 has no ready pod for this port",))


def test_a_port_that_one_version_has_alone(ask: Ask, mesh: FakeMesh) -> None:
    mesh.services["voting-storage"]["mysql"] = 3306
    mesh.add_pod("voting-storage-2", "voting-storage")
    mesh.own_port = {"voting-storage-1": "redis", "voting-storage-2": "mysql"}
    mesh.subsets["voting-storage"] = {"v1-0": ["voting-storage-1"], "v2-0": ["voting-storage-2"]}
    mesh.rules["voting-storage"]["subsets"] = [{"name": "v1-0"}, {"name": "v2-0"}]
    ((redis, mysql),) = [table.rows for table in ask("voting-storage")]
    assert redis.columns[1:] == mysql.columns[1:]
    for row, port, server, other in (
        (redis, 6379, "voting-storage-1", "v2-0"),
        (mysql, 3306, "voting-storage-2", "v1-0"),
    ):
        assert (row.destination.port, row.status) == (port, Status.OK)
        assert [accepting.pod.name for accepting in row.servers] == [server]
        assert row.notes == (f"subset {other} has no ready pod for this port",)


def test_subsets_that_istiod_or_a_proxy_has_alone_are_drift(ask: Ask, mesh: FakeMesh) -> None:
    with_subsets(mesh, {"v1-0": None, "v1-1": None})
    both = mesh.subsets["voting-analytics"]
    mesh.should_have["voting-analytics"] = {"v1-1": both["v1-1"], "v2-0": []}
    whole, *_ = ask("voting-analytics")[0].rows
    begin = "the proxy of client voting-app-1.voting has not what istiod would send it: "
    assert (whole.status, whole.notes) == (
        Status.DRIFT,
        (
            begin + "subset v2-0, which is not loaded",
            begin + "no subset v1-0, which is loaded",
        ),
    )


def test_a_subset_that_drifts_in_its_own_way_has_a_row(ask: Ask, mesh: FakeMesh) -> None:
    with_subsets(mesh, {"v1-0": None, "v1-1": None})
    mesh.should_send["voting-app-1", "voting-analytics|v1-1"] = ("SIMPLE", "voting-analytics")
    whole, part = ask("voting-analytics")[0].rows
    assert (whole.status, part.status) == (Status.OK, Status.DRIFT)
    assert "it: SIMPLE of DestinationRule voting-analytics/voting, and ISTIO_MUT" in part.notes[0]


def test_every_port_has_a_row(ask: Ask, mesh: FakeMesh) -> None:
    mesh.services["voting-storage"]["mysql"] = 3306
    (table,) = ask("voting-storage")
    assert [row.destination.port for row in table.rows] == [6379, 3306]
    (table,) = ask("voting-storage:3306")
    assert [row.destination.port for row in table.rows] == [3306]


def test_a_policy_for_one_workload_shows_at_its_servers(ask: Ask, mesh: FakeMesh) -> None:
    exempt = {
        "selector": {"matchLabels": {"app": "voting-storage"}},
        "portLevelMtls": {"6379": {"mode": "PERMISSIVE"}},
    }
    mesh.policies.append(made("exempt", exempt))
    mesh.accepts["voting-storage-1"] = "PERMISSIVE"
    assert only(ask("voting-storage")).columns[1:5] == ("OK", "mTLS/HTTP", "mTLS", "exempt/voting")


@pytest.mark.parametrize(
    ("hosts", "client", "sentence"),
    [
        (["nonsense"], None, "There is no Service “nonsense” in namespace voting; there are: vo"),
        (["voting-app.nowhere"], None, "There is no namespace “nowhere”."),
        (["voting-app:1"], None, "Service voting-app.voting.svc.cluster.local has no port 1; it h"),
        (["voting-app"], "nobody", "There is neither a Deployment nor a pod “nobody” in namespac"),
        (["voting-app"], "x.nowhere", "There is no namespace “nowhere”."),
        (["voting-app"], "bare", "Pod bare.voting has no proxy"),
    ],
)
def test_what_is_not_there_is_a_usage_failure_in_one_sentence(
    ask: Ask, mesh: FakeMesh, hosts: list[str], client: str | None, sentence: str
) -> None:
    mesh.add_pod("bare", "bare", proxied=False)
    if client:
        with pytest.raises(UsageFailure) as caught:
            ask(*hosts, client=client)
        said = str(caught.value)
    else:
        said = problem(ask(*hosts), UsageFailure)
    assert said.startswith(sentence)
    assert "\n" not in said
    assert mesh.asked == []


def test_a_host_without_pods_is_nothing_to_ask(ask: Ask, mesh: FakeMesh) -> None:
    mesh.unready.add("voting-storage-1")
    assert "has no ready pod behind it" in problem(ask("voting-storage"), EnvironmentBroken)


@pytest.mark.parametrize("pod", ["voting-app-1", "voting-storage-1"])
def test_one_silent_proxy_is_no_table(ask: Ask, mesh: FakeMesh, pod: str) -> None:
    mesh.silent.add(pod)
    said = problem(ask("voting-storage", client="voting-app"), EnvironmentBroken)
    assert said.startswith(f"The proxy of pod {pod}.voting does not answer")


def test_one_host_that_cannot_be_read_costs_the_others_nothing(ask: Ask, mesh: FakeMesh) -> None:
    mesh.silent.add("voting-storage-1")
    typed = ("voting-app", "nobody", "voting-storage", "app.nowhere", "voting-analytics")
    tables = ask(*typed)
    assert [table.host.service for table in tables] == [t.partition(".")[0] for t in typed]
    read = [table.host.service for table in tables if table.rows]
    assert read == ["voting-app", "voting-analytics"]
    kinds = [type(table.problem) for table in tables if table.problem]
    assert kinds == [UsageFailure, EnvironmentBroken, UsageFailure]


def test_a_proxy_that_says_something_unheard_of_is_no_table(ask: Ask, mesh: FakeMesh) -> None:
    mesh.sends["voting-app-1", "voting-storage"] = ("odd", "voting-storage")
    SOCKETS["odd"] = {"transport_socket": {"name": "odd"}}
    try:
        said = problem(ask("voting-storage"), EnvironmentBroken)
        assert "1.voting has what tls-check cannot read: an unknown transport" in said
    finally:
        del SOCKETS["odd"]
    CHAINS["odd"] = [{"transport_socket": OTHER_TLS}]
    mesh.sends.clear()
    mesh.accepts["voting-storage-1"] = "odd"
    try:
        said = problem(ask("voting-storage"), EnvironmentBroken)
        assert "cannot read: its port 6379 has TLS of its own" in said
    finally:
        del CHAINS["odd"]


def test_a_client_that_cannot_reach_the_host_is_no_table(ask: Ask, mesh: FakeMesh) -> None:
    mesh._outbound = lambda *_: {"configs": []}  # type: ignore[method-assign]
    assert "has no way to voting-storage" in problem(ask("voting-storage"), EnvironmentBroken)


def test_what_has_a_shape_unheard_of_is_told_and_costs_the_others_nothing(
    ask: Ask, mesh: FakeMesh
) -> None:
    mesh.rules["voting-storage"] = ["no", "rule"]  # type: ignore[assignment]
    analytics, storage = ask("voting-analytics", "voting-storage")
    assert only([analytics]).status is Status.OK
    assert "is not what tls-check can read" in problem([storage], EnvironmentBroken)


def test_a_cluster_without_istio_is_no_mesh(ask: Ask, mesh: FakeMesh) -> None:
    mesh.missing.add("/apis/security.istio.io/v1/peerauthentications")
    with pytest.raises(EnvironmentBroken, match="The cluster has no Istio"):
        ask()
    mesh.missing.clear()
    del mesh.pods["istiod-1"]
    with pytest.raises(EnvironmentBroken, match="No istiod runs on the cluster"):
        ask()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ApiException(status=403, reason="Forbidden"), "refuses to say what tls-check needs"),
        (ConnectionRefusedError(), r"does not answer \(ConnectionRefusedError\)"),
    ],
)
def test_an_api_server_that_does_not_answer_is_a_broken_environment(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(*_: object) -> Json:
        raise error

    monkeypatch.setattr(survey, "get", fail)
    with pytest.raises(EnvironmentBroken, match=sentence):
        ask()


@pytest.fixture
def command(
    mesh: FakeMesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meshproof", "tls-check", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return run


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def running() -> None:
    """A cluster of the default name, as far as its kubeconfig goes."""
    folder = state_dir() / "clusters" / "meshproof"
    folder.mkdir(parents=True)
    (folder / "kubeconfig").touch()


@pytest.mark.usefixtures("running")
def test_the_command_prints_the_tutorials_tables(command: Run) -> None:
    assert command(*HOSTS) == (0, TUTORIAL, "")


@pytest.mark.usefixtures("running")
def test_the_command_prints_for_machines_and_of_another_namespace(command: Run) -> None:
    code, printed, _ = command("voting-app.voting", "-o", "json", "--namespace", "other")
    assert (code, json.loads(printed)[0]["status"]) == (0, "OK")
    code, printed, _ = command("voting-app", "-o", "wide", "--client", "voting-storage")
    assert (code, "voting-storage-1.voting" in printed) == (0, True)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], 2),
        ([], 2),
        (["voting-app", "-o", "xml"], 2),
        (["voting-app", "--namespace", "nowhere"], 2),
        (["voting-app", "--client", "nobody"], 2),
        (["voting-storage"], 3),
    ],
)
def test_bad_input_is_a_sentence_and_no_table(
    command: Run, mesh: FakeMesh, arguments: list[str], code: int
) -> None:
    mesh.silent.add("voting-storage-1")
    ended, printed, said = command(*arguments)
    assert (ended, printed) == (code, "")
    assert said


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("other", "code"), [("nobody", 2), ("voting-storage", 3)])
def test_the_command_prints_what_it_can_and_says_what_it_cannot(
    command: Run, mesh: FakeMesh, other: str, code: int
) -> None:
    mesh.silent.add("voting-storage-1")
    ended, printed, said = command("voting-app", other, "voting-analytics")
    assert (ended, printed.count("HOST:PORT"), printed.count(" OK ")) == (code, 2, 2)
    assert said.startswith("meshproof: ")
    ended, printed, said = command("nobody", "voting-storage", "voting-app", "-o", "json")
    assert (ended, len(json.loads(printed)), said.count("meshproof: ")) == (3, 1, 2)


def test_without_a_cluster_there_is_nobody_to_ask(command: Run) -> None:
    assert command("voting-app", "--cluster-name", "other") == (
        3,
        "",
        "meshproof: There is no cluster “other” to ask: `meshproof up` makes one.\n",
    )


@pytest.fixture
def of_two_istiods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An existing cluster with an istiod of a revision in a namespace of its own, and another."""
    cluster = Cluster("theirs", tmp_path / "kubeconfig", tmp_path)
    monkeypatch.setattr(reach, "existing_cluster", lambda options: cluster)
    labels: tuple[Json, ...] = ({}, {"istio.io/rev": "asm-1-30"})
    items = [
        {"metadata": {"namespace": namespace, "name": "istiod", "labels": each}}
        for namespace, each in zip(("istio-system", "aks-istio-system"), labels, strict=True)
    ]
    answers = {discovery.DEPLOYMENTS: items, discovery.WEBHOOKS: []}
    monkeypatch.setattr(discovery, "get", lambda _, path: {"items": answers[path]})


THEIRS = ("--cluster", "existing", "--kube-context", "theirs")


@pytest.mark.usefixtures("of_two_istiods")
@pytest.mark.parametrize(
    "named",
    [
        (),
        ("--revision", "asm-1-30"),
        ("--istio-namespace", "aks-istio-system"),
        ("--revision", "default", "--istio-namespace", "istio-system"),
    ],
)
def test_an_istiod_that_is_there_may_be_named_and_need_not(
    command: Run, named: Sequence[str]
) -> None:
    assert command(*HOSTS, *THEIRS, *named) == (0, TUTORIAL, "")


@pytest.mark.usefixtures("of_two_istiods")
@pytest.mark.parametrize(
    "named",
    [
        ("--revision", "asm-1-29"),
        ("--istio-namespace", "istio"),
        ("--revision", "asm-1-30", "--istio-namespace", "istio-system"),
    ],
)
def test_an_istiod_that_is_not_there_is_said_with_those_that_are(
    command: Run, named: Sequence[str]
) -> None:
    code, printed, said = command(*HOSTS, *THEIRS, *named)
    assert (code, printed) == (2, "")
    assert "there are: asm-1-30 in aks-istio-system and default in istio-system" in said


@pytest.mark.usefixtures("running")
def test_an_istiod_is_named_of_an_existing_cluster_alone(command: Run) -> None:
    code, printed, said = command("voting-app", "--revision", "asm-1-30")
    assert (code, printed) == (2, "")
    assert "--revision goes with --cluster existing" in said
