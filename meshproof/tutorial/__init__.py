"""The tutorial: its stages, their commands, and following them on a cluster."""
