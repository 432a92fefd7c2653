"""tls-check: whether both sides of each call in the mesh agree on TLS, asked of the proxies."""
