"""Closed-loop evaluation: cases, suites, runner, comparison, reports."""

from mppi_ros.jit.threads import sleep_between_solves

sleep_between_solves()
