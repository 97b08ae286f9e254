"""A surveyor that processes the newest request only when the test calls it."""
from __future__ import annotations

from mppi_ros.control.costmap_processing import (
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
)


class DeferredSurveyor:
    """Stores the newest request; `work` and `fail` produce its result."""

    def __init__(self) -> None:
        self.request: ProcessingRequest | None = None
        self.done: ProcessedCostmap | ProcessingFailure | None = None

    def ask(self, request: ProcessingRequest) -> None:
        self.request = request

    def answer(self) -> ProcessedCostmap | ProcessingFailure | None:
        done, self.done = self.done, None
        return done

    def work(self) -> None:
        self.done = self.request.survey()

    def fail(self) -> None:
        self.done = ProcessingFailure(self.request, ZeroDivisionError('a mistake'))
