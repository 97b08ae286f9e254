"""The optimiser and nothing else: sampling, score, natural gradient, step rules."""
