"""How Sphinx builds these pages: `./dev docs`; a warning is an error there."""

from __future__ import annotations

from remote_install import __version__

project = "remote-install"
project_copyright = "the authors of remote-install"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"remote-install {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
