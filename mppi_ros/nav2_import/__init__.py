"""Conversion of Nav2 parameter files."""
