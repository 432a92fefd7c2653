"""Supply: everything that a cluster and a mesh are made of, built from package registries.

A recipe names its inputs; its key is their digest; what it builds is kept under
that key outside the checkout and built again only where an input changed. See
docs/supply.md.
"""
