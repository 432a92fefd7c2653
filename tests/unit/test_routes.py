from __future__ import annotations

from typing import Any

import pytest

from meshproof.mesh.routes import Way, asked_for, subsets_of, ways_to

HOST = "voting-app.voting.svc.cluster.local"


def cluster(subset: str = "", host: str = HOST) -> str:
    return f"outbound|8080|{subset}|{host}"


def dump(*routes: dict[str, Any], domains: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    virtual = {"name": "*:80", "domains": list(domains), "routes": list(routes)}
    return {"configs": [{"route_config": {"name": "http.8080", "virtual_hosts": [virtual]}}]}


def route(match: dict[str, Any], **action: Any) -> dict[str, Any]:
    return {"match": match, "route": action}


ANY = {"prefix": "/"}
FLAG = {
    "prefix": "/",
    "case_sensitive": True,
    "headers": [{"name": "cookie", "string_match": {"safe_regex": {"regex": ".*=on"}}}],
}


def test_every_route_to_a_service_is_a_way() -> None:
    found = ways_to(
        HOST,
        {
            "gateway": dump(
                route(FLAG, cluster=cluster("v2-0")), route(ANY, cluster=cluster("v1-0"))
            )
        },
    )
    assert found == [
        Way("gateway", ("*",), ("header cookie",), "v2-0"),
        Way("gateway", ("*",), (), "v1-0"),
    ]
    assert str(found[0]) == "gateway, host *: what has header cookie goes to subset v2-0"
    assert str(found[1]) == "gateway, host *: what has anything goes to subset v1-0"


def test_a_route_by_weight_leads_to_each_that_has_one() -> None:
    weighted = {
        "clusters": [
            {"name": cluster("v1-0"), "weight": 99},
            {"name": cluster("v2-0"), "weight": 1},
            {"name": cluster("v3-0")},
        ]
    }
    found = ways_to(HOST, {"p": dump(route(ANY, weighted_clusters=weighted))})
    assert [way.subset for way in found] == ["v1-0", "v2-0"]


def test_a_copy_of_a_request_is_a_way_too() -> None:
    mirrored = [{"cluster": cluster("v2-0")}]
    found = ways_to(
        HOST, {"p": dump(route(ANY, cluster=cluster("v1-0"), request_mirror_policies=mirrored))}
    )
    assert [(way.subset, way.mirrored) for way in found] == [("v1-0", False), ("v2-0", True)]
    assert str(found[1]).endswith("a copy of what has anything goes to subset v2-0")


def test_a_route_to_the_whole_service_has_no_subset() -> None:
    (found,) = ways_to(HOST, {"p": dump(route(ANY, cluster=cluster()))})
    assert found.subset == ""
    assert str(found).endswith("goes to the whole Service")


@pytest.mark.parametrize(
    "name",
    [
        cluster("v2-0", "voting-app.elsewhere.svc.cluster.local"),
        cluster("v2-0", f"my-{HOST}"),
        cluster("v2-0", HOST.replace(".", "x")),
        "inbound|8080||",
        "BlackHoleCluster",
    ],
)
def test_what_leads_elsewhere_is_no_way(name: str) -> None:
    assert ways_to(HOST, {"p": dump(route(ANY, cluster=name))}) == []


def test_a_redirect_or_an_answer_of_the_proxys_own_is_no_way() -> None:
    routes: list[dict[str, Any]] = [
        {"match": ANY, "redirect": {}},
        {"match": ANY, "direct_response": {"status": 404}},
    ]
    assert ways_to(HOST, {"p": dump(*routes)}) == []
    assert ways_to(HOST, {"p": {}}) == ways_to(HOST, {"p": {"configs": [{}]}}) == []


@pytest.mark.parametrize(
    ("match", "asks"),
    [
        (ANY, ()),
        (FLAG, ("header cookie",)),
        ({"prefix": "/beta"}, ("prefix /beta",)),
        ({"path": "/"}, ("path /",)),
        ({"safe_regex": {"regex": "/.*"}}, ('safe_regex {"regex": "/.*"}',)),
        ({**ANY, "headers": [{"name": ":method"}, {"name": "b"}]}, ("header :method", "header b")),
        ({**ANY, "query_parameters": [{"name": "beta"}]}, ("query parameter beta",)),
        (
            {**ANY, "runtime_fraction": {"default_value": {}}},
            ('runtime_fraction {"default_value": {}}',),
        ),
    ],
)
def test_what_a_match_asks_for(match: dict[str, Any], asks: tuple[str, ...]) -> None:
    assert asked_for(match) == asks


def rule(host: str, **subsets: dict[str, str] | None) -> dict[str, Any]:
    listed = [
        {"name": name} | ({"labels": labels} if labels else {}) for name, labels in subsets.items()
    ]
    return {"spec": {"host": host} | ({"subsets": listed} if listed else {})}


def test_the_subsets_of_one_version_alone() -> None:
    old, new = {"version": "1.0"}, {"version": "2.0"}
    rules = [
        rule("voting-app", v1=old, first=old, v2=new, every={"app": "voting-app"}, bare=None),
        rule("voting-storage", other=old),
        rule("voting-app"),
    ]
    assert subsets_of(rules, "voting-app", "1.0") == {"v1", "first"}
