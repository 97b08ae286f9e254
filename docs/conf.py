"""Web pages of docs/*.md by Sphinx: make docs."""
project = 'mppi_ros'
author = 'mppi_ros contributors'
extensions = ['myst_parser']
myst_enable_extensions = ['dollarmath', 'amsmath']
myst_heading_anchors = 3
# The README is no page of its own; its link is for those who read the files.
suppress_warnings = ['myst.xref_missing']
html_theme = 'alabaster'
