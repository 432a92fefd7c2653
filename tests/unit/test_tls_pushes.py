"""istiod is asked what it would send only while it has nothing to push."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.tls import pushes
from meshproof.tls.pushes import await_no_push
from meshproof.waiting import NotConverged

METRICS = """\
# HELP pilot_inbound_updates Total number of updates received by pilot.
# TYPE pilot_inbound_updates counter
pilot_inbound_updates{{type="config"}} {updates}
pilot_inbound_updates{{type="eds"}} 330
pilot_pushcontext_init_seconds_bucket{{le="0.01"}} 7
pilot_pushcontext_init_seconds_count {contexts}
pilot_proxy_convergence_time_count {pushed}
pilot_xds_pushes{{type="cds"}} 1.502e+03
"""
Asked = list[tuple[str, str]]


@pytest.fixture
def istiod(monkeypatch: pytest.MonkeyPatch, no_time_passes: None) -> Callable[..., Asked]:
    """What istiod counts at one look after another; the last for ever."""

    def counting(*looks: tuple[int, int, int]) -> Asked:
        waiting, asked = list(looks), []

        def metrics(_: object, namespace: str, pod: str) -> str:
            asked.append((namespace, pod))
            counted = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return METRICS.format(
                **dict(zip(("updates", "contexts", "pushed"), counted, strict=True))
            )

        monkeypatch.setattr(pushes, "istiod_metrics", metrics)
        return asked

    return counting


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path)


ONE = ("istio-system", "istiod-1")


def test_what_is_counted_of_changes_and_pushes() -> None:
    assert pushes.pushes(METRICS.format(updates="1.2e+01", contexts=2, pushed=3)) == {
        'pilot_inbound_updates{type="config"}': 12,
        'pilot_inbound_updates{type="eds"}': 330,
        "pilot_pushcontext_init_seconds_count": 2,
        "pilot_proxy_convergence_time_count": 3,
    }


@pytest.mark.parametrize(
    "busy",
    [
        [(1, 1, 1), (2, 1, 1), (2, 1, 1)],  # a change was heard of
        [(2, 1, 1), (2, 2, 1), (2, 2, 1)],  # … is made a push
        [(2, 2, 1), (2, 2, 4), (2, 2, 4)],  # … reaches the proxies
    ],
)
def test_each_stage_of_a_push_is_waited_for(
    istiod: Callable[..., Asked], cluster: Cluster, busy: list[tuple[int, int, int]]
) -> None:
    asked = istiod(*busy)
    await_no_push(cluster, [ONE])
    assert asked == [ONE] * 3


def test_an_istiod_at_rest_is_looked_at_twice(
    istiod: Callable[..., Asked], cluster: Cluster
) -> None:
    asked = istiod((7, 7, 7))
    await_no_push(cluster, [ONE, ("canary", "istiod-2")])
    assert asked == [("canary", "istiod-2"), ONE] * 2


def test_where_no_istiod_will_be_asked_none_is_waited_for(
    istiod: Callable[..., Asked], cluster: Cluster
) -> None:
    asked = istiod((1, 1, 1))
    await_no_push(cluster, [])
    assert asked == []


def test_changes_without_a_pause_are_said(istiod: Callable[..., Asked], cluster: Cluster) -> None:
    istiod(*((n, n, n) for n in range(1000)))
    with pytest.raises(NotConverged, match="istiod has nothing to push"):
        await_no_push(cluster, [ONE])


def test_an_istiod_that_counts_nothing_is_no_istiod_at_rest(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setattr(pushes, "istiod_metrics", lambda *_: "# EOF")
    with pytest.raises(EnvironmentBroken, match="does not count what it pushes"):
        await_no_push(cluster, [ONE])
