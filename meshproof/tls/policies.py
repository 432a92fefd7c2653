"""What PeerAuthentications come to for a workload, by Istio's own code.

Neither a proxy nor istiod's dump says a PeerAuthentication's name. `istioctl experimental describe
pod` works with the code that istiod does: it says which of them apply to a pod, and the modes that
they come to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.tls.modes import ServerMode

Manifest = Mapping[str, Any]
NOBODY = "-"
#: The pod's labels are what counts here, not what proxies have loaded: nothing listens at this
#: port, so that none is asked. What istioctl says of policies it says before it gives that up.
LABELS_ALONE = ("--ignoreUnmeshed", "--proxy-admin-port", "1", "--log_target", "stderr")
#: Seconds for a description; it takes less than one, on a busy machine two.
DESCRIBED = 20.0


@dataclass(frozen=True)
class Policy:
    """What counts at a port: ``name`` is ``name/namespace``, several with commas, `-` for none."""

    mode: ServerMode
    name: str = NOBODY

    def __str__(self) -> str:
        """Return what counts, for the middle of a sentence."""
        if self.name == NOBODY:
            return f"by Istio's description no PeerAuthentication has a mode, which is {self.mode}"
        return f"by Istio's description PeerAuthentication {self.name} says {self.mode}"


@dataclass(frozen=True)
class Applied:
    """The PeerAuthentications that apply to a workload, ``name/namespace`` each, and their outcome.

    ``ports`` has the modes of the ports that have one of their own; without any policy servers
    are PERMISSIVE.
    """

    mode: ServerMode = ServerMode.PERMISSIVE
    ports: Mapping[int, ServerMode] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def at(self, port: int, policies: Iterable[Manifest]) -> Policy:
        """Return what counts at a port of the pod, by the ``policies`` of these names.

        Of those that apply, the ones are named that say by themselves what they come to.
        """
        mode = self.ports.get(port, self.mode)
        saying = {_name(policy) for policy in policies if _mode(policy, port) == mode}
        return Policy(mode, ",".join(name for name in self.names if name in saying) or NOBODY)


def read_applied(cluster: Cluster, namespace: str, pod: str, mesh: str) -> Applied:
    """Ask Istio's own code which apply to a pod; ``mesh`` is the namespace that istiod is in.

    Raises ``EnvironmentBroken`` where it does not say.
    """
    sentence = f"istioctl does not say which PeerAuthentications apply to pod {pod}.{namespace}."
    argv = ("istioctl", "experimental", "describe", "pod", pod, "-n", namespace, "-i", mesh)
    try:
        done = cluster.command(*argv, *LABELS_ALONE, check=False, timeout=DESCRIBED)
    except EnvironmentBroken as error:
        raise EnvironmentBroken(sentence, str(error)) from error
    try:
        return parse_description(done.stdout)
    except ValueError as error:
        raise EnvironmentBroken(sentence, f"{error}\n{done.transcript()}") from error


def parse_description(printed: str) -> Applied:
    """Read what istioctl prints of a pod. Raises ``ValueError`` where nothing of policies is in it.

    It has no output for machines.
    """
    _, found, text = printed.partition("Effective PeerAuthentication:\n")
    mode = re.search(r"^ +Workload mTLS mode: (\w+)$", text, re.MULTILINE)
    if not found or not mode:
        raise ValueError("It prints no effective PeerAuthentication.")
    ports = re.findall(r"^ +(\d+): (\w+)$", text, re.MULTILINE)
    names = re.search(r"^Applied PeerAuthentication:\n +(.+)$", text, re.MULTILINE)
    listed = [name.rpartition(".") for name in names[1].split(", ")] if names else []
    return Applied(
        ServerMode(mode[1]),
        {int(port): ServerMode(said) for port, said in ports},
        tuple(f"{name}/{namespace}" for name, _, namespace in listed),
    )


def _name(policy: Manifest) -> str:
    return f"{policy['metadata']['name']}/{policy['metadata']['namespace']}"


def _mode(policy: Manifest, port: int) -> str:
    """What a policy says by itself of a port: nothing need be in it, and it need say nothing."""
    spec = policy.get("spec") or {}
    at_port = (spec.get("portLevelMtls") or {}).get(str(port)) or {}
    for mtls in (at_port, spec.get("mtls") or {}):
        mode = mtls.get("mode", "UNSET")
        if mode != "UNSET":
            return str(mode)
    return ""
