"""The cluster: made by kind, or one that exists; and the ways to ask it things."""
