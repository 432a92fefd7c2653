"""Live proxies that are given certificates and roots of their own, and so are not the mesh's.

No breakage in a file could do this: it takes a key, and none is kept.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from cryptography import x509

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.mesh.authority import stated_root
from meshproof.mesh.injection import POD
from meshproof.probes.certificates import certificates_held, pods_of
from meshproof.progress import Progress
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import Held, misnamed, untrusted
from meshproof.waiting import WORKLOADS_READY, converge
from tests.authority import Authority, key_pem, new_key, pem_of
from tests.suites import SUITE

NAMESPACE = "certificates"
ME = f"spiffe://cluster.local/ns/{NAMESPACE}/sa/default"
NOBODY = Authority.root("nobody")

Json = dict[str, Any]


def files(name: str, content: Mapping[str, bytes]) -> Json:
    """A Secret: where Istio's agent finds these files, it does not ask istiod for them."""
    data = {file: base64.b64encode(text).decode() for file, text in content.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": OWNED},
        "data": data,
    }


def pod(name: str, secret: str = "") -> Json:
    """A pod whose proxy finds a Secret's files, where one is named."""
    manifest: Json = yaml.safe_load(POD.read_text())
    manifest["metadata"]["name"] = name
    if secret:
        volume = {"name": "own", "secret": {"secretName": secret}}
        mount = {"name": "own", "mountPath": "/etc/certs"}
        manifest["metadata"]["annotations"] = {
            "sidecar.istio.io/userVolume": json.dumps([volume]),
            "sidecar.istio.io/userVolumeMount": json.dumps([mount]),
        }
    return manifest


@pytest.fixture(scope="module")
def mesh(cluster: Cluster, progress: Progress) -> Iterator[Tutorial]:
    """A namespace with one proxy as it should be and two that are not."""
    namespace = Tutorial(cluster, NAMESPACE, SUITE, progress=progress)
    namespace.delete()
    namespace.follow_to("namespace")
    key = new_key()
    foreign = NOBODY.issue(ME, key=key)
    known = stated_root(cluster).encode()
    objects = [
        files("foreign", {"cert-chain.pem": pem_of(foreign), "key.pem": key_pem(key)}),
        files("roots", {"root-cert.pem": known + pem_of(NOBODY.certificate)}),
        pod("as-it-should-be"),
        pod("foreign", "foreign"),
        pod("second-root", "roots"),
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.command("kubectl", "-n", NAMESPACE, "apply", "-f", "-", stdin=listed)
    converge(
        namespace.pods,
        until=lambda pods: len(pods) == 3 and all(pod.settled for pod in pods),
        what="all three pods run",
        timeout=WORKLOADS_READY,
    )
    yield namespace
    namespace.delete(wait=False)


@pytest.fixture(scope="module")
def held(mesh: Tutorial) -> dict[str, Held]:
    found = certificates_held(mesh.cluster, pods_of(mesh.cluster, NAMESPACE))
    return {each.pod: each for each in found}


@pytest.fixture(scope="module")
def roots(mesh: Tutorial) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(stated_root(mesh.cluster).encode())


def test_a_certificate_of_the_mesh_is_trusted(
    held: dict[str, Held], roots: list[x509.Certificate]
) -> None:
    assert untrusted(held["as-it-should-be"], roots, datetime.now(UTC)) == []
    assert all(misnamed(each) == [] for each in held.values()), held


def test_a_certificate_of_nobody_is_not_though_its_name_is_right(
    held: dict[str, Held], roots: list[x509.Certificate]
) -> None:
    (line,) = untrusted(held["foreign"], roots, datetime.now(UTC))
    assert line.startswith(f"foreign: its certificate {held['foreign'].serial} is not of the mesh")


def test_a_proxy_that_trusts_nobody_beside_the_mesh_is_told_apart(
    held: dict[str, Held], roots: list[x509.Certificate]
) -> None:
    (line,) = untrusted(held["second-root"], roots, datetime.now(UTC))
    assert line.startswith("second-root: trusts roots that are not the mesh's")
    assert "O=nobody" in line
