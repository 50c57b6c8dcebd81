"""How Sphinx builds the documentation site: `make docs` runs it with warnings as errors.
The site is whole: it asks no network for letters, formulas, search or pictures."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes

import minilstm

HERE = Path(__file__).parent
ROOT = HERE.parent

project, author = "minilstm", "The minilstm developers"
copyright = author
version = release = minilstm.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
]
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = html_favicon = "_static/logo.svg"
html_theme_options = {
    "logo": {"text": "minilstm"},
    "show_prev_next": True,
    "navigation_with_keys": True,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False
html_sidebars = {"index": [], "glossary": [], "faq": [], "getting-started": []}
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]

# Pages: Markdown, with formulas in dollars; a heading is a target for links.
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

# Lessons are run when their text has changed since they last ran.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "jupyter_cache")
nb_execution_timeout = 600  # seconds a notebook
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_in_temp = True  # what a lesson writes lands outside the source
nb_merge_streams = True
nb_output_stderr = "remove"

# Reference: one page for each public name, from its docstring.
autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Array": "Array"}
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the templates list methods where users call them
templates_path = ["_templates"]
add_module_names = False
default_role = "autolink"  # a name in single backticks leads to its page
python_maximum_signature_line_length = 88
# MATLAB of the reference, which the colourer does not know whole.
suppress_warnings = ["config.cache", "misc.highlighting_failure"]


# ---------------------------------------------------------------- formulas without a script


def _formula(self: Any, node: nodes.Element, display: str) -> None:
    """Write a formula as MathML, which browsers draw and screen readers read by themselves."""
    text = latex2mathml.converter.convert(node.astext(), display=display)
    number = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    self.body.append(f'<div class="math"{number}>{text}</div>' if display == "block" else text)
    raise nodes.SkipNode


def _inline_formula(self: Any, node: nodes.Element) -> None:
    _formula(self, node, "inline")


def _block_formula(self: Any, node: nodes.Element) -> None:
    _formula(self, node, "block")


# ---------------------------------------------------------------- pages made of other files


EXAMPLES = """# Examples

Programs that run as they stand, each on data that it simulates or that come with minilstm.

"""


def write_pages(app: Any) -> None:
    """Write a page for each example, and for the changes of each version."""
    made = HERE / "made"
    (made / "examples").mkdir(parents=True, exist_ok=True)
    listed = EXAMPLES
    for path in sorted((ROOT / "examples").glob("*.py")):
        first = path.read_text("utf-8").partition('"""')[2].partition("\n")[0]
        page = f"# {path.name}\n\n```{{literalinclude}} ../../../examples/{path.name}\n```\n"
        _write(made / "examples" / f"{path.stem}.md", page)
        listed += f"- [{path.name}](examples/{path.stem}.md): {first}\n"
    names = "\n".join(f"examples/{path.stem}" for path in sorted((ROOT / "examples").glob("*.py")))
    _write(made / "examples.md", f"{listed}\n```{{toctree}}\n:hidden:\n\n{names}\n```\n")
    for source, name in (("CHANGELOG.md", "changelog"), ("CONTRIBUTING.md", "contributing")):
        _write(made / f"{name}.md", (ROOT / source).read_text("utf-8"))
    rooms = [*sorted(ROOT.glob("minilstm/*/README.md")), ROOT / "kernels" / "README.md"]
    for path in rooms:
        _write(made / "rooms" / f"{path.parent.name}.md", path.read_text("utf-8"))


def _write(path: Path, text: str) -> None:
    """Write a page if its text has changed: what is older than the site is not read again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


# Where a link into the repository leads within the site; what has no page there is named only.
_PLACES = (
    (r"(?:\.\./)*examples/(\w+)\.py", r"made/examples/\1.md"),
    (r"(?:\.\./)*CHANGELOG\.md", "made/changelog.md"),
    (r"(?:\.\./)*CONTRIBUTING\.md", "made/contributing.md"),
    (r"(?:\.\./)*README\.md", "index.md"),
    (r"(?:\.\./)*(?:minilstm/)?(\w+)/README\.md", r"made/rooms/\1.md"),
    (r"(?:\.\./)*docs/([\w-]+\.md)(#[\w-]+)?", r"\1\2"),
)


def links_within(app: Any, docname: str, source: list[str]) -> None:
    """Turn links into the repository, as the pages have them, into links within the site."""
    up = "../" * docname.count("/")

    def turned(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if re.match(r"https?:|#|mailto:", target):
            return match[0]
        for pattern, place in _PLACES:
            if found := re.fullmatch(pattern, target):
                page = found.expand(place)
                if (HERE / page.partition("#")[0]).exists():
                    return f"[{words}]({up}{page})"
        inside = (HERE / docname).parent / target.partition("#")[0]
        if inside.exists() and HERE in inside.resolve().parents:
            return match[0]
        return words

    source[0] = re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)", turned, source[0])


def as_numpydoc_reads(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Put what is said of an argument below its name, where numpydoc expects a type beside it.

    The star of a shape, as in (T, *shape), is kept from being read as the start of italics.
    """
    section = ""
    out: list[str] = []
    for line, below in zip(lines, [*lines[1:], ""][: len(lines)], strict=True):
        if below and set(below) == {"-"}:
            section = line
        found = re.match(r"([\w*][\w*, ]*) : (.*)", line)
        text = [line]
        if found and section in ("Parameters", "Returns", "Raises", "Attributes"):
            text = [found[1], f"    {found[2]}"]
        if ">>>" not in line:
            text[-1] = re.sub(r"(?<=[( ,])\*(?=\w+[),])", r"\\*", text[-1])
        out += text
    lines[:] = out


def write_inside(app: Any, exception: Exception | None) -> None:
    """Put the page that shows a network at work beside the index: it stands for itself."""
    if exception is None and app.builder.format == "html":
        text = runpy.run_path(str(HERE / "make_page.py"))["make_page"]()
        Path(app.outdir, "inside.html").write_text(text, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register what this file adds to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_block_formula, None))
    app.connect("builder-inited", write_pages)
    app.connect("source-read", links_within)
    app.connect("build-finished", write_inside)
    app.connect("autodoc-process-docstring", as_numpydoc_reads, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


html_math_renderer = "mathml"
