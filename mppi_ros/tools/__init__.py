"""Command lines: demo, benchmark, evaluate."""

from mppi_ros.mppi.threads import sleep_between_solves

sleep_between_solves()
