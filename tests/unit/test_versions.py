from __future__ import annotations

from typing import Any

import pytest

from meshproof.mesh.versions import versions_loaded, versions_named
from meshproof.probes.loaded_versions import Known

RULE = {
    "host": "voting-analytics",
    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
    "subsets": [{"name": "v1-1", "labels": {"version": "1.1"}}, {"name": "v2-0"}],
}
DESTINATION = {"host": "voting-app", "subset": "v2-0", "port": {"number": 8080}}
ROUTES = {
    "hosts": ["*"],
    "http": [
        {
            "match": [{"headers": {"cookie": {"regex": "(.*;)?[ \t]*featureflag=on"}}}],
            "route": [{"destination": DESTINATION}],
        },
        {"match": [{"sourceLabels": {"app": "voting-app", "version": "1.0"}}], "route": []},
    ],
}


@pytest.mark.parametrize(
    ("stated", "versions"),
    [
        (RULE, {"1.1", "2.0"}),
        (ROUTES, {"1.0", "2.0"}),
        ({"subsets": [{"name": "old", "labels": {"version": "1.0"}}]}, {"1.0"}),
        ({"hosts": ["voting-app-1-0", "10.0.0.1"], "port": 1.0, "x": None}, set()),
    ],
)
def test_versions_are_named_by_subsets_and_by_labels(stated: Any, versions: set[str]) -> None:
    assert versions_named(stated) == versions


CLUSTER = "outbound|8080|{}|voting-analytics.voting.svc.cluster.local"


@pytest.mark.parametrize(
    ("dump", "versions"),
    [
        (f'"name": "{CLUSTER.format("v1-1")}"\n{CLUSTER.format("v2-0")}::warm', {"1.1", "2.0"}),
        (f'"cluster": "{CLUSTER.format("v1-0")}"', {"1.0"}),
        (f"{CLUSTER.format('')}::10.0.0.1", set()),
        (CLUSTER.format("v1-0").replace(".voting.", ".voting-plain."), set()),
        ("", set()),
    ],
)
def test_versions_are_loaded_with_clusters_and_routes(dump: str, versions: set[str]) -> None:
    assert versions_loaded(dump, "voting") == versions


KNOWN = Known({"DestinationRule a": ["1.0", "1.1", "2.0"]}, {"pod-1": ["2.0"], "pod-2": ["2.0"]})


def test_rules_name_exactly_what_they_must() -> None:
    assert not KNOWN.rules_unlike([["DestinationRule a", "1.0, 1.1 and 2.0"]])
    assert KNOWN.rules_unlike([["DestinationRule a", "2.0"]]) == (
        "of 1 rule: DestinationRule a: 1.0, 1.1 and 2.0"
    )
    more = [["DestinationRule a", "1.0, 1.1 and 2.0"], ["VirtualService b", "2.0"]]
    assert KNOWN.rules_unlike(more) == "of 1 rule: VirtualService b: none"
    assert KNOWN.rules_unlike([])


def test_proxies_have_loaded_exactly_what_they_must() -> None:
    assert not KNOWN.proxies_unlike("2.0")
    assert KNOWN.proxies_unlike("1.0 and 2.0").startswith("2 of 2 proxies: pod-1: 2.0")
    assert Known({}, {}).proxies_unlike("2.0")
