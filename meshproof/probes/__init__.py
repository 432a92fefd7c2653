"""Probes: asking the application something and writing down exactly what came back."""
