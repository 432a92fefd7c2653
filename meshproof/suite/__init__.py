"""A suite: the tutorial's promises and stages, followed on a cluster, and broken on purpose."""
