"""From options to a cluster and a mesh that answer, and what becomes of them."""
