from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from meshproof.errors import PromiseBroken
from meshproof.tls.certificates import (
    LONGEST,
    Held,
    badly_renewed,
    identity,
    ill_timed,
    misnamed,
    pem,
    read_held,
    renewal,
    shared,
    table,
    untrusted,
)
from tests.authority import BACKDATED, DAY, Authority, new_key, pem_of

ME = "spiffe://cluster.local/ns/voting/sa/voting-app-1-0"
OTHER = "spiffe://cluster.local/ns/voting/sa/voting-storage-1-0"
#: Certificates know whole seconds only.
NOW = datetime.now(UTC).replace(microsecond=0)
MESH = Authority.root()
STRANGER = Authority.root()  # of the same name


def holding(*chain: x509.Certificate, **other: Any) -> Held:
    facts = {
        "pod": "app-1",
        "identity": ME,
        "roots": (MESH.certificate,),
        "since": NOW,
        "settings": {},
        **other,
    }
    return Held(chain=chain, **facts)


def reasons(*chain: x509.Certificate, at: datetime | None = None, **other: Any) -> str:
    now = at or datetime.now(UTC)  # what is issued now was not there yet when this was imported
    return " ".join(untrusted(holding(*chain, **other), [MESH.certificate], now))


def test_a_certificate_of_the_mesh_is_trusted() -> None:
    leaf = MESH.issue(ME)
    assert reasons(leaf) == ""
    # As Istio sends it, with the root at its end.
    assert reasons(leaf, MESH.certificate) == ""


def test_a_certificate_below_an_authority_of_the_mesh_is_trusted_with_the_whole_chain() -> None:
    between = MESH.below("between")
    leaf = between.issue(ME)
    assert reasons(leaf, between.certificate) == ""
    assert "not of the mesh" in reasons(leaf)


def test_another_root_of_the_same_name_is_not_the_meshs() -> None:
    leaf = STRANGER.issue(ME)
    assert "signature does not match" in reasons(leaf)
    # That the chain brings its own root along proves nothing.
    assert "signature does not match" in reasons(leaf, STRANGER.certificate)


@pytest.mark.parametrize("later", [DAY + timedelta(seconds=1), -BACKDATED - timedelta(seconds=1)])
def test_a_certificate_is_trusted_in_its_own_time_only(later: timedelta) -> None:
    leaf = MESH.issue(ME, made=NOW)
    assert reasons(leaf, at=NOW) == ""
    assert "not valid at validation time" in reasons(leaf, at=NOW + later)


def test_a_certificate_of_its_own_making_is_not_trusted() -> None:
    key = new_key()
    own = Authority(key, STRANGER.issue(ME, key=key))
    assert "not of the mesh" in reasons(own.issue(ME, key=key))


def test_a_workload_is_no_authority() -> None:
    key = new_key()
    workload = Authority(key, MESH.issue(ME, key=key))
    assert "not of the mesh" in reasons(workload.issue(OTHER), workload.certificate)
    assert "not of the mesh" in reasons(MESH.below("between").certificate)


def test_a_root_beside_the_meshs_is_said() -> None:
    both = (MESH.certificate, STRANGER.certificate)
    serial = f"{STRANGER.certificate.serial_number:x}"
    assert f"or none: O=cluster.local {serial}" in reasons(MESH.issue(ME), roots=both)
    assert "or none: none" in reasons(MESH.issue(ME), roots=())


def test_while_the_root_is_replaced_both_are_the_meshs() -> None:
    held = holding(MESH.issue(ME))
    assert untrusted(held, [STRANGER.certificate, MESH.certificate], datetime.now(UTC)) == []


@pytest.mark.parametrize("names", [(OTHER,), (ME, OTHER), (ME, ME), ()])
def test_a_certificate_is_made_out_to_its_pods_account_alone(names: tuple[str, ...]) -> None:
    assert misnamed(holding(MESH.issue(ME))) == []
    assert misnamed(holding(MESH.issue(*names))) == [
        f"app-1: made out to {' and '.join(names) or 'nobody'}, not to {ME}"
    ]


def test_a_name_of_another_kind_is_said() -> None:
    leaf = MESH.issue_for_host("voting-app", new_key())
    assert "made out to DNSName voting-app, not" in misnamed(holding(leaf))[0]


def test_a_certificate_without_names_or_usages_is_none_of_a_workload() -> None:
    assert misnamed(holding(MESH.certificate)) == [
        f"app-1: made out to nobody, not to {ME}",
        "app-1: not to be used by a server and a client",
    ]


@pytest.mark.parametrize(
    ("usages", "missing"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], "a server"),
        ([ExtendedKeyUsageOID.SERVER_AUTH], "a client"),
        ([], "a server and a client"),
    ],
)
def test_a_certificate_serves_both_ends_of_a_call(usages: list[Any], missing: str) -> None:
    held = holding(MESH.issue(ME, usages=usages))
    assert misnamed(held) == [f"app-1: not to be used by {missing}"]


@pytest.mark.parametrize(
    ("life", "at_fault"),
    [
        (DAY, False),
        (DAY + timedelta(seconds=1), True),
        (20 * DAY, True),
        (timedelta(hours=1) - BACKDATED, False),
        (timedelta(seconds=20), True),
    ],
)
def test_a_lifetime_is_a_day_at_most_and_no_instant(life: timedelta, at_fault: bool) -> None:
    found = ill_timed(holding(MESH.issue(ME, made=NOW, life=life)), NOW)
    assert bool(found) == at_fault
    assert not found or f"to {LONGEST} allowed" in found[0]


def test_a_certificate_that_should_have_been_renewed_is_said() -> None:
    held = holding(MESH.issue(ME, made=NOW))
    assert ill_timed(held, NOW + timedelta(hours=17, minutes=59)) == []
    assert "are over" in ill_timed(held, NOW + timedelta(hours=18))[0]


def test_serials_and_keys_are_no_ones_twice() -> None:
    key = new_key()
    first, second = MESH.issue(ME, key=key), MESH.issue(ME, key=key)
    one, other = holding(first), holding(second, pod="app-2")
    assert shared([one, other]) == ["one key at app-1, app-2"]
    assert shared([one, holding(first, pod="app-3")]) == [
        "one serial at app-1, app-3",
        "one key at app-1, app-3",
    ]
    assert shared([one, holding(MESH.issue(ME), pod="app-2")]) == []


def pair(seconds: float) -> tuple[Held, Held]:
    """A certificate of 20 s, and one that followed it after so many."""
    old = MESH.issue(ME, made=NOW, life=timedelta(seconds=20))
    later = NOW + timedelta(seconds=seconds)
    new = MESH.issue(ME, made=later, life=timedelta(seconds=20))
    return holding(old), holding(new, since=later)


@pytest.mark.parametrize(
    ("seconds", "in_time"),
    [(0.5, False), (8.9, False), (10, True), (14.9, True), (15.1, False), (20, False), (21, False)],
)
def test_renewed_in_time_is_about_half_of_its_life_before_its_end(
    seconds: float, in_time: bool
) -> None:
    assert (badly_renewed(*pair(seconds)) == []) == in_time


def test_how_it_was_renewed_is_said() -> None:
    before, after = pair(21)
    assert renewal(before, after) == (
        f"app-1: {before.serial} followed by {after.serial} after 21.0 s, "
        "105% of its life; -1.0 s before its end"
    )


def test_a_new_certificate_has_a_new_key() -> None:
    key = new_key()
    before = holding(MESH.issue(ME, made=NOW, life=timedelta(seconds=20), key=key))
    after = holding(MESH.issue(ME, key=key), since=NOW + timedelta(seconds=10))
    assert badly_renewed(before, after) == ["app-1: the new certificate has the old one's key"]


POD = {
    "metadata": {"name": "app-1", "namespace": "voting"},
    "spec": {
        "serviceAccountName": "voting-app-1-0",
        "containers": [{"name": "voting-app", "env": [{"name": "SECRET_OF_ITS_OWN"}]}],
        "initContainers": [
            {"name": "istio-init"},
            {
                "name": "istio-proxy",
                "env": [
                    {"name": "SECRET_TTL", "value": "480h"},
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {}}},
                ],
            },
        ],
    },
}


def inline(*certificates: x509.Certificate) -> dict[str, str]:
    return {"inline_bytes": base64.b64encode(pem_of(*certificates)).decode()}


def dump(leaf: x509.Certificate) -> dict[str, Any]:
    return {
        "configs": [
            {
                "name": "default",
                "last_updated": "2026-11-25T16:43:49.402Z",
                "secret": {
                    "tls_certificate": {
                        "certificate_chain": inline(leaf, MESH.certificate),
                        "private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="},
                    }
                },
            },
            {
                "name": "ROOTCA",
                "last_updated": "2026-11-25T16:43:49.4Z",
                "secret": {"validation_context": {"trusted_ca": inline(MESH.certificate)}},
            },
        ]
    }


def test_what_a_proxy_holds_is_read_from_what_envoy_says() -> None:
    leaf = MESH.issue(ME)
    held = read_held(dump(leaf), POD, "cluster.local")
    assert (held.pod, held.identity, held.names) == ("app-1", ME, [ME])
    assert held.chain == (leaf, MESH.certificate)
    assert held.roots == (MESH.certificate,)
    assert held.since == datetime(2026, 11, 25, 16, 43, 49, 402000, tzinfo=UTC)
    assert held.settings == {"SECRET_TTL": "480h"}


@pytest.mark.parametrize(
    ("configs", "missing"), [([], "ROOTCA and no default"), (["ROOTCA"], "default")]
)
def test_a_proxy_without_a_certificate_is_said(configs: list[str], missing: str) -> None:
    said = dump(MESH.issue(ME))
    said["configs"] = [entry for entry in said["configs"] if entry["name"] in configs]
    with pytest.raises(PromiseBroken, match=f"app-1: its proxy holds no secret {missing}"):
        read_held(said, POD, "cluster.local")


def test_a_proxy_that_knows_of_no_secrets_says_nothing_at_all() -> None:
    with pytest.raises(PromiseBroken, match="holds no secret"):
        read_held({}, POD, "cluster.local")


def test_the_identity_is_of_the_pods_own_account_in_the_meshs_domain() -> None:
    assert identity("cluster.local", POD) == ME
    assert identity("example.org", POD) == "spiffe://example.org/ns/voting/sa/voting-app-1-0"


def test_the_evidence_shows_all_that_is_public() -> None:
    leaf = MESH.issue(ME, made=datetime(2026, 11, 25, 12, tzinfo=UTC))
    held = holding(leaf, MESH.certificate)
    headings, row = table([held]).splitlines()
    assert headings.split()[0] == "POD"
    assert row.split() == [
        "app-1", ME, held.serial, "2026-11-25", "11:58:00", "2026-11-26", "12:00:00",
        "1", "day,", "0:02:00", "O=cluster.local", f"{MESH.certificate.serial_number:x}",
    ]  # fmt: skip
    kept = pem([held, held])
    assert kept.count("# app-1") == 2
    assert x509.load_pem_x509_certificates(kept.encode()) == [leaf, MESH.certificate] * 2
