"""A mesh whose owner has settled what proxies log and count, and otherwise than suites read it."""

from __future__ import annotations

from tests.clusters.by_hand import Document, Mesh, default_operator


def operator() -> Document:
    """Calls are logged as JSON of another format, and other counts kept than suites ask for."""
    found = default_operator()
    found["spec"]["meshConfig"] |= {
        "accessLogFile": "/dev/stdout",
        "accessLogEncoding": "JSON",
        "accessLogFormat": '{"start": "%START_TIME%", "code": "%RESPONSE_CODE%"}',
        "defaultConfig": {
            "proxyStatsMatcher": {
                "inclusionPrefixes": ["cluster.outbound"],
                "inclusionRegexps": ["http.*"],
            }
        },
    }
    return found


MESH = Mesh("settled", operator())
