"""Command lines: argument parsing and printing; the work is done by the libraries below."""

from mppi_ros.jit.threads import sleep_between_solves

sleep_between_solves()
