"""Rights on a cluster that exists: the table, what is made of it, and what is said of a lack."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.shape import DEFAULT
from meshproof.environment.existing import unseen
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.capabilities import Capability
from meshproof.plugin.preflight import PreflightRun
from meshproof.probes.rights import lacking, may, missing_rights, require
from meshproof.suite.registry import suites
from meshproof.suite.rights import (
    GRANTED,
    RIGHTS,
    Access,
    Place,
    Right,
    falls,
    manifest,
    refused,
)

NEEDED = Right(("get", "create"), ("pods", "services"), "they are asked")
LOGS = Right(("get",), ("pods/log",), "logs are read", capabilities=(Capability.ACCESS_LOG,))
EVENTS = Right(("list",), ("events",), "events are told", lost="nothing is told of them")
LEASES = Right(("get",), ("leases",), "runs wait", group="coordination.k8s.io", place=Place.ISTIOD)


# The table, and what is made of it.


def test_the_committed_roles_are_as_they_are_made() -> None:
    assert GRANTED.read_text() == manifest(suites()), "`python -m meshproof.suite.made` makes them"


def test_the_roles_grant_what_is_asked_for_and_nothing_more() -> None:
    granted = {
        (role["kind"], group, resource, verb)
        for role in yaml.safe_load_all(GRANTED.read_text())
        if role
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    kinds = {Place.CLUSTER: "ClusterRole", Place.ISTIOD: "Role"}
    asked = {
        (kinds[right.place], one.group, one.resource, one.verb)
        for right in RIGHTS
        for one in right.asked("istio-system")
    }
    assert granted == asked
    assert not {verb for _, _, _, verb in granted} & {"*", "impersonate", "bind", "escalate"}
    for _, group, resource, verb in granted:
        assert verb == "list" or "*" not in (group, resource), "whatever it is, it is changed"


def test_a_rule_says_what_falls_without_it() -> None:
    text = manifest(suites()).replace("\n# ", " ")
    for right in RIGHTS:
        assert f"Without it: {falls(right, suites())}".replace("`", "") in text


def test_what_falls_are_the_scenarios_with_the_tag() -> None:
    found = falls(LOGS, suites())
    assert "T3" in found and "C6" in found and "D1" not in found
    assert falls(EVENTS, suites()) == "nothing is told of them"
    assert falls(NEEDED, suites()) == "every scenario: there is no run"


def test_every_capability_of_a_right_is_named_by_a_scenario() -> None:
    for right in RIGHTS:
        if right.capabilities:
            assert falls(right, suites()).startswith("scenarios of "), right


# What the API server is asked.


@pytest.mark.parametrize(
    ("access", "attributes"),
    [
        (Access("get", "", "pods"), {"verb": "get", "group": "", "resource": "pods"}),
        (
            Access("create", "", "pods/exec"),
            {"verb": "create", "group": "", "resource": "pods", "subresource": "exec"},
        ),
        (
            Access("get", "coordination.k8s.io", "leases", "mesh"),
            {
                "verb": "get",
                "group": "coordination.k8s.io",
                "resource": "leases",
                "namespace": "mesh",
            },
        ),
    ],
)
def test_a_review_asks_for_one_thing(access: Access, attributes: dict[str, str]) -> None:
    assert access.attributes == attributes


def test_what_is_for_istiods_namespace_is_asked_for_there() -> None:
    assert LEASES.asked("mesh") == [Access("get", "coordination.k8s.io", "leases", "mesh")]
    assert {one.namespace for one in NEEDED.asked("mesh")} == {""}


class Reviews:
    """An API server that refuses some things, and counts what it is asked."""

    def __init__(self, *refused: tuple[str, str]) -> None:
        self.refused = refused
        self.asked: list[dict[str, str]] = []

    def create_self_subject_access_review(self, review: dict[str, Any]) -> Any:
        asked = review["spec"]["resourceAttributes"]
        self.asked.append(asked)
        allowed = (asked["verb"], asked["resource"]) not in self.refused
        return SimpleNamespace(status=SimpleNamespace(allowed=allowed))


@pytest.fixture
def cluster() -> Cluster:
    """One whose client nobody looks at."""
    return cast("Cluster", SimpleNamespace(api=None, mesh=DEFAULT, name="theirs"))


def answered_by(monkeypatch: pytest.MonkeyPatch, reviews: object) -> None:
    monkeypatch.setattr(client, "AuthorizationV1Api", lambda _: reviews)


@pytest.mark.parametrize("place", Place)
def test_each_right_of_a_place_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, place: Place
) -> None:
    reviews = Reviews()
    answered_by(monkeypatch, reviews)
    assert missing_rights(cluster, place) == []
    wanted = [
        one.attributes
        for right in RIGHTS
        if right.place is place
        for one in right.asked("istio-system")
    ]
    assert sorted(map(str, reviews.asked)) == sorted(map(str, wanted))


def test_a_right_that_is_refused_is_missing(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    answered_by(monkeypatch, Reviews(("list", "nodes"), ("create", "namespaces")))
    said = [one.sentence for one in missing_rights(cluster, Place.CLUSTER)]
    assert [line.partition(":")[0] for line in said] == [
        "This user may not create namespaces in the whole cluster",
        "This user may not list nodes in the whole cluster",
    ]
    assert "there is no run" in said[0]
    assert "scenarios of T4 are skipped" in said[1]


def test_whoever_is_not_known_is_told_to_log_in(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    class Unknown:
        def create_self_subject_access_review(self, review: object) -> Any:
            raise ApiException(status=401, reason="Unauthorized")

    answered_by(monkeypatch, Unknown())
    with pytest.raises(EnvironmentBroken, match=r"does not know this user \(401\): log in"):
        may(cluster, Access("get", "", "pods"))


# What is said, and what becomes of it.


def test_a_sentence_says_what_is_lacking_where_and_what_falls() -> None:
    denied = NEEDED.asked("mesh")[:3]
    assert refused(NEEDED, denied) == (
        "This user may not get or create pods; nor get services in the whole cluster: "
        "there is no run (they are asked)."
    )
    assert refused(LEASES, LEASES.asked("mesh")) == (
        "This user may not get leases of coordination.k8s.io in namespace mesh: "
        "there is no run (runs wait)."
    )
    assert refused(LOGS, LOGS.asked(""), ["T3", "C6"]) == (
        "This user may not get pods/log in the whole cluster: "
        "scenarios of T3 and C6 are skipped (logs are read)."
    )
    assert "nothing is told of them" in refused(EVENTS, EVENTS.asked(""))


def missing(*rights: Right) -> list[Any]:
    asked = {right: right.asked("mesh") for right in rights}
    return lacking(asked, {one for each in asked.values() for one in each})


def test_without_what_is_needed_there_is_no_run() -> None:
    with pytest.raises(EnvironmentBroken, match="nothing was changed") as caught:
        require(missing(NEEDED, LOGS, LEASES))
    assert len(caught.value.details.splitlines()) == 2
    require(missing(LOGS, EVENTS))
    require([])


def test_what_is_not_needed_is_not_seen() -> None:
    found = unseen(missing(LOGS, EVENTS))
    assert found.keys() == {Capability.ACCESS_LOG}
    assert found[Capability.ACCESS_LOG].startswith("This user may not get pods/log")
    assert lacking({NEEDED: NEEDED.asked("")}, ()) == []


def test_what_may_not_be_seen_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Mock(return_value={})
    monkeypatch.setattr("meshproof.plugin.preflight.look", looked)
    monkeypatch.setattr("meshproof.plugin.preflight.lacking_nodes", looked)
    written: list[bytes] = []
    file = SimpleNamespace(
        with_suffix=lambda _: SimpleNamespace(write_bytes=written.append, rename=lambda _: None)
    )
    why = {Capability.NODES: "It may not.", Capability.LISTING: "Nor this."}
    run = cast("PreflightRun", SimpleNamespace(needed=frozenset({Capability.NODES}), file=file))
    PreflightRun._find_out(run, cast("Any", SimpleNamespace(unseen=why, cluster=None, engine=None)))
    assert b"It may not." in written[0]
    assert b"Nor this." not in written[0]
    assert not looked.called
