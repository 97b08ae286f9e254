"""Driving among moving things: suites, metrics, baselines, a search for a contact-free drive."""
