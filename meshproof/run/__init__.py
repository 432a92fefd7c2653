"""A run while it lasts: its lanes, where it is, the ground that it stands on, and its end."""
