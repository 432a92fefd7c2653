from __future__ import annotations

from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh import proxy_stats
from meshproof.mesh.capabilities import Capability
from meshproof.mesh.proxy_stats import (
    DENIED,
    NO_CHAIN,
    NOT_VERIFIED,
    PASSED_ON,
    SERVED,
    ProxyCounts,
    parse_stats,
    total,
)

NUMBERS = {
    "cluster.inbound|8080||;.upstream_rq_total": 12,
    "cluster.inbound|6379||;.upstream_cx_tx_bytes_total": 700,
    "cluster.outbound|8080||voting-analytics.voting.svc.cluster.local;.upstream_rq_total": 40,
    "http.inbound_0.0.0.0_8080;.rbac.allowed": 12,
    "http.inbound_0.0.0.0_8080;.rbac.denied": 3,
    "tcp.rbac.denied": 2,
    "listener.0.0.0.0_15006.no_filter_chain_match": 4,
    "listener.0.0.0.0_15001.no_filter_chain_match": 9,
    "listener.[__]_15006.ssl.fail_verify_error": 5,
    "listener.[__]_15006.ssl.fail_verify_no_cert": 6,
    "listener.[__]_15006.ssl.fail_verify_san": 7,
}


def answer(numbers: dict[str, int]) -> dict[str, Any]:
    """What Envoy answers: numbers, and the histograms in an entry of their own."""
    stats: list[dict[str, Any]] = [{"name": n, "value": v} for n, v in numbers.items()]
    return {"stats": [*stats, {"histograms": {"supported_quantiles": [50]}}]}


def test_stats_are_names_and_numbers_without_histograms() -> None:
    assert parse_stats(answer(NUMBERS)) == NUMBERS


@pytest.mark.parametrize(
    ("pattern", "sum_of_it"),
    [(SERVED, 12), (PASSED_ON, 700), (DENIED, 5), (NO_CHAIN, 4), (NOT_VERIFIED, 11)],
)
def test_a_kind_of_count_is_added_up(pattern: Any, sum_of_it: int) -> None:
    assert total(NUMBERS, pattern) == sum_of_it


def test_a_count_that_is_not_kept_is_no_zero() -> None:
    with pytest.raises(EnvironmentBroken, match="keep no count"):
        total({"server.live": 1}, DENIED)


def test_a_count_of_a_cluster_that_nobody_has_used_is_zero() -> None:
    assert total({"server.live": 1}, SERVED) == total({"server.live": 1}, PASSED_ON) == 0


def test_a_count_is_added_up_over_pods(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    def ask_proxy(_: Cluster, namespace: str, pod: str, queries: list[str]) -> list[Any]:
        assert (namespace, queries) == ("voting", ["/stats?format=json"])
        return [answer({"tcp.rbac.denied": {"a": 1, "b": 4}[pod]})]

    monkeypatch.setattr(proxy_stats, "ask_proxy", ask_proxy)
    read = ProxyCounts(cluster, "voting", frozenset({Capability.DENIAL_COUNTS}))
    assert read.sum(["a", "b"], DENIED) == 5


@pytest.mark.parametrize("pattern", [SERVED, PASSED_ON, NO_CHAIN, NOT_VERIFIED])
def test_a_count_that_a_scenario_does_not_say_it_needs_is_not_read(
    cluster: Cluster, pattern: Any
) -> None:
    read = ProxyCounts(cluster, "voting", frozenset({Capability.DENIAL_COUNTS}))
    with pytest.raises(LookupError, match=r"lacks the tag @needs-(request|refusal)-counts"):
        read.sums(["a"], DENIED, pattern)
