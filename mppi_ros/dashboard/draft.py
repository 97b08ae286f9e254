"""Drafts of parameters: changed and checked on the page, never sent to the controller."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
import dataclasses

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.dashboard.parameter_model import ParameterModel
from mppi_ros.parameters.declaration import Value, describe, replace
from mppi_ros.parameters.errors import MppiError

INFOS = describe(ControllerParameters)
NAMES = frozenset(info.name for info in INFOS)


class Draft:
    """
    Values beside those of a controller; a ParameterPanel changes them like its values.

    Attributes
    ----------
    parameters : ParameterModel
        The parameters of the controller with the drafts.

    """

    def __init__(self, source: ParameterModel) -> None:
        self._source = source
        self._version = self._generation = -1
        self.parameters = ParameterModel(INFOS)

    def refresh(self) -> None:
        """Take over changes of the controller; drafts stay."""
        source, drafts = self._source, self.changes()
        if source.version == self._version:
            return
        self._version = source.version
        current = [entry for group in source.groups().values() for entry in group]
        if source.generation == self._generation:
            self.parameters.rebase({entry.name: entry.value for entry in current})
            return
        self._generation = source.generation
        self.parameters.load(source.node, [
            dataclasses.replace(e, initial=e.value, value=drafts.get(e.name, e.value))
            for e in current
        ])  # fmt: skip

    def changes(self) -> dict[str, Value]:
        """Return the drafts that differ from the values of the controller."""
        return {entry.name: entry.value for entry in self.parameters.changed()}

    def change(
        self, changes: Mapping[str, Value], *, undoable: bool = True
    ) -> Future[str]:
        """Set drafts, all or none; the future has the reason of a refusal, or ''."""
        answer: Future[str] = Future()
        model = self.parameters
        entries = [entry for group in model.groups().values() for entry in group]
        before = {entry.name: entry.value for entry in entries}
        together = {**before, **changes}
        try:
            replace(ControllerParameters(), {
                name: value for name, value in together.items() if name in NAMES
            })  # fmt: skip
        except MppiError as error:
            answer.set_result(str(error))
            return answer
        if undoable:
            model.remember({name: before[name] for name in changes}, changes)
        model.update(changes)
        answer.set_result('')
        return answer
