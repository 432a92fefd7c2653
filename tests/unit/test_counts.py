from __future__ import annotations

import pytest

from meshproof.probes.counts import DENIED, SERVED, parse_stats, total

STATS = """\
cluster.inbound|8080||;.upstream_rq_total: 12
cluster.outbound|8080||voting-analytics.voting.svc.cluster.local;.upstream_rq_total: 40
http.inbound_0.0.0.0_8080;.rbac.allowed: 12
http.inbound_0.0.0.0_8080;.rbac.denied: 3
tcp.rbac.denied: 2
cluster.inbound|8080||;.upstream_cx_length_ms: P0(nan,1) P25(nan,2)
"""


def test_stats_are_names_and_numbers_without_histograms() -> None:
    stats = parse_stats(STATS)
    assert stats["cluster.inbound|8080||;.upstream_rq_total"] == 12
    assert len(stats) == 5


def test_what_was_served_is_inbound_only() -> None:
    assert total(parse_stats(STATS), SERVED) == 12


def test_denials_of_http_and_tcp_add_up() -> None:
    assert total(parse_stats(STATS), DENIED) == 5


def test_a_count_that_is_not_kept_is_no_zero() -> None:
    with pytest.raises(ValueError, match="keeps no count"):
        total(parse_stats("server.live: 1"), SERVED)
