"""Parameters declared as frozen dataclasses: default, unit, range and description."""
