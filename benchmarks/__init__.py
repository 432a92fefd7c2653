"""What Meshproof costs, beside what it is made of: `tox run -e bench`."""
