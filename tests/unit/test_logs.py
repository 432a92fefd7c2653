"""Logs that nodes have put away, with an API server that is a stand-in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.logs import begins_within, begun_anew, whole_logs
from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.waiting import NotConverged, NotKept, Timeout, converge

LINE = "2026-01-02T03:04:05.{:09d}Z a line"
AT_ONCE = Timeout("at-once", 0, 0.01, "nothing comes")


@dataclass
class Logs:
    """An API server that hands out logs: lines by pod, each with how many seconds ago it was."""

    by_pod: dict[str, list[tuple[float, str]]]
    asked: list[str] = field(default_factory=list)

    @property
    def core(self) -> Logs:
        return self

    def read_namespaced_pod_log(
        self,
        pod: str,
        namespace: str,
        *,
        container: str,
        timestamps: bool,
        limit_bytes: int,
        since_seconds: float = float("inf"),
    ) -> str:
        assert timestamps
        self.asked.append(f"{namespace}/{pod}/{container}")
        lines = [line for ago, line in self.by_pod[pod] if ago <= since_seconds]
        return "\n".join(lines)[:limit_bytes]


def logs(**ages: list[float]) -> Logs:
    return Logs({pod: [(ago, LINE.format(number)) for number, ago in enumerate(each)]
                 for pod, each in ages.items()})  # fmt: skip


def test_a_log_that_reaches_further_back_is_whole_and_one_that_does_not_begins_anew() -> None:
    assert not begins_within(LINE.format(1), LINE.format(2))
    assert begins_within(LINE.format(1), LINE.format(1))


def test_a_log_without_a_line_was_put_away_whole_and_one_with_none_of_late_was_not() -> None:
    assert begins_within("", "")
    assert not begins_within(LINE.format(1), "")


def test_the_pods_are_named_whose_log_begins_after_what_is_looked_for() -> None:
    api = logs(whole=[300, 20, 1], put_away=[9, 1], quiet=[300], empty=[])
    found = begun_anew(cast(Cluster, api), "shop", dict.fromkeys(api.by_pod, "proxy"), 10)
    assert found == ["empty", "put_away"]
    assert set(api.asked) == {f"shop/{pod}/proxy" for pod in api.by_pod}


@pytest.mark.parametrize("promised", [False, True])
def test_what_may_have_been_put_away_is_nobodys_broken_promise(promised: bool) -> None:
    api = cast(Cluster, logs(whole=[300, 1], put_away=[0.5]))
    containers = {"whole": "proxy", "put_away": "proxy"}
    with (
        pytest.raises(EnvironmentBroken, match="logs of put_away begin after") as told,
        whole_logs(api, "shop", containers, time.monotonic() - 10),
    ):
        converge(lambda: 3, until=lambda n: n > 3, what="4 calls are logged", timeout=AT_ONCE,
                 promised=promised)  # fmt: skip
    assert not isinstance(told.value, PromiseBroken)
    assert "4 calls are logged" in told.value.details


@pytest.mark.parametrize(("promised", "kind"), [(False, NotConverged), (True, NotKept)])
def test_where_logs_are_whole_what_is_missing_stays_what_it_was(
    promised: bool, kind: type[NotConverged]
) -> None:
    api = cast(Cluster, logs(whole=[300, 1]))
    with (
        pytest.raises(NotConverged) as told,
        whole_logs(api, "shop", {"whole": "proxy"}, time.monotonic() - 10),
    ):
        converge(lambda: 3, until=lambda n: n > 3, what="4 calls are logged", timeout=AT_ONCE,
                 promised=promised)  # fmt: skip
    assert type(told.value) is kind


def test_logs_are_asked_only_where_something_is_missing() -> None:
    api = logs(put_away=[0.5])
    with whole_logs(cast(Cluster, api), "shop", {"put_away": "proxy"}, time.monotonic() - 10):
        pass
    assert api.asked == []
