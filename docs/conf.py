"""Sphinx configuration of the web pages: make docs. The pages work without a network."""
project = 'mppi_ros'
author = 'mppi_ros contributors'
extensions = ['myst_parser', 'sphinx-mathjax-offline']  # MathJax is served by the pages themselves
myst_enable_extensions = ['dollarmath', 'amsmath']
myst_heading_anchors = 3
# Links to source files lead somewhere in a checkout only.
suppress_warnings = ['myst.xref_missing']
html_theme = 'furo'
html_title = 'mppi_ros'
html_static_path = ['static']
html_css_files = ['tables.css']
