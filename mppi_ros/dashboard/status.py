"""State of the controller in one sentence, also when it does not publish."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = 2.5  # [s] without statistics and diagnostics after which a controller counts as gone
SENTENCES = {
    'waiting': 'The controller waits',
    'driving': 'The robot drives',
    'reached': 'The robot has reached the goal',
    'braking': 'The robot brakes',
    'stopped': 'The controller has stopped the robot',
}


@dataclass(frozen=True)
class Status:
    """
    Summary for the page.

    `level` is 'ok', 'warning', 'error' or 'gone'; `text` is a sentence; `disabled` means that the
    controller has released `cmd_vel`.
    """

    level: str
    text: str
    disabled: bool = False

    @property
    def present(self) -> bool:
        """Return whether the controller publishes."""
        return self.level != 'gone'


def status_of(
    controller: str, silence: float, state: str, reason: str, level: int, others: int = 0
) -> Status:
    """
    Return the status of a controller.

    Parameters
    ----------
    controller : str
        Its full name; '' if none has been found.
    silence : float
        Time since its last message [s]; inf if none has been received.
    state, reason : str
        As in `~/statistics`; `state` may also be 'inactive' or 'disabled'.
    level : int
        Of the diagnostics: 0 ok, 1 warning, 2 error.
    others : int
        Number of other controllers that could be shown.

    """
    if not controller:
        return Status('gone', 'No controller found yet. Is mppi_controller running in this '
                      'ROS domain?')
    if silence == float('inf'):
        return Status('gone', f'Waiting for the first message of {controller}.')
    if silence > SILENCE:
        hint = f' Others are running: {others}.' if others else ''
        return Status('gone', f'{controller} is gone: no message for {silence:.0f} s.{hint}')
    if state not in SENTENCES:
        text = sentence_of(state or 'not active', '')
        return Status('warning', text, disabled=state == 'disabled')
    return Status(('ok', 'warning', 'error')[min(level, 2)], sentence_of(state, reason))


def sentence_of(state: str, reason: str) -> str:
    """Return state and reason in a sentence; '' if nothing was received."""
    text = SENTENCES.get(state, f'The controller is {state}' if state else '')
    if text and reason and reason != state:
        text = f'{text}: {reason}'
    return f'{text.rstrip(".")}.' if text else ''
