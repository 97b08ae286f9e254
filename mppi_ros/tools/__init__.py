"""Command lines: demo, benchmark, evaluate."""
