"""Seeing injection happen: pods made before and after a namespace is labelled (D1)."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import delete_namespace, equip, owned_once_created
from meshproof.cluster.pods import PodState
from meshproof.mesh.injection import POD, await_injection
from meshproof.probes.scratch_namespace import make_pod
from meshproof.process import Completed
from meshproof.progress import Progress


class InjectionProbe:
    """A namespace beside the tutorial's, made and labelled by the tutorial's own commands."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        commands: Sequence[str],
        *,
        progress: Progress,
        keep: Callable[[Completed], None],
    ) -> None:
        """``commands`` create and label the namespace; ``keep`` gets each that is run."""
        self.cluster = cluster
        self.namespace = namespace
        self.keep = keep
        #: Why the API server refuses the suites' access log there, or "".
        self.refused = ""
        self._progress = progress
        self._create, self._label = map(cluster.mesh.command, commands)

    def create(self) -> None:
        """Create the namespace, not labelled for injection."""
        with owned_once_created(self.cluster, self.namespace):
            self._run(self._create)
        self.refused = equip(self.cluster, self.namespace)

    def make_unlabelled(self, name: str) -> PodState:
        """Create the namespace, not labelled, and a pod in it. Raises ``NotConverged``."""
        self.create()
        return self.make_pod(name)

    def label(self) -> None:
        """Label the namespace as the tutorial does, and wait until pods are admitted by it."""
        self._run(self._label)
        await_injection(self.cluster, self.namespace)

    def make_pod(self, name: str) -> PodState:
        """Make a pod and return its state once it runs. Raises ``NotConverged``."""
        return make_pod(self.cluster, self.namespace, POD, name)

    def remove(self, *, wait: bool) -> None:
        """Delete the namespace, if it is there; ``wait`` until it is gone, or let it go."""
        delete_namespace(self.cluster, self.namespace, self._progress, wait=wait)

    def _run(self, command_line: str) -> None:
        self.keep(self.cluster.command(*shlex.split(command_line)))


def told_of_proxy(made: str, pod: PodState) -> str:
    """Say in a sentence whether a pod, which was ``made`` then, has a proxy."""
    return f"The pod made {made} has {'a' if pod.proxied else 'no'} proxy ({pod})."
