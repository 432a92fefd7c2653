from __future__ import annotations

import pytest

from meshproof.tls.modes import TOLD, ClientMode, Sent, ServerMode, Status, accepts, status

STRICT, PERMISSIVE, DISABLE = ServerMode
ISTIO_MUTUAL, MUTUAL, SIMPLE, OFF = TOLD


@pytest.mark.parametrize(
    ("server", "client", "outcome"),
    [
        (STRICT, ISTIO_MUTUAL, Status.OK),
        (STRICT, OFF, Status.CONFLICT),
        (STRICT, SIMPLE, Status.CONFLICT),
        (STRICT, MUTUAL, Status.CONFLICT),
        (PERMISSIVE, ISTIO_MUTUAL, Status.OK),
        (PERMISSIVE, OFF, Status.OK),
        (PERMISSIVE, SIMPLE, Status.CONFLICT),
        (PERMISSIVE, MUTUAL, Status.CONFLICT),
        (DISABLE, ISTIO_MUTUAL, Status.CONFLICT),
        (DISABLE, OFF, Status.OK),
        (DISABLE, SIMPLE, Status.CONFLICT),
        (DISABLE, MUTUAL, Status.CONFLICT),
    ],
)
def test_the_rules_of_istio_1_4(server: ServerMode, client: ClientMode, outcome: Status) -> None:
    assert status([(server, TOLD[client])], automatic=False) is outcome


@pytest.mark.parametrize(
    ("server", "sent", "outcome"),
    [
        (STRICT, Sent.MESH, Status.AUTO),
        (PERMISSIVE, Sent.MESH, Status.AUTO),
        (PERMISSIVE, Sent.PLAIN, Status.AUTO),
        (DISABLE, Sent.PLAIN, Status.AUTO),
        (STRICT, Sent.PLAIN, Status.CONFLICT),
        (DISABLE, Sent.MESH, Status.CONFLICT),
    ],
)
def test_without_a_mode_it_is_auto_where_what_istiod_chose_works(
    server: ServerMode, sent: Sent, outcome: Status
) -> None:
    assert status([(server, sent)], automatic=True) is outcome


def test_the_worst_of_several_servers_counts() -> None:
    calls = [(PERMISSIVE, Sent.PLAIN), (STRICT, Sent.PLAIN), (DISABLE, Sent.PLAIN)]
    assert status(calls, automatic=False) is Status.CONFLICT
    assert status(calls[::2], automatic=False) is Status.OK


def test_every_mode_is_shown_as_by_the_old_command() -> None:
    assert [mode.shown for mode in ServerMode] == ["mTLS", "mTLS/HTTP", "HTTP"]
    assert {mode.value: mode.shown for mode in ClientMode} == {
        "ISTIO_MUTUAL": "mTLS",
        "MUTUAL": "TLS",
        "SIMPLE": "TLS",
        "DISABLE": "HTTP",
        "-": "-",
    }


def test_no_server_takes_tls_that_is_not_the_meshs() -> None:
    assert not any(accepts(mode, Sent.FOREIGN) for mode in ServerMode)
