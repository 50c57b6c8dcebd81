"""The documentation site: it is built with warnings as errors, and it is whole.
Every public name has its page, no link leads nowhere, and nothing is asked of a network."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import minilstm as ml

for package in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "latex2mathml"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "-d", out / "trees", DOCS, out / "html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out / "html"


class Links(HTMLParser):
    """Everything that a page points at, and everything that may be pointed at."""

    def __init__(self):
        super().__init__()
        self.found, self.names = [], set()

    def handle_starttag(self, tag, attributes):
        """Keep links and names."""
        given = dict(attributes)
        self.names |= {given[k] for k in ("id", "name") if given.get(k)}
        self.found += [(tag, given[k]) for k in ("href", "src") if given.get(k)]


def read(path):
    """The links of a page."""
    page = Links()
    page.feed(path.read_text("utf-8"))
    return page


def test_every_link_of_the_site_leads_somewhere_within_it(site):
    found = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path.resolve(): read(path) for path in found}
    assert len(pages) > 100
    wrong = []
    for path, page in pages.items():
        for tag, link in page.found:
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto") or (tag == "a" and parts.scheme == "https"):
                continue
            assert not parts.scheme and not parts.netloc, f"{path.name} loads {link}"
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            whole = target.exists() and site.resolve() in (target, *target.parents)
            anchor = unquote(parts.fragment)
            if not whole or (anchor and target in pages and anchor not in pages[target].names):
                wrong.append(f"{path.relative_to(site.resolve())}: {link}")
    assert not wrong


def test_every_public_name_has_its_page():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api" / "index.md").read_text(), re.M))
    public = set(ml.__all__) - {"__version__"}
    for module in ("evaluation", "plots", "data", "gradcheck", "sklearn"):
        found = __import__(f"minilstm.{module}", fromlist=["__all__"]).__all__
        public |= {f"{module}.{name}" for name in found}
    reached = listed | {name.rpartition(".")[2] for name in listed}
    missing = {name for name in public if name.rpartition(".")[2] not in reached}
    assert missing <= {"datasets", "data.datasets"}


def test_a_lesson_that_fails_stops_the_build(tmp_path):
    page = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n# A\n"
    (tmp_path / "index.md").write_text(page + "```{code-cell}\n1 / 0\n```\n")
    (tmp_path / "conf.py").write_text(
        (DOCS / "conf.py")
        .read_text()
        .replace("HERE = Path(__file__).parent", f"HERE = Path({str(tmp_path)!r})")
        .replace('app.connect("builder-inited", write_pages)', "pass")
    )
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "-q", tmp_path, tmp_path / "o"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and "ZeroDivisionError" in done.stderr
