"""Bookinfo: the components `productpage`, `details`, `reviews` and `ratings`, in every version.

Which component and version a process is comes from its environment (`settings`). Names, paths
and timeouts are those of Istio's sample of this name.
"""
