"""What the suites set in namespaces of their own, so that proxies log and count what they read.

Istio's default settings log no call, and leave out of a proxy's statistics what it served and what
mutual TLS refused. Both are asked for by Istio's own means and for the suites' pods alone, on
every mesh in the same way: an EnvoyFilter in each namespace, an annotation on each pod. The mesh's
settings stay as they are. What these bring is found out before it is relied on
(``meshproof/probes/preflight.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from meshproof.documents import read
from meshproof.paths import DATA

#: The EnvoyFilter that has sidecars log calls as JSON, in lines of the suites' own.
ACCESS_LOG = DATA / "manifests" / "mesh" / "access-log.yaml"
ENVOY_FILTERS = "/apis/networking.istio.io/v1alpha3/namespaces/{namespace}/envoyfilters"
#: Has a pod's proxy configured otherwise than the mesh's settings say. Its statistics are kept in
#: place of all that the settings include.
ANNOTATION = "proxy.istio.io/config"
MATCHER, MATCHES = "proxyStatsMatcher", "inclusionRegexps"
#: What was passed to the application, and what mutual TLS refused.
KEPT = (
    r"cluster\.inbound.*upstream_(rq_(total|completed)|cx_tx_bytes_total)",
    r"listener\..*\.(no_filter_chain_match|ssl\.(handshake|connection_error|fail_verify_.*))",
)


def with_statistics(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest whose pods have their proxies keep what is read; others as they are."""
    if document.get("kind") == "Pod":
        return _annotated(document)
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return document
    template = spec.get("template")
    if not isinstance(template, Mapping) or "spec" not in template:
        return document
    return {**document, "spec": {**spec, "template": _annotated(template)}}


def _annotated(pod: Mapping[str, Any]) -> dict[str, Any]:
    metadata = pod.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    config = read(annotations.get(ANNOTATION, "")) or {}
    matcher = config.get(MATCHER) or {}
    kept = list(dict.fromkeys([*(matcher.get(MATCHES) or ()), *KEPT]))
    asked = json.dumps({**config, MATCHER: {**matcher, MATCHES: kept}})
    return {**pod, "metadata": {**metadata, "annotations": {**annotations, ANNOTATION: asked}}}
