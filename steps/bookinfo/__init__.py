"""Steps that Bookinfo alone needs, and what they look with."""
