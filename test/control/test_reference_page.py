"""The page of parameters: as the declarations are now, and complete."""
from __future__ import annotations

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.reference_page import table
from mppi_ros.parameters.declaration import flatten
from mppi_ros.share import share_path


def test_page_is_up_to_date():
    page = share_path('docs', 'parameters.md')
    assert page.read_text('utf-8') == table(), 'run python -m mppi_ros.control.reference_page'


def test_page_names_every_parameter():
    page = table()
    assert all(f'| `{name}` |' in page for name in flatten(ControllerParameters()))
