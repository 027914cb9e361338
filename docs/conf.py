"""How Sphinx builds the site: `make -C docs html`."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "regmdp"
author = "The regmdp developers"
copyright = author
version = release = installed_version("regmdp")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "docstrings",
    "lessons",
    "mathematics",
    "pages",
    "reference",
]
exclude_patterns = ["_*", "katex", "lessons"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown", ".myst": "markdown"}
nitpicky = True
# The lists of names hold those of several modules, and so name each with its module.
suppress_warnings = ["autosummary.import_cycle"]
default_role = "code"

# ------------------------------------------------------------------------------------- documents

myst_heading_anchors = 4  # the anchors of GitHub
myst_enable_extensions = ["html_image"]

# ------------------------------------------------------------------------------------- docstrings

autosummary_generate = False
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name
    for name in (
        "ArrayLike",
        "CallbackLike",
        "EnvironmentLike",
        "JaxArray",
        "Matrices",
        "ParametersLike",
        "StatesLike",
        "TransitionLike",
    )
}
autodoc_member_order = "groupwise"
autodoc_class_signature = "mixed"
maximum_signature_line_length = 80
add_module_names = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_attr_annotations = False  # the types stand in the signature
viewcode_follow_imported_members = True

# ------------------------------------------------------------------------------------------- HTML

html_theme = "furo"
html_title = "regmdp"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "katex"
html_show_sourcelink = False
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
