from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshproof.cluster.pods import (
    PodState,
    container_names,
    no_room,
    older_than,
    pod_state,
    pods_table,
    refuse_hopeless,
    unsettled,
)
from meshproof.errors import EnvironmentBroken

NAME = "voting-app-1-0-5c4-x7k2p"
SETTLED = PodState(
    NAME, "voting-app", "1.0", "Running", ready=2, containers=2, restarts=0, proxied=True,
    stopping=False,
)  # fmt: skip


def container(name: str, *, ready: bool = True, restarts: int = 0) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts}


def pod(**status: Any) -> dict[str, Any]:
    """A pod as the API server has it, with its proxy as a native sidecar."""
    return {
        "metadata": {"name": NAME, "labels": {"app": "voting-app", "version": "1.0"}},
        "spec": {
            "initContainers": [
                {"name": "istio-init"},
                {"name": "istio-proxy", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "voting-app"}],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [container("voting-app")],
            "initContainerStatuses": [container("istio-init"), container("istio-proxy")],
            **status,
        },
    }


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.", True),
        ("Unschedulable", "0/1 nodes are available: 1 Too many pods.", True),
        ("Unschedulable", "0/2 nodes are available: 2 node(s) had untolerated taint(s).", True),
        ("Unschedulable", "no nodes available to schedule pods", True),
        ("Unschedulable", 'persistentvolumeclaim "mysql-pv-claim" not found.', False),
        ("Unschedulable", "pod has unbound immediate PersistentVolumeClaims.", False),
        ("SchedulingGated", "Insufficient gates", False),
    ],
)
def test_a_pod_without_room_is_the_clusters_affair(reason: str, message: str, told: bool) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    state = pod_state(pod(phase="Pending", conditions=[condition]))
    assert state.no_room == (message if told else "")
    assert state.unscheduled == (message if reason == "Unschedulable" else "")


NEVER = 'Back-off pulling image "registry.example.org/app:1": ErrImagePull: not found'


@pytest.mark.parametrize("kind", ["initContainerStatuses", "containerStatuses"])
@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("ImagePullBackOff", NEVER, f"ImagePullBackOff: {NEVER}"),
        ("ErrImagePull", "401\nUnauthorized", "ErrImagePull: APP: 401 Unauthorized"),
        ("ErrImageNeverPull", "", "ErrImageNeverPull: APP"),
        ("ContainerCreating", "", ""),
        ("CrashLoopBackOff", "back-off 10s restarting", ""),
    ],
)
def test_an_image_that_a_node_does_not_get_is_told(
    kind: str, reason: str, message: str, told: str
) -> None:
    image = "registry.example.org/app:1"
    waiting = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    status = {**container("voting-app", ready=False), "image": image, "state": waiting}
    state = pod_state(pod(phase="Pending", **{kind: [status]}))
    assert state.not_pulled == told.replace("APP", image)
    if told:
        with pytest.raises(EnvironmentBroken) as caught:
            refuse_hopeless([SETTLED, state], "voting")
        assert state.not_pulled in caught.value.sentence
        assert f"pod {NAME} in voting" in caught.value.sentence
    refuse_hopeless([SETTLED, replace(state, stopping=True)], "voting")


def test_what_is_said_of_a_cluster_without_room() -> None:
    assert no_room([SETTLED], "voting") is None
    full = no_room([SETTLED, replace(SETTLED, unscheduled="Too many pods.")], "voting")
    assert full
    assert "no room for pod" in full.sentence
    assert "Too many pods." in full.sentence


def deployment(replicas: int | None = 3, **status: Any) -> dict[str, Any]:
    labels = {"app": "voting-app", "version": "1.0"}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}}
    return {
        "metadata": {"name": "voting-app-1-0", "generation": 2},
        "spec": spec if replicas is None else {**spec, "replicas": replicas},
        "status": {
            "observedGeneration": 2,
            "availableReplicas": 1 if replicas is None else replicas,
            "terminatingReplicas": 0,
            **status,
        },
    }


def test_a_native_sidecar_counts_and_another_init_container_does_not() -> None:
    state = pod_state(pod())
    assert state == SETTLED
    assert state.settled
    assert str(state) == f"{NAME} 2/2 Running 0"


def test_a_proxy_that_is_an_ordinary_container_counts_too() -> None:
    old = pod(
        containerStatuses=[container("voting-app"), container("istio-proxy")],
        initContainerStatuses=[container("istio-init")],
    )
    old["spec"]["initContainers"].pop()
    old["spec"]["containers"].append({"name": "istio-proxy"})
    assert pod_state(old) == SETTLED


def test_a_pod_without_a_proxy() -> None:
    plain = pod(initContainerStatuses=[])
    plain["spec"].pop("initContainers")
    assert pod_state(plain) == replace(SETTLED, ready=1, containers=1, proxied=False)


def test_restarts_of_all_containers_that_run_are_added_up() -> None:
    restarted = pod(
        containerStatuses=[container("voting-app", restarts=2)],
        initContainerStatuses=[
            container("istio-init", restarts=9),
            container("istio-proxy", restarts=1),
        ],
    )
    assert pod_state(restarted).restarts == 3


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ({"containerStatuses": [container("voting-app", ready=False)]}, "1/2 Running 0"),
        (
            {"initContainerStatuses": [container("istio-proxy", ready=False, restarts=4)]},
            "1/2 Running 4",
        ),
        ({"phase": "Pending", "containerStatuses": [], "initContainerStatuses": []},
         "0/2 Pending 0"),
        ({"phase": "Failed"}, "2/2 Failed 0"),
    ],
)  # fmt: skip
def test_a_pod_that_is_not_whole_is_not_settled(status: dict[str, Any], line: str) -> None:
    state = pod_state(pod(**status))
    assert not state.settled
    assert str(state) == f"{NAME} {line}"


@pytest.mark.parametrize("status", [{}, {"phase": "Pending"}])
def test_a_pod_that_nobody_has_looked_at_yet(status: dict[str, Any]) -> None:
    young = {**pod(), "status": status}
    assert pod_state(young) == replace(SETTLED, phase=status.get("phase", "Unknown"), ready=0)
    young.pop("status")
    assert pod_state(young).phase == "Unknown"


def test_a_pod_on_its_way_out_is_not_settled_however_ready_it_is() -> None:
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T16:38:01Z"
    assert not pod_state(leaving).settled
    assert str(pod_state(leaving)) == f"{NAME} 2/2 Terminating 0"


def test_a_pod_of_somebody_else_has_no_app_and_no_version() -> None:
    other = pod()
    other["metadata"].pop("labels")
    assert pod_state(other) == replace(SETTLED, app="", version="")


def test_all_pods_of_all_deployments_are_there() -> None:
    assert unsettled([SETTLED] * 3, [deployment()]) == []
    assert unsettled([SETTLED], [deployment(replicas=None)]) == []
    assert unsettled([], [deployment(replicas=0)]) == []
    assert unsettled([], []) == []


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_too_few_or_too_many_pods(count: int) -> None:
    assert unsettled([SETTLED] * count, [deployment()]) == [f"voting-app-1-0: {count} of 3 pods"]


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"app": "voting-analytics"}])
def test_pods_of_another_version_or_component_do_not_stand_in(change: dict[str, str]) -> None:
    other = replace(SETTLED, **change)  # type: ignore[arg-type]
    assert unsettled([SETTLED, SETTLED, other], [deployment()]) == [
        f"{other}: of no Deployment",
        "voting-app-1-0: 2 of 3 pods",
    ]


def test_every_pod_that_is_not_settled_is_named() -> None:
    starting, leaving = replace(SETTLED, ready=1), replace(SETTLED, stopping=True)
    assert unsettled([SETTLED, starting, leaving], [deployment()]) == [str(starting), str(leaving)]


def test_why_a_pod_has_no_node_stands_beside_its_name() -> None:
    waiting = replace(SETTLED, phase="Pending", ready=0, unscheduled="claim not found.")
    assert unsettled([waiting], [deployment(1)]) == [
        f"{NAME} 0/2 Pending 0, on no node: claim not found."
    ]


@pytest.mark.parametrize("status", [{"observedGeneration": 1}, {"observedGeneration": 0}])
def test_pods_of_the_generation_before_do_not_count(status: dict[str, int]) -> None:
    unseen = ["voting-app-1-0: not yet seen by its controller"]
    assert unsettled([SETTLED] * 3, [deployment(**status)]) == unseen
    bare = {**deployment(replicas=0), "status": {}}
    assert unsettled([], [bare]) == unseen


def test_what_the_controller_has_not_counted_yet_is_not_settled() -> None:
    assert unsettled([SETTLED] * 3, [deployment(availableReplicas=2)]) == [
        "voting-app-1-0: its controller counts 2 of 3 pods, and 0 that stop"
    ]
    assert unsettled([SETTLED] * 3, [deployment(terminatingReplicas=1)]) == [
        "voting-app-1-0: its controller counts 3 of 3 pods, and 1 that stop"
    ]


TABLE = """\
NAME                       READY   STATUS    RESTARTS      AGE
voting-app-1-0-5c4-x7k2p   2/2     Running   0             4m12s
voting-app-1-0-5c4-zz9q4   1/2     Running   3 (12s ago)   4m12s

"""


def test_the_table_of_get_pods() -> None:
    assert pods_table(TABLE) == [
        "voting-app-1-0-5c4-x7k2p 2/2 Running 0",
        "voting-app-1-0-5c4-zz9q4 1/2 Running 3",
    ]
    assert pods_table(TABLE)[0] == str(SETTLED)
    assert pods_table("") == pods_table(TABLE.splitlines()[0]) == []


# As kubectl 1.36 prints it, cut down.
DESCRIPTION = """\
Name:             voting-app-1-0-5c4-x7k2p
Namespace:        voting
Labels:           app=voting-app
                  version=1.0
Annotations:      istio.io/rev: default
                  sidecar.istio.io/status:
                    {"initContainers":["istio-init","istio-proxy"],"containers":null}
Status:           Running
IPs:
  IP:           10.244.0.13
Controlled By:  ReplicaSet/voting-app-1-0-5c4
Init Containers:
  istio-init:
    Container ID:  containerd://f22fc7
    Args:
      istio-iptables
      -x
      
      -b
      *
    State:          Terminated
      Reason:       Completed
    Ready:          True
    Restart Count:  0
    Requests:
      cpu:        10m
    Environment:  <none>
    Mounts:       <none>
  istio-proxy:
    Container ID:  containerd://61a0e8
    State:          Running
    Environment:
      ISTIO_META_POD_PORTS:          [
                                         {"name":"http","containerPort":8080}
                                     ]
Containers:
  voting-app:
    Container ID:   containerd://763eef
    Port:           8080/TCP (http)
    Environment:    <none>
    Mounts:
      /tmp from scratch (rw)
Conditions:
  Type                        Status
  PodReadyToStartContainers   True
  Ready:
Volumes:
  scratch:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
Events:
  Type    Reason   Age   From     Message
  ----    ------   ----  ----     -------
  Normal  Created  4m    kubelet  spec.initContainers{istio-proxy}: Container created
"""  # noqa: W293 - the blank argument is printed so


@pytest.mark.parametrize(
    ("booted", "older"),
    [
        ("2026-11-25T16:43:08.999999999Z", []),
        ("2026-11-25T16:43:09.5Z", []),
        ("2026-11-25T16:43:10Z", [NAME]),
    ],
)
def test_pods_that_are_older_than_their_node_are_named(booted: str, older: list[str]) -> None:
    made = pod()
    made["metadata"]["creationTimestamp"] = "2026-11-25T16:43:09Z"
    assert older_than([made], booted) == older
    assert older_than([], booted) == []


def test_containers_and_init_containers_are_read_and_nothing_else() -> None:
    assert container_names(DESCRIPTION) == ["istio-init", "istio-proxy", "voting-app"]


def test_a_description_without_containers_has_none() -> None:
    head = DESCRIPTION.partition("Init Containers:")[0]
    assert container_names(head) == container_names("") == []


def test_descriptions_of_two_pods_are_read_one_after_the_other() -> None:
    plain = "Name: storage\nContainers:\n  voting-storage:\n    Port: 6379/TCP\nEvents: <none>\n"
    assert container_names(f"{DESCRIPTION}\n\n{plain}") == [
        "istio-init", "istio-proxy", "voting-app", "voting-storage",
    ]  # fmt: skip
