"""Looks at the claim, the endpoints and the readiness check of storage."""

from __future__ import annotations

import shlex

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import get, live_objects
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed
from steps.voting.stored_rows import STORAGE, claims_of, readiness_command

#: What the application could not use MySQL with, if it were told so.
AMISS = (("MYSQL_PASSWORD=not-the-password",), ("MYSQL_DATABASE=not-the-database",))


def claim_in_use(tutorial: Tutorial, claim: str) -> Observation:
    """Look whether a claim is bound, and what claims storage 2.0 has mounted."""
    path = f"/api/v1/namespaces/{tutorial.namespace}/persistentvolumeclaims/{claim}"
    phase = get(tutorial.cluster, path)["status"]["phase"]
    pod = tutorial.pod_of(STORAGE, "2.0").name
    mounted = claims_of(tutorial.cluster, tutorial.namespace, pod)
    return Observation(
        details=[f"claim {claim} is {phase}; {pod} has mounted {listed(mounted)}"],
        problems=[
            *unless(phase == "Bound", f"claim {claim} is {phase}"),
            *unless(mounted == [claim], f"{pod} has mounted {listed(mounted)}"),
        ],
    )


def readiness(tutorial: Tutorial) -> Observation:
    """Run the readiness check of storage 2.0 as it stands, and with what it cannot log in with."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    command = readiness_command(live["Deployment", "voting-storage-2-0"])
    if not command:
        return Observation(problems=["the kubelet asks storage 2.0 by no command if it is ready"])
    pod, asks = tutorial.pod_of(STORAGE, "2.0").name, " ".join(command)
    exec_in = ("kubectl", "exec", pod, "-n", tutorial.namespace, "-c", STORAGE, "--", "env")
    codes = {
        told: tutorial.run_own(shlex.join([*exec_in, *told, *command]), check=False).exit_code
        for told in ((), *AMISS)
    }
    lines = [f"{' '.join(told) or 'told nothing else'}: exit code {c}" for told, c in codes.items()]
    return Observation(
        details=[f"{asks}, {'; '.join(lines)}"],
        problems=[
            *unless(codes.pop(()) == 0, f"not ready, says {asks}"),
            *unless(all(codes.values()), f"ready all the same, by {asks}: {in_turn(lines)}"),
        ],
    )
