"""Meshproof: acceptance testing of service meshes.

The library under the pytest suite: supply, engine, cluster, mesh, tutorial,
probes and the sign-off. It knows nothing of pytest.
"""

__version__ = "0.1.0"
