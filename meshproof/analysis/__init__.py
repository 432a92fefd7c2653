"""What samples, timelines, captures and calls show: pure functions."""
