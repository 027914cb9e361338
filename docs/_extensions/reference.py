"""Writes one page for each public namespace and one for each public name in it.

The public names are those of `__all__`. A docstring that refers to what is not public is a warning.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

FOLDER = "reference"
#: Members that a class has from Python are not listed with it.
FOREIGN = "object, tuple, dict, Exception, BaseException, Enum, StrEnum, Protocol, Generic, Mapping"


class Name(NamedTuple):
    """A public name: its namespace, itself, and what it stands for."""

    namespace: str
    name: str
    value: object

    @property
    def path(self) -> str:
        """Return what users write after `import regmdp`."""
        return f"{self.namespace}.{self.name}"


def find_namespaces() -> dict[str, types.ModuleType]:
    """Return the public modules by the name that users write."""
    import regmdp

    found: dict[str, types.ModuleType] = {"regmdp": regmdp}
    for name in sorted({*regmdp.__all__, *regmdp._LAZY}):
        value = getattr(regmdp, name)
        if isinstance(value, types.ModuleType):
            found[f"regmdp.{name}"] = value
    for name, module in list(found.items()):
        # autodoc imports a module by its name, also where users reach it under a shorter one
        sys.modules.setdefault(name, module)
    found["regmdp.testing.strategies"] = importlib.import_module("regmdp.testing.strategies")
    return found


def list_names(namespaces: dict[str, types.ModuleType]) -> dict[str, list[Name]]:
    """Return the public names of each namespace; what two of them share belongs to the first."""
    owned: dict[int, Name] = {}
    listed: dict[str, list[Name]] = {}
    for namespace, module in namespaces.items():
        own = [Name(namespace, name, getattr(module, name)) for name in module.__all__]
        own = [one for one in own if not isinstance(one.value, types.ModuleType)]
        listed[namespace] = [owned.setdefault(id(one.value), one) for one in own]
    return listed


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "class"
    return "function" if callable(value) and hasattr(value, "__name__") else "data"


def _write_namespace(namespace: str, names: list[Name]) -> str:
    names = sorted(names, key=lambda one: one.name.lower())
    parts = [namespace, "=" * len(namespace), "", f".. automodule:: {namespace}", ""]
    for kind, title in (("function", "Functions"), ("class", "Classes"), ("data", "Constants")):
        chosen = [f"   ~{one.path}" for one in names if _kind(one.value) == kind]
        if chosen:
            parts += [title, "-" * len(title), "", ".. autosummary::", "   :nosignatures:", ""]
            parts += [*chosen, ""]
    return "\n".join([*parts, ""])


def _write_name(one: Name, public: set[int]) -> str:
    kind = _kind(one.value)
    # an orphan: a table of contents with all names would be most of every page
    parts = [":orphan:", "", one.path, "=" * len(one.path), ""]
    parts += [
        f"One of the names of :doc:`{one.namespace}`.",
        "",
        f".. currentmodule:: {one.namespace}",
        "",
    ]
    parts += [f".. auto{kind}:: {one.name}"]
    if kind == "class":
        parts += ["   :members:", f"   :inherited-members: {FOREIGN}"]
        if any(id(base) in public for base in one.value.__bases__):
            parts += ["   :show-inheritance:"]
    return "\n".join([*parts, ""])


def _write_index(namespaces: dict[str, types.ModuleType]) -> str:
    title = "Reference"
    parts = [
        title,
        "=" * len(title),
        "",
        "The public names, by namespace, with ``import regmdp as rm``.",
        "",
    ]
    for name, module in namespaces.items():
        summary = (module.__doc__ or "").strip().split("\n")[0]
        parts += [f":doc:`{name}`", f"   {summary}", ""]
    parts += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in namespaces)]
    return "\n".join([*parts, ""])


def write_pages(app: Sphinx) -> None:
    """Write the pages of the reference whose text has changed, and remove those of names gone."""
    namespaces = find_namespaces()
    pages = {"index": _write_index(namespaces)}
    listed = list_names(namespaces)
    public = {id(one.value) for names in listed.values() for one in names}
    for namespace, names in listed.items():
        pages[namespace] = _write_namespace(namespace, names)
        pages |= {one.path: _write_name(one, public) for one in names}
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.rst"):
        if file.stem not in pages:
            file.unlink()
    for name, text in pages.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _resolve(app: Sphinx, env, node: addnodes.pending_xref, content: nodes.Element):
    """Let signatures name what they like, and docstrings what belongs to others."""
    if node.get("refdomain") != "py":
        return None
    parent = node.parent
    while parent is not None and not isinstance(parent, addnodes.desc_signature):
        parent = parent.parent
    foreign = node.get("reftarget", "").startswith(("matplotlib.", "numpy.", "scipy.", "jax."))
    if parent is None and not foreign:
        return None
    if isinstance(content, addnodes.pending_xref_condition):
        # there are two texts to choose from, or, for an ellipsis, none
        return nodes.Text(content.astext() or node.get("reftarget", ""))
    return content.deepcopy()


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("builder-inited", write_pages)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
