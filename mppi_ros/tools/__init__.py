"""Command lines: demo, benchmark, evaluate."""

from mppi_ros.jit.threads import sleep_between_solves

sleep_between_solves()
