"""How kind is told to make a cluster, for the machine that it is made on."""

from __future__ import annotations

import json
from typing import Any

from meshproof.engine.machine import Machine
from meshproof.paths import DATA

CONFIG = DATA / "manifests" / "kind" / "cluster.yaml"


def cluster_config(
    base: dict[str, Any], *, nodes: int, machine: Machine, own_node: bool = True
) -> dict[str, Any]:
    """Return kind's configuration for this machine: the base, and what the machine asks for.

    ``own_node`` says that the node image is the supply's, which brings its own network.
    """
    result: dict[str, Any] = json.loads(json.dumps(base))
    if not own_node:
        del result["networking"]
    result["nodes"] += [{"role": "worker"} for _ in range(nodes - 1)]
    if machine.cgroup == 1:
        # Today's kubelet refuses cgroup v1 unless told otherwise.
        result.setdefault("kubeadmConfigPatches", []).append(
            "kind: KubeletConfiguration\nfailCgroupV1: false\n"
        )
    if "CAP_SYS_RESOURCE" in machine.withheld:
        # Lowering an OOM score takes the capability; containerd must not try.
        result.setdefault("containerdConfigPatches", []).append(
            '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'
        )
    return result
