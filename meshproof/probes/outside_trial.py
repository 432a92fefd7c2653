"""A client outside the mesh tries every pod and every Service, and the proxies count it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import get
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.mesh.proxy_stats import NO_CHAIN, NOT_VERIFIED, PASSED_ON, ProxyCounts
from meshproof.probes.forged_certificate import home_made
from meshproof.probes.non_mesh_client import (
    MESH_ALPN,
    Attempt,
    OutsideClient,
    Target,
    answered,
    find_targets,
    mesh_certificate,
)
from meshproof.probes.scratch_namespace import baseline
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import identity
from meshproof.wording import in_turn, listed, number

PLAIN = {"tls": False}
#: How a client asks that is to be refused, as a feature says it.
IN_PLAIN_TEXT, WITHOUT_CERTIFICATE = "plain text", "TLS without a certificate of the mesh"


@dataclass(frozen=True)
class Trial:
    """Attempts of the client, and by how much the proxies' counts rose meanwhile.

    ``how`` says in what it spoke. ``refused`` counts connections that mutual TLS did not
    let in, ``passed_on`` the bytes that reached an application. ``forged`` is the certificate
    of its own making that it showed, where it did.
    """

    how: str
    attempts: list[Attempt]
    refused: int
    passed_on: int
    forged: str = ""

    def without_response(self) -> Observation:
        """Hold all attempts against getting not a byte."""
        got, all_of_them = answered(self.attempts), len(self.attempts)
        forged = {"certificate of its own making": self.forged} if self.forged else {}
        return Observation(
            results=[
                f"{all_of_them - len(got)} of {all_of_them} attempts {self.how} got not a byte."
            ],
            texts={f"attempts {self.how}": as_lines(self.attempts), **forged},
            problems=unless(
                all_of_them and not got,
                f"not refused {self.how}: {len(got)} of {all_of_them}: {in_turn(got)}",
            ),
        )

    def counted(self) -> Observation:
        """Hold what the proxies counted against each attempt refused, and nothing passed on."""
        tried = len(self.attempts)
        return Observation(
            details=[
                f"{number(tried, 'attempt')}: {self.refused} refused by mutual TLS, "
                f"{self.passed_on} bytes passed on to an application"
            ],
            problems=unless(
                (self.refused, self.passed_on) == (tried, 0),
                f"{tried} attempts, {self.refused} counted as refused by mutual TLS, "
                f"{self.passed_on} bytes passed on",
            ),
        )

    def served_in_plain_text(self) -> Observation:
        """Hold all attempts against being served."""
        unserved = [str(attempt) for attempt in self.attempts if not attempt.served]
        tried = len(self.attempts)
        return Observation(
            baselines=[
                f"{tried - len(unserved)} of {tried} were served in plain text, {self.passed_on} "
                f"bytes passed on to an application, {self.refused} refused."
            ],
            texts={"plain text before": as_lines(self.attempts)},
            problems=[
                *unless(tried and not unserved, f"not served in plain text: {in_turn(unserved)}"),
                *unless(self.passed_on > 0, "the proxies do not count what they pass on"),
            ],
        )

    def let_in(self, apps: Sequence[str]) -> Observation:
        """Hold all attempts against being answered in TLS; of these apps some must be served."""
        silent = [str(attempt) for attempt in self.attempts if not attempt.received]
        served = [attempt.target.name for attempt in self.attempts if attempt.served]
        serving = {one.target.app for one in self.attempts if one.served}
        tried = len(self.attempts)
        return Observation(
            baselines=[
                f"With a certificate of the mesh {tried - len(silent)} of {tried} answered, "
                f"{len(served)} served, {self.refused} refused."
            ],
            details=[f"served: {listed(served)}; {self.passed_on} bytes passed on"],
            texts={"TLS with a certificate of the mesh": as_lines(self.attempts)},
            problems=[
                *unless(tried and not silent, f"no answer in TLS: {in_turn(silent)}"),
                *unless(serving >= {*apps}, f"served: {listed(served, most=len(served))}"),
                *unless(self.passed_on > 0, "the proxies do not count what they pass on"),
            ],
        )


@dataclass(frozen=True)
class OutsideTrials:
    """Asks every pod and every Service from outside the mesh, and counts at the proxies."""

    client: OutsideClient
    tutorial: Tutorial
    counts: ProxyCounts

    def in_plain_text(self) -> Trial:
        """Ask in plain text."""
        return self._try(NO_CHAIN, "in plain text", PLAIN)

    def asked_in(self, how: str) -> Trial:
        """Ask in ``IN_PLAIN_TEXT`` or in ``WITHOUT_CERTIFICATE``. Raises ``KeyError``."""
        ways = {
            IN_PLAIN_TEXT: self.in_plain_text,
            WITHOUT_CERTIFICATE: self.without_mesh_certificate,
        }
        return ways[how]()

    def with_mesh_certificate(self) -> Trial:
        """Ask in TLS, with a certificate of the mesh."""
        shown = mesh_certificate(self.tutorial.cluster, self.tutorial.namespace)
        return self._try(NOT_VERIFIED, "in TLS", {"shown": shown, "alpn": MESH_ALPN})

    def without_mesh_certificate(self) -> Trial:
        """Ask in TLS without a certificate, and with one of its own making in a workload's name.

        The workload is the tutorial's first.
        Istio's own authority calls itself by the trust domain, and so does that of the latter.
        """
        domain = trust_domain(mesh_config(self.tutorial.cluster))
        first = self.tutorial.suite.workloads[0]
        pod = self.tutorial.pod_of(first.app, first.version).name
        path = f"/api/v1/namespaces/{self.tutorial.namespace}/pods/{pod}"
        forged = home_made(identity(domain, get(self.tutorial.cluster, path)), domain)
        ways: list[dict[str, Any]] = [{}, {"shown": forged}, {"shown": forged, "alpn": MESH_ALPN}]
        trial = self._try(NOT_VERIFIED, "in TLS", *ways)
        return replace(trial, forged=str(forged.certificate))

    def of_mysqls_kind(self) -> Observation:
        """Read the greeting of a server of MySQL's kind in plain text, where no proxy is."""
        with baseline(self.client.cluster, self.client.namespace) as pod:
            name = "a server without a proxy:3306"
            target = Target(name, "baseline", pod, 3306, "mysql")
            (attempt,) = self.client.ask([target], tls=False)
        return Observation(baselines=[f"{attempt}."], problems=unless(attempt.served, str(attempt)))

    def _try(self, refusals: re.Pattern[str], how: str, *ways: dict[str, Any]) -> Trial:
        tutorial = self.tutorial
        targets = find_targets(tutorial.cluster, tutorial.namespace, tutorial.suite.workloads)
        proxied = [pod.name for pod in self.tutorial.pods() if pod.proxied]

        before = self.counts.sums(proxied, refusals, PASSED_ON)
        attempts = [attempt for way in ways for attempt in self.client.ask(targets, **way)]
        after = self.counts.sums(proxied, refusals, PASSED_ON)
        refused, passed_on = (now - then for now, then in zip(after, before, strict=True))
        return Trial(how, attempts, refused, passed_on)


def as_lines(attempts: Sequence[Attempt]) -> str:
    """Write attempts down, one a line."""
    return "".join(f"{attempt}\n" for attempt in attempts)
