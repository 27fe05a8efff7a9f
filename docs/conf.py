"""Settings of the documentation site: `make docs` builds it with Sphinx, in English and in Indonesian."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import musicml  # noqa: E402

project = "musicml"
author = copyright = "musicml contributors"
version = release = musicml.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "generated_reference",  # in this folder
]
exclude_patterns = ["locales"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a generated page may begin below its first level

# Docstrings use single backticks for code.
default_role = "literal"
autodoc_typehints = "none"  # the docstrings have the types
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
# Only the examples of these pages run. A test runs those of the docstrings.
doctest_test_doctest_blocks = ""

locale_dirs = ["locales"]
gettext_compact = True  # one catalog for each folder of pages
gettext_location = False

highlight_language = "none"  # blocks without a language are output, folders and tables
html_theme = "pydata_sphinx_theme"
html_title = "musicml"
html_static_path = ["_static"]
html_css_files = ["musicml.css"]
templates_path = ["_templates"]
html_favicon = "../dashboard/icon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["language", "theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
