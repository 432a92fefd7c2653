"""Who holds what only one run can have, of an API server in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof import leftovers
from meshproof.cluster.cluster import RUN, RUN_VARIABLE, TUTORIAL, Cluster, Owner, new_owner
from meshproof.cluster.lease import ANY_HOST, DURATION, Leases, holder_of, living, of_namespace
from meshproof.errors import EnvironmentBroken
from meshproof.leftovers import clean_up
from meshproof.probes.inventory import Item
from meshproof.progress import Progress

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
    assert second.held == set()
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
    assert first.held == set()
    first.release()
    holder = holder_of(cluster, NAME)
    assert holder and (holder.run, holder.alive) == ("second", True)


def test_of_two_that_are_as_fast_one_gets_it(cluster: Cluster, api: Api) -> None:
    first, second = run(cluster, "first"), run(cluster, "second")
    api.before_write.append(lambda: second.claim(NAME))
    other = first.claim(NAME)
    assert other and other.run == "second"


def test_what_a_run_holds_is_for_those_that_it_starts(
    cluster: Cluster, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(cluster, "first").claim(ANY_HOST)
    child = run(cluster, "child", parent="first")
    assert child.claim(ANY_HOST) is None
    child.release()
    assert ANY_HOST in api.leases
    monkeypatch.setenv("MESHPROOF_RUN", "first")
    assert new_owner("voting").parent == "first"
    assert new_owner("voting").run != new_owner("voting").run


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
    monkeypatch.setattr(leftovers, "list_objects", lambda cluster: (5, left))
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
