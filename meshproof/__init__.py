"""Meshproof: acceptance testing of service meshes.

The library under the pytest suite: supply, engine, cluster, mesh, tutorial,
probes and the sign-off; and above it, what pytest is given of it: `plugin` and `steps`.
PYTEST_DONT_REWRITE: nothing is asserted in this file.
"""

__version__ = "0.1.0"
