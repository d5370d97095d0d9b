"""How the documentation is built: ``make docs``, with warnings as errors and no network."""

from __future__ import annotations

import sys
from pathlib import Path

import lora_lens

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lora-lens"
author = "the lora-lens developers"
project_copyright = f"2026, {author}"
release = version = lora_lens.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "commands",
    "local_mathjax",
]
# Of docs/results only the pages: the tables stand in them.
exclude_patterns = ["_build", "results/*/tables/**", "results/*/runs/**", "**.ipynb_checkpoints"]

html_theme = "furo"
html_title = f"lora-lens {release}"
html_static_path = ["_static"]
html_css_files = ["legible.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["amsmath", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

# docs/notebooks is a link to notebooks/. They are run here, and
# never from a cache: a cache knows the cells and not the package, so that it would go on showing an
# older version's numbers. It costs seconds.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 1800  # of a cell, on however busy a machine
nb_merge_streams = True

# `phi` in a docstring is a link where it is a public name, and code where it is an argument.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"Array": "numpy.ndarray"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 72
add_module_names = False

# Other projects' names cannot be looked up without a network, and arguments have no page: nitpicky
# is for the references that say they are lora-lens's own.
nitpicky = True
# Attributes of one name in several results (`mean`): either is a fit target.
suppress_warnings = ["ref.python"]
nitpick_ignore_regex = [
    (r"py:.*", r"(?!lora_lens\.).*"),
    # Type variables.
    (
        r"py:class",
        r"lora_lens\.(chance\.against_null\.Number|show\.drawing\.with_matplotlib\.Filled)",
    ),
    # Kept inside: what opens a file, and how sizes of a number are called.
    (
        r"py:class",
        r"lora_lens\.files\.(mapped\.(MappedFile|Version)|pickled\.BinFile|in_memory\.MemoryFile|prefixed\.PrefixedFile|tensors\.OpenFile)",
    ),
    (
        r"py:class",
        r"lora_lens\.(formats\.format\.Thetas|formats\.adapter_files\.Live|show\.findings\.Scale|arrays\.Stored)",
    ),
]
