"""Who holds what only one run can have, of an API server in memory."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import RUN, RUN_VARIABLE, TUTORIAL, Cluster, Owner, new_owner
from meshproof.cluster.lease import ANY_HOST, DURATION, Leases, holder_of, living, of_namespace
from meshproof.environment import bring_up as bringing
from meshproof.environment import environment as library
from meshproof.environment import leftovers, take_down
from meshproof.environment.environment import Environment
from meshproof.environment.leftovers import clean_up
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.way_in import Occupant
from meshproof.plugin.bring_up import BringUp
from meshproof.plugin.scenarios import SUITES
from meshproof.probes.api_resources import Item
from meshproof.progress import Progress
from meshproof.run import claims as claiming
from meshproof.run.lanes import Lane
from meshproof.suite.registry import suites
from meshproof.waiting import NotConverged, Timeout

NAME = of_namespace("voting")


class Api:
    """Leases, each with a version that who replaces it must know."""

    def __init__(self) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.before_write: list[Any] = []

    def read_namespaced_lease(self, name: str, place: str, **_: Any) -> SimpleNamespace:
        assert place == "istio-system"
        if name not in self.leases:
            raise ApiException(status=404)
        return SimpleNamespace(data=json.dumps(self.leases[name]))

    def list_namespaced_lease(self, place: str, **_: Any) -> SimpleNamespace:
        names = [SimpleNamespace(metadata=SimpleNamespace(name=name)) for name in self.leases]
        return SimpleNamespace(items=names)

    def create_namespaced_lease(self, place: str, body: dict[str, Any]) -> None:
        self._meanwhile()
        if body["metadata"]["name"] in self.leases:
            raise ApiException(status=409)
        self._keep(body)

    def replace_namespaced_lease(self, name: str, place: str, body: dict[str, Any]) -> None:
        self._meanwhile()
        there = self.leases.get(name)
        if not there or there["metadata"]["version"] != body["metadata"]["resourceVersion"]:
            raise ApiException(status=409)
        self._keep(body)

    def delete_namespaced_lease(self, name: str, place: str) -> None:
        if self.leases.pop(name, None) is None:
            raise ApiException(status=404)

    def age(self, name: str, seconds: float) -> None:
        """Let so much time pass since a Lease was renewed."""
        then = datetime.now(UTC) - timedelta(seconds=seconds)
        self.leases[name]["spec"]["renewTime"] = then.isoformat().replace("+00:00", "Z")

    def _meanwhile(self) -> None:
        if self.before_write:
            self.before_write.pop()()

    def _keep(self, body: dict[str, Any]) -> None:
        self.version += 1
        metadata = {**body["metadata"], "version": self.version, "resourceVersion": self.version}
        self.leases[body["metadata"]["name"]] = {**body, "metadata": metadata}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr(client, "CoordinationV1Api", lambda _: made)
    monkeypatch.setattr(Leases, "_keep", lambda self: None)  # tests renew by themselves
    monkeypatch.setattr(Cluster, "api", None)
    return made


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Cluster:
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path)


def run(cluster: Cluster, name: str, parent: str | None = None) -> Leases:
    return Leases(cluster, Owner(name, "voting", parent))


def test_what_one_run_holds_no_other_gets_until_it_lets_go(cluster: Cluster, api: Api) -> None:
    first, second = run(cluster, "first"), run(cluster, "second")
    assert first.claim(NAME) is None
    assert first.claim(NAME) is None
    other = second.claim(NAME)
    assert other and (other.run, other.alive) == ("first", True)
    assert not second.held
    second.release()
    assert [holder.run for holder in living(cluster)] == ["first"]
    first.release()
    assert api.leases == {}
    assert second.claim(NAME) is None


def test_a_run_is_no_other_run_to_itself(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cluster, "first").claim(NAME)
    run(cluster, "second").claim(of_namespace("voting-b"))
    monkeypatch.setenv(RUN_VARIABLE, "first")
    assert [holder.run for holder in living(cluster)] == ["second"]
    run(cluster, "child", "first").claim(of_namespace("voting-c"))
    assert [holder.run for holder in living(cluster)] == ["second"]


def test_other_things_are_held_beside_it(cluster: Cluster) -> None:
    assert run(cluster, "first").claim(of_namespace("voting")) is None
    assert run(cluster, "second").claim(of_namespace("voting-b")) is None


def test_a_lease_says_whose_it_is(cluster: Cluster, api: Api) -> None:
    run(cluster, "first").claim(ANY_HOST)
    metadata = api.leases[ANY_HOST]["metadata"]
    assert metadata["annotations"] == {RUN: "first", TUTORIAL: "voting"}
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "meshproof"}


def test_what_a_killed_run_held_is_free_once_it_has_expired(cluster: Cluster, api: Api) -> None:
    first, second = run(cluster, "first"), run(cluster, "second")
    first.claim(NAME)
    api.age(NAME, DURATION - 5)
    assert second.claim(NAME)
    first.renew()
    api.age(NAME, DURATION + 1)
    assert living(cluster) == []
    assert second.claim(NAME) is None
    first.renew()
    assert not first.held
    first.release()
    holder = holder_of(cluster, NAME)
    assert holder and (holder.run, holder.alive) == ("second", True)


def test_of_two_that_are_as_fast_one_gets_it(cluster: Cluster, api: Api) -> None:
    first, second = run(cluster, "first"), run(cluster, "second")
    api.before_write.append(lambda: second.claim(NAME))
    other = first.claim(NAME)
    assert other and other.run == "second"


def holder_name(cluster: Cluster, name: str) -> str:
    holder = holder_of(cluster, name)
    return holder.run if holder else ""


def test_what_a_run_holds_it_lends_to_one_that_it_has_started(cluster: Cluster, api: Api) -> None:
    parent = run(cluster, "parent")
    parent.claim(ANY_HOST)
    child, sibling = run(cluster, "child", "parent"), run(cluster, "sibling", "parent")
    assert child.claim(ANY_HOST) is None
    assert child.claim(ANY_HOST) is None
    other = sibling.claim(ANY_HOST)
    assert other and other.run == "child"
    child.renew()
    parent.renew()
    assert holder_name(cluster, ANY_HOST) == "child"
    child.release()
    assert holder_name(cluster, ANY_HOST) == "parent"
    assert api.leases[ANY_HOST]["metadata"]["annotations"] == {RUN: "parent", TUTORIAL: "voting"}
    assert sibling.claim(ANY_HOST) is None
    sibling.release()
    parent.release()
    assert api.leases == {}


def test_what_was_lent_to_a_killed_run_is_had_again(cluster: Cluster, api: Api) -> None:
    parent, child = run(cluster, "parent"), run(cluster, "child", "parent")
    parent.claim(ANY_HOST)
    child.claim(ANY_HOST)
    api.age(ANY_HOST, DURATION + 1)
    parent.renew()
    assert holder_name(cluster, ANY_HOST) == "parent"
    child.renew()
    assert not child.held


def test_what_is_lent_on_comes_back_through_all_hands(cluster: Cluster, api: Api) -> None:
    names = ("first", "second", "third")
    hands = [run(cluster, name, of) for name, of in zip(names, ("", *names), strict=False)]
    for one in hands:
        assert one.claim(ANY_HOST) is None
    for one, after in zip(reversed(hands), ("second", "first", ""), strict=True):
        for other in hands:
            other.renew()
        one.release()
        assert holder_name(cluster, ANY_HOST) == after
    assert api.leases == {}


def test_a_run_knows_the_one_that_has_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "first")
    assert new_owner("voting").parent == "first"
    assert new_owner("voting").run != new_owner("voting").run


# What a run does where another has the way in for any host.


@pytest.mark.usefixtures("taken_over")
def test_what_a_run_has_goes_where_what_was_put_back_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = bring_up("voting")
    taken: list[object] = []
    monkeypatch.setattr(run, "_take_down", taken.append)
    ending = run.pytest_sessionfinish()
    next(ending)
    with pytest.raises(EnvironmentBroken, match="not put back"):
        ending.throw(EnvironmentBroken("It was not put back."))
    assert taken == [None]


def bring_up(namespace: str, lanes: int = 0) -> BringUp:
    plugins = SimpleNamespace(getplugin=lambda name: None)
    config: Any = SimpleNamespace(
        pluginmanager=plugins, getoption=lambda *_: lanes, stash=pytest.Stash()
    )
    os.environ[RUN_VARIABLE] = ""  # no other run has started this one
    return BringUp(config, Options.model_validate({"namespace": namespace}))


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "take_over", lambda cluster: None)
    monkeypatch.setattr(claiming, "namespaces_of", lambda cluster, name: [name])
    monkeypatch.setattr(claiming, "occupants_of", lambda *_: [])
    monkeypatch.setenv(RUN_VARIABLE, "")


@pytest.mark.usefixtures("taken_over")
@pytest.mark.parametrize(("made", "taken_down"), [(False, False), (True, True)])
def test_who_finds_the_namespace_taken_takes_only_a_cluster_of_his_own_down(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, made: bool, taken_down: bool
) -> None:
    first, second = bring_up("voting"), bring_up("voting")
    found = Environment(cluster, "http://127.0.0.1", made, None, {}, built=True)
    downs: list[object] = []
    # Neither saw a cluster when it began, and one was quicker.
    monkeypatch.setattr(take_down, "cluster_exists", lambda options: False)
    monkeypatch.setattr(bringing, "up", lambda options, progress: found)
    monkeypatch.setattr(take_down, "down", lambda *how: downs.append(how))
    if not made:
        first.claims.claim(cluster)
    else:
        monkeypatch.setattr(library, "facts", Mock(side_effect=EnvironmentBroken("no facts")))
    ground = second._make()
    assert ground.failure
    assert ("Another run follows the tutorial" in ground.failure[0]) is not made
    assert bool(downs) is taken_down


@pytest.mark.usefixtures("taken_over")
def test_the_second_run_begins_with_a_host_of_its_own(cluster: Cluster) -> None:
    first, second = bring_up("voting"), bring_up("voting-b")
    first.claims.claim(cluster)
    second.claims.claim(cluster)
    assert first.claims.lanes == [Lane("voting")]
    assert second.claims.lanes == [Lane("voting-b", "voting-b.localhost")]
    first.claims.release()
    second.claims.await_any_host()
    second.claims.await_any_host()
    assert second.claims.lanes == [Lane("voting-b", "voting-b.localhost"), Lane("voting-b")]
    assert holder_name(cluster, ANY_HOST) == second.owner.run


@pytest.mark.usefixtures("taken_over")
def test_the_second_run_with_lanes_waits_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "WAY_IN_FREE", Timeout("way-in-free", 0.1, 0.01, "-"))
    bring_up("voting").claims.claim(cluster)
    with pytest.raises(NotConverged, match="the way in for any host is free"):
        bring_up("voting-b", lanes=2).claims.claim(cluster)


LEFT = Occupant("voting", "voting-app-gateway", owned=True)


@pytest.mark.usefixtures("taken_over")
def test_a_gateway_for_any_host_that_no_run_has_is_named_where_it_is_in_the_way(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "occupants_of", lambda *_: [LEFT])
    beside = bring_up("voting-b")
    beside.claims.claim(cluster)
    assert beside.claims.lanes == [Lane("voting-b", "voting-b.localhost")]
    with pytest.raises(EnvironmentBroken, match="`meshproof clean --namespace voting` takes it"):
        beside.claims.await_any_host()
    beside.claims.release()
    asked = bring_up("voting-c")
    asked.claims.needs_any_host = True
    with pytest.raises(EnvironmentBroken, match="Gateway voting-app-gateway in namespace voting"):
        asked.claims.claim(cluster)


@pytest.mark.usefixtures("taken_over")
def test_each_suite_of_a_run_holds_its_own_namespace(cluster: Cluster) -> None:
    run, other = bring_up("voting"), bring_up("voting-bookinfo")
    run.config.stash[SUITES] = suites()
    run.claims.claim(cluster)
    assert run.owner.tutorials == ("voting", "voting-bookinfo")
    with pytest.raises(EnvironmentBroken, match="in namespace voting-bookinfo "):
        other.claims.claim(cluster)


@pytest.mark.usefixtures("taken_over")
def test_a_namespace_is_followed_by_one_run(cluster: Cluster) -> None:
    bring_up("voting").claims.claim(cluster)
    with pytest.raises(EnvironmentBroken, match=r"Another run .* in namespace voting \("):
        bring_up("voting").claims.claim(cluster)


def test_what_is_cleaned_is_no_living_runs(
    cluster: Cluster, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    left = [
        Item("PriorityClass", "", "first", "1", "/first", owned=True, tutorial="voting"),
        Item("PriorityClass", "", "theirs", "2", "/theirs", owned=True, tutorial="voting-b"),
        Item("PriorityClass", "", "users", "3", "/users", owned=False, tutorial="voting"),
        Item("Namespace", "", "voting", "4", "/voting", owned=True, tutorial="voting"),
        Item("Service", "x", "y", "5", "/y", owned=False, tutorial="voting", mending="[]"),
    ]
    monkeypatch.setattr(leftovers, "delete_namespaces", lambda cluster, name, progress: [name])
    monkeypatch.setattr(leftovers, "list_objects", lambda cluster, **_: (5, left))
    monkeypatch.setattr(leftovers, "delete", lambda cluster, path: gone.append(path))
    monkeypatch.setattr(leftovers, "mend", lambda cluster, item: gone.append(f"mend {item.path}"))
    run(cluster, "first").claim(NAME)
    run(cluster, "first").claim(ANY_HOST)
    with pytest.raises(EnvironmentBroken, match=r"namespace voting \(first, since .*: wait until"):
        clean_up(cluster, "voting", Progress(lambda _: None))
    assert gone == []
    api.age(NAME, DURATION + 1)
    assert clean_up(cluster, "voting", Progress(lambda _: None)) == [
        "voting", "PriorityClass first", "changes to Service y in x",
    ]  # fmt: skip
    assert gone == ["/first", "mend /y"]
    assert set(api.leases) == {ANY_HOST}
