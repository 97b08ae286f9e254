"""Arguments of launch files, which are text."""

from __future__ import annotations

BOOLEANS = {
    'true': True, '1': True, 'yes': True, 'on': True,
    'false': False, '0': False, 'no': False, 'off': False,
}  # fmt: skip


def boolean(name: str, text: str) -> bool:
    """
    Return the value of a switch.

    Raises
    ------
    ValueError
        The text is not in BOOLEANS.

    """
    try:
        return BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f'{name} = {text!r} must be true or false') from None


def given_booleans(arguments: dict[str, str], *names: str) -> dict[str, bool]:
    """Return the values of those switches that are not empty, by name."""
    return {name: boolean(name, arguments[name]) for name in names if arguments[name].strip()}
