"""A costmap processor that processes the newest request only when the test calls it."""
from __future__ import annotations

from mppi_ros.control.costmap_processing import (
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
)


class DeferredProcessor:
    """Stores the newest request; `process` and `fail` produce its result."""

    def __init__(self) -> None:
        self.request: ProcessingRequest | None = None
        self.done: ProcessedCostmap | ProcessingFailure | None = None

    def submit(self, request: ProcessingRequest) -> None:
        self.request = request

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        done, self.done = self.done, None
        return done

    def process(self) -> None:
        self.done = self.request.process()

    def fail(self) -> None:
        self.done = ProcessingFailure(self.request, ZeroDivisionError('a mistake'))
