"""Benchmarks: solve, latency, closed loop, theory, soak, peers, start-up."""

from mppi_ros.jit.threads import sleep_between_solves

sleep_between_solves()
