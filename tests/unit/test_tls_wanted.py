from __future__ import annotations

from typing import Any

import pytest

from meshproof.tls.modes import ClientMode, ServerMode
from meshproof.tls.wanted import (
    Mesh,
    Policy,
    Rule,
    client_rule,
    expected,
    full_host,
    namespace_mode,
    server_policy,
)

Json = dict[str, Any]
MESH = Mesh()
STORAGE = {"app": "voting-storage", "version": "1.0"}
HOST = "voting-storage.voting.svc.cluster.local"


def made(kind_name: str, namespace: str, spec: Json, age: int = 0) -> Json:
    """An object; the higher the age, the older."""
    created = f"2026-11-{28 - age:02d}T12:00:00Z"
    metadata = {"name": kind_name, "namespace": namespace, "creationTimestamp": created}
    return {"metadata": metadata, "spec": spec}


def policy(
    name: str,
    namespace: str,
    mode: str | None,
    *,
    selector: Json | None = None,
    ports: dict[str, Json] | None = None,
    age: int = 0,
) -> Json:
    spec: Json = {"mtls": {"mode": mode}} if mode else {}
    if selector is not None:
        spec["selector"] = {"matchLabels": selector}
    if ports is not None:
        spec["portLevelMtls"] = ports
    return made(name, namespace, spec, age)


def counts(*policies: Json, port: int = 6379) -> Policy:
    return server_policy(policies, MESH, "voting", STORAGE, port)


STRICT = Policy(ServerMode.STRICT, "default/voting")


def test_without_a_policy_servers_are_permissive() -> None:
    assert counts() == Policy(ServerMode.PERMISSIVE, "-")


@pytest.mark.parametrize(
    ("policies", "winner"),
    [
        ([policy("default", "istio-system", "STRICT")], "default/istio-system"),
        (
            [policy("default", "istio-system", "DISABLE"), policy("default", "voting", "STRICT")],
            "default/voting",
        ),
        (
            [
                policy("default", "voting", "DISABLE"),
                policy("one", "voting", "STRICT", selector={"app": "voting-storage"}),
            ],
            "one/voting",
        ),
        (
            [
                policy("default", "voting", "STRICT"),
                policy("one", "voting", "DISABLE", selector={"app": "voting-app"}),
            ],
            "default/voting",
        ),
        (
            [policy("default", "voting", "STRICT"), policy("default", "other", "DISABLE")],
            "default/voting",
        ),
    ],
)
def test_the_narrowest_policy_counts(policies: list[Json], winner: str) -> None:
    expected_policy = Policy(ServerMode.STRICT, winner)
    assert counts(*policies) == expected_policy
    assert counts(*reversed(policies)) == expected_policy


def test_a_policy_of_a_workload_in_the_meshs_own_namespace_does_not_count() -> None:
    stray = policy("one", "istio-system", "DISABLE", selector=STORAGE)
    assert counts(stray, policy("default", "voting", "STRICT")) == STRICT
    own = server_policy([stray], MESH, "istio-system", STORAGE, 6379)
    assert own == Policy(ServerMode.PERMISSIVE)


def test_the_oldest_policy_of_a_scope_counts() -> None:
    old, new = policy("b", "voting", "STRICT", age=2), policy("a", "voting", "DISABLE", age=1)
    assert counts(new, old) == Policy(ServerMode.STRICT, "b/voting")
    for entry in (old, new):
        entry["spec"]["selector"] = {"matchLabels": STORAGE}
    assert counts(new, old) == Policy(ServerMode.STRICT, "b/voting")


def test_of_the_same_age_the_first_by_name_counts() -> None:
    assert counts(policy("b", "voting", "STRICT"), policy("a", "voting", "DISABLE")).name == (
        "a/voting"
    )


@pytest.mark.parametrize("mode", [None, "UNSET"])
def test_a_policy_without_a_mode_leaves_it_to_the_wider_one(mode: str | None) -> None:
    narrow = policy("one", "voting", mode, selector=STORAGE)
    assert counts(narrow, policy("default", "voting", "STRICT")) == STRICT
    assert counts(narrow) == Policy(ServerMode.PERMISSIVE)


def test_a_port_of_a_workload_can_be_exempt() -> None:
    exempt = policy(
        "exempt", "voting", None, selector=STORAGE, ports={"6379": {"mode": "PERMISSIVE"}}
    )
    default = policy("default", "voting", "STRICT")
    assert counts(exempt, default) == Policy(ServerMode.PERMISSIVE, "exempt/voting")
    assert counts(exempt, default, port=3306) == STRICT


def test_an_unset_port_is_as_its_workload() -> None:
    policies = [
        policy("one", "voting", "DISABLE", selector=STORAGE, ports={"6379": {"mode": "UNSET"}}),
        policy("default", "voting", "STRICT"),
    ]
    assert counts(*policies) == Policy(ServerMode.DISABLE, "one/voting")


def test_ports_without_a_selector_do_not_count() -> None:
    wide = policy("default", "voting", "STRICT", ports={"6379": {"mode": "DISABLE"}})
    assert counts(wide) == STRICT


def test_a_namespaces_mode_is_without_its_workloads() -> None:
    policies = [
        policy("default", "istio-system", "DISABLE"),
        policy("one", "voting", "STRICT", selector=STORAGE),
    ]
    assert namespace_mode(policies, MESH, "voting") is ServerMode.DISABLE
    assert namespace_mode([], MESH, "voting") is ServerMode.PERMISSIVE


def rule(
    name: str,
    namespace: str,
    mode: str | None = None,
    *,
    host: str = "voting-storage",
    age: int = 0,
    **spec: Any,
) -> Json:
    if mode:
        spec["trafficPolicy"] = {"tls": {"mode": mode}}
    return made(name, namespace, {"host": host, **spec}, age)


def in_force(*rules: Json, client: str = "voting", labels: Json | None = None) -> Rule:
    return client_rule(
        list(rules), MESH, HOST, service="voting", client=client, labels=labels or {}
    )


def test_without_a_rule_a_client_is_not_told() -> None:
    found = in_force(rule("app", "voting", "ISTIO_MUTUAL", host="voting-app"))
    assert found == Rule()
    assert (found.name, found.mode(6379), found.names) == ("-", ClientMode.NONE, set())


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("voting-storage", True),
        (HOST, True),
        ("*.voting.svc.cluster.local", True),
        ("*.local", True),
        ("*", True),
        ("storage", False),
        ("voting-storage.voting", False),
        ("*.other.svc.cluster.local", False),
    ],
)
def test_a_rule_is_for_the_hosts_that_it_names(host: str, matches: bool) -> None:
    found = in_force(rule("storage", "voting", "ISTIO_MUTUAL", host=host))
    assert found.name == ("storage/voting" if matches else "-")


def test_a_short_host_is_of_the_rules_own_namespace() -> None:
    assert in_force(rule("storage", "other", "DISABLE"), client="other") == Rule()


def test_the_most_specific_host_counts() -> None:
    rules = [
        rule("all", "voting", "DISABLE", host="*", age=9),
        rule("some", "voting", "DISABLE", host="*.voting.svc.cluster.local", age=8),
        rule("one", "voting", "ISTIO_MUTUAL"),
    ]
    assert in_force(*rules).name == "one/voting"
    assert in_force(*rules[:2]).name == "some/voting"


def test_the_clients_namespace_comes_before_the_services_and_that_before_the_meshs() -> None:
    rules = [
        rule("mesh", "istio-system", "DISABLE", host="*.local"),
        rule("service", "voting", "ISTIO_MUTUAL"),
        rule("client", "other", "SIMPLE", host=HOST),
    ]
    assert in_force(*rules, client="other").name == "client/other"
    assert in_force(*rules, client="third").name == "service/voting"
    assert in_force(rules[0], rules[2], client="third").name == "mesh/istio-system"


def test_for_gateways_the_meshs_own_rules_come_last_unless_they_are_private() -> None:
    service, mesh = rule("service", "voting", "DISABLE"), rule("mesh", "istio-system", host="*")
    private = rule("private", "istio-system", host="*", exportTo=["."])
    assert in_force(service, mesh, client="istio-system").name == "service/voting"
    assert in_force(service, private, client="istio-system").name == "private/istio-system"


@pytest.mark.parametrize(
    ("to", "seen"), [(None, True), (["*"], True), (["."], False), (["other"], True), (["x"], False)]
)
def test_a_rule_counts_where_it_is_exported_to(to: list[str] | None, seen: bool) -> None:
    spec: Json = {"exportTo": to} if to else {}
    found = in_force(rule("storage", "voting", "DISABLE", **spec), client="other")
    assert (found.name != "-") is seen


def test_a_rule_for_chosen_workloads_counts_for_them_alone() -> None:
    rules = [
        rule("all", "voting", "ISTIO_MUTUAL", age=5),
        rule("one", "voting", "DISABLE", workloadSelector={"matchLabels": {"app": "a"}}),
    ]
    assert in_force(*rules, labels={"app": "a", "version": "1"}).name == "one/voting"
    assert in_force(*rules, labels={"app": "b"}).name == "all/voting"
    assert in_force(rules[1], labels={"app": "b"}) == Rule()
    assert in_force(rules[1], client="other", labels={"app": "a"}) == Rule()


def test_rules_for_one_host_are_merged_under_the_oldests_name() -> None:
    found = in_force(
        rule("b", "voting", "DISABLE", subsets=[{"name": "v1"}, {"name": "v2"}], age=1),
        rule("a", "voting", subsets=[{"name": "v1", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}],
             age=2),
        rule("c", "voting", "SIMPLE"),
    )  # fmt: skip
    assert (found.name, found.names) == ("a/voting", {"v1", "v2"})
    assert found.mode(6379) is ClientMode.DISABLE
    assert found.mode(6379, "v1") is ClientMode.SIMPLE


def policy_of(mode: str | None, *ports: Json) -> Json:
    settings: Json = {"portLevelSettings": list(ports)} if ports else {}
    return settings | ({"tls": {"mode": mode}} if mode else {})


def at(port: int, mode: str | None) -> Json:
    return {"port": {"number": port}, **({"tls": {"mode": mode}} if mode else {})}


@pytest.mark.parametrize(
    ("host", "subset", "mode"),
    [
        (policy_of("ISTIO_MUTUAL"), None, "ISTIO_MUTUAL"),
        (policy_of("ISTIO_MUTUAL"), policy_of(None), "ISTIO_MUTUAL"),
        (policy_of("ISTIO_MUTUAL"), policy_of("DISABLE"), "DISABLE"),
        (None, policy_of("SIMPLE"), "SIMPLE"),
        (policy_of("ISTIO_MUTUAL", at(6379, "DISABLE")), None, "DISABLE"),
        (policy_of("ISTIO_MUTUAL", at(3306, "DISABLE")), None, "ISTIO_MUTUAL"),
        # Settings for a port are complete: what they leave out is not taken from the others.
        (policy_of("ISTIO_MUTUAL", at(6379, None)), None, "-"),
        (policy_of("ISTIO_MUTUAL"), policy_of("DISABLE", at(6379, None)), "-"),
        (policy_of("ISTIO_MUTUAL"), policy_of(None, at(6379, "MUTUAL")), "MUTUAL"),
        ({"tls": {}}, None, "DISABLE"),
    ],
)
def test_ports_and_subsets_replace_what_is_wider(
    host: Json | None, subset: Json | None, mode: str
) -> None:
    entry: Json = {"name": "v1"} | ({"trafficPolicy": subset} if subset is not None else {})
    assert Rule("storage/voting", host, (entry,)).mode(6379, "v1") is ClientMode(mode)


def test_an_unknown_subset_is_an_error() -> None:
    with pytest.raises(KeyError, match="v9"):
        Rule().mode(6379, "v9")


@pytest.mark.parametrize("mode", [m for m in ClientMode if m is not ClientMode.NONE])
def test_who_is_told_has_just_that_loaded(mode: ClientMode) -> None:
    for auto in (True, False):
        may = expected(mode, Mesh(auto_mtls=auto), ServerMode.DISABLE, by_address=True)
        assert may == {mode}


@pytest.mark.parametrize(
    ("auto", "servers", "by_address", "may"),
    [
        (True, "STRICT", False, {ClientMode.NONE}),
        (True, "PERMISSIVE", False, {ClientMode.NONE}),
        (True, "DISABLE", False, {ClientMode.DISABLE}),
        (False, "STRICT", False, {ClientMode.DISABLE}),
        (True, "STRICT", True, {ClientMode.ISTIO_MUTUAL, ClientMode.DISABLE}),
    ],
)
def test_who_is_not_told_has_loaded_what_istiod_decides(
    auto: bool, servers: str, by_address: bool, may: set[ClientMode]
) -> None:
    mesh = Mesh(auto_mtls=auto)
    assert expected(ClientMode.NONE, mesh, ServerMode(servers), by_address=by_address) == may


def test_hosts_of_objects_in_full() -> None:
    assert full_host("voting-app", "voting") == "voting-app.voting.svc.cluster.local"
    assert full_host("example.com", "voting") == "example.com"
    assert full_host("*", "voting") == "*"
