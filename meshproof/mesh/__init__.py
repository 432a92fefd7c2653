"""The mesh: Istio, installed by its own installer, and its ingress gateway."""
