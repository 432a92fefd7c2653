"""The sign-off: each promise joined to its scenarios, their evidence and a verdict."""
