"""Tuning of the controller's parameters by closed-loop episodes, with held-out episodes."""
