"""A mesh with Istio's default settings, as the tutorial's reader has one."""

from __future__ import annotations

from meshproof.mesh.capabilities import Capability
from tests.clusters.by_hand import Mesh, default_operator

MESH = Mesh("defaults", default_operator()[0])
#: What these settings have nothing of, as docs/expectations.md says.
UNSEEN = {Capability.ACCESS_LOG, Capability.REQUEST_COUNTS, Capability.REFUSAL_COUNTS}
