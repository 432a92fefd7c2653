"""Step definitions, one module a noun; each asks a fixture and hands on to an expectation."""
