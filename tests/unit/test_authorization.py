"""Whom proxies let in, by the authorization filters that they have loaded."""

from __future__ import annotations

from typing import Any

import pytest

from meshproof.mesh.authorization import Admission, admissions, may, must, unlike

DOMAIN = "spiffe://cluster.local/ns"
APP, OTHER = f"{DOMAIN}/voting/sa/app", f"{DOMAIN}/voting/sa/other"
CALLERS = {"app": APP, "other": OTHER}
ANY: dict[str, Any] = {"any": True}
NOBODY = {"permissions": [{"not_rule": ANY}], "principals": [{"not_id": ANY}]}


def account(name: str) -> dict[str, Any]:
    pattern = {"safe_regex": {"regex": f"spiffe://.+/ns/voting/(.+/|)sa/{name}(/.+)?"}}
    return {"authenticated": {"principal_name": pattern}}


def policy(principal: dict[str, Any], *permissions: dict[str, Any]) -> dict[str, Any]:
    """A policy as istiod writes it."""
    return {
        "permissions": [{"and_rules": {"rules": list(permissions) or [ANY]}}],
        "principals": [{"and_ids": {"ids": [{"or_ids": {"ids": [principal]}}]}}],
    }


def path(wanted: str) -> dict[str, Any]:
    return {"or_rules": {"rules": [{"url_path": {"path": {"exact": wanted}}}]}}


def chain(
    port: int | None, *policies: dict[str, Any], http: bool = True, action: str | None = None
) -> dict[str, Any]:
    rules: dict[str, Any] = {"policies": {str(n): each for n, each in enumerate(policies)}}
    if action:
        rules["action"] = action
    kind = "http" if http else "network"
    rbac = {"name": f"envoy.filters.{kind}.rbac", "typed_config": {"rules": rules}}
    manager = {"name": "manager", "typed_config": {"http_filters": [rbac, {"name": "router"}]}}
    match = {"destination_port": port} if port else {}
    return {"name": "c", "filter_chain_match": match, "filters": [manager] if http else [rbac]}


def dump(*chains: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    listener: dict[str, Any] = {"name": "virtualInbound", "filter_chains": list(chains)}
    if last:
        listener["default_filter_chain"] = last
    outbound = {"name": "10.0.0.1_80", "filter_chains": [chain(80)]}
    return {"configs": [{"active_state": {"listener": each}} for each in (outbound, listener)]}


@pytest.mark.parametrize("http", [True, False])
def test_who_is_named_is_let_in_and_nobody_else(http: bool) -> None:
    found = admissions(dump(chain(8080, policy(account("app")), http=http)), CALLERS)
    assert found == {Admission(8080, "app")}


def test_without_a_policy_everybody_is_let_in() -> None:
    found = admissions(dump({"name": "c", "filters": []}), CALLERS)
    assert found == {Admission(None, "app"), Admission(None, "other")}


def test_a_policy_without_a_rule_lets_nobody_in() -> None:
    assert admissions(dump(chain(8080, NOBODY)), CALLERS) == set()
    assert admissions(dump(chain(8080)), CALLERS) == set()


def test_another_caller_by_a_path_alone_is_found_with_its_path() -> None:
    second = policy(account("other"), path("/secret"))
    found = admissions(dump(chain(8080, policy(account("app")), second)), CALLERS)
    (secret,) = found - {Admission(8080, "app")}
    assert secret.caller == "other"
    assert "/secret" in str(secret)


def test_who_has_a_way_in_for_all_it_asks_has_it_beside_one_for_a_path() -> None:
    policies = policy(account("app"), path("/a")), policy(account("app"))
    assert admissions(dump(chain(8080, *policies)), CALLERS) == {Admission(8080, "app")}


def test_two_filters_must_both_let_a_caller_in() -> None:
    both = chain(8080, policy(account("app")))
    both["filters"] += chain(8080, policy(account("other")))["filters"]
    assert admissions(dump(both), CALLERS) == set()


def test_what_denies_lets_nobody_in_and_takes_no_way_away() -> None:
    only = chain(8080, policy(account("app")), action="DENY")
    assert {each.caller for each in admissions(dump(only), CALLERS)} == {"app", "other"}
    both = chain(8080, policy(account("app")))
    both["filters"] += only["filters"]
    assert admissions(dump(both), CALLERS) == {Admission(8080, "app")}


def test_the_chain_of_other_ports_counts_and_the_one_that_leads_nowhere_does_not() -> None:
    nowhere = {"name": "virtualInbound-blackhole", "filters": []}
    found = admissions(dump(nowhere, last=chain(None, policy(account("app")))), CALLERS)
    assert found == {Admission(None, "app")}


@pytest.mark.parametrize(
    "shown", [{}, {"configs": []}, dump({"name": "virtualInbound-blackhole", "filters": []})]
)
def test_a_proxy_that_shows_no_way_in_is_no_proof(shown: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="shows no listener"):
        admissions(shown, CALLERS)


UNKNOWN = {"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}


@pytest.mark.parametrize(
    ("rule", "possible", "sure"),
    [
        (ANY, True, True),
        ({"not_id": ANY}, False, False),
        (account("app"), True, True),
        (account("other"), False, False),
        ({"not_id": account("other")}, True, True),
        ({"authenticated": {}}, True, True),
        (UNKNOWN, True, False),
        ({"not_id": UNKNOWN}, True, False),
        ({"and_ids": {"ids": [account("app"), UNKNOWN]}}, True, False),
        ({"and_ids": {"ids": [account("other"), UNKNOWN]}}, False, False),
        ({"or_ids": {"ids": [account("app"), UNKNOWN]}}, True, True),
        ({"or_ids": {"ids": [account("other"), UNKNOWN]}}, True, False),
        ({"authenticated": {"principal_name": {"exact": APP}}}, True, True),
        ({"authenticated": {"principal_name": {"exact": APP.upper()}}}, False, False),
        (
            {"authenticated": {"principal_name": {"exact": APP.upper(), "ignore_case": True}}},
            True,
            True,
        ),
        ({"authenticated": {"principal_name": {"prefix": DOMAIN}}}, True, True),
        ({"authenticated": {"principal_name": {"suffix": "/sa/app"}}}, True, True),
        ({"authenticated": {"principal_name": {"suffix": "/sa/ap"}}}, False, False),
        ({"authenticated": {"principal_name": {"contains": "/voting/"}}}, True, True),
        ({"authenticated": {"principal_name": {"custom": {}}}}, True, False),
    ],
)
def test_what_a_rule_says_of_a_caller(rule: dict[str, Any], possible: bool, sure: bool) -> None:
    assert (may(rule, APP), must(rule, APP)) == (possible, sure)


def test_a_workload_that_lets_in_just_its_callers_is_like_the_diagram() -> None:
    let_in = {"server": {Admission(80, "app"), Admission(None, "app")}, "alone": set[Admission]()}
    assert unlike(let_in, {"server": ["app"], "alone": []}) == []


def test_whoever_is_let_in_beside_them_is_named_and_so_is_who_is_not() -> None:
    let_in = {
        "a": {Admission(80, "app"), Admission(None, "other")},
        "b": {Admission(None, "app")},
        "c": {Admission(80, "app", ("path",))},
    }
    assert unlike(let_in, {"a": ["app"], "b": ["app"], "c": ["app"]}) == [
        "a lets in other on any other port",
        "b does not let in app",
        "c does not let in app",
    ]
