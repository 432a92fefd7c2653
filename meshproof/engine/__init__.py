"""The container engine: found, or installed and started, and what it is used for."""
