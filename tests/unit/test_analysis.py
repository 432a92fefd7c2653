from __future__ import annotations

from meshproof.mesh.analysis import complaints

# As istioctl 1.31 prints it, cut down.
PRINTED = """\
Error [IST0101] (VirtualService voting/voting-storage) Referenced host:port not found: "x:3306"
Error [IST0173] (DestinationRule voting/voting-app) The Subset v2-0 does not select any pods.
Warning [IST0127] (AuthorizationPolicy voting/voting-app-2-0) No matching workloads: app=voting-app
Info [IST0102] (Namespace default) The namespace is not enabled for Istio injection.
Error: Analyzers found issues when analyzing namespace: voting.
See https://istio.io/docs/reference/config/analysis for more information.
"""


def test_each_complaint_has_its_code_and_its_object() -> None:
    assert complaints(PRINTED) == [
        ("IST0101", "VirtualService voting-storage"),
        ("IST0173", "DestinationRule voting-app"),
        ("IST0127", "AuthorizationPolicy voting-app-2-0"),
        ("IST0102", "Namespace default"),
    ]


def test_an_analysis_that_finds_nothing_complains_of_nothing() -> None:
    assert complaints("\n✔ No validation issues found when analyzing namespace: voting.\n") == []
