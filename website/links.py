"""Links as they lead on the site. In the files they lead from one file of the repository to another."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs/"
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
"""page -> the file outside of `docs` that it is"""

LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[#)])")


class BrokenLink(Exception):
    """It leads to nothing in the repository."""


def of_site(text: str, page: str, repository: str) -> str:
    """The page's text with its links so. `repository` has what is no page. Raises BrokenLink."""
    return LINK.sub(lambda link: _target(link[0], page, repository), text)


def _target(link: str, page: str, repository: str) -> str:
    if "://" in link:
        return link
    source = PAGES.get(page, DOCS + page)
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if not (ROOT / file).exists():
        raise BrokenLink(f"{source}: {link}")
    pages = {path: name for name, path in PAGES.items()}
    if file.startswith(DOCS) and (ROOT / file).is_file():
        pages[file] = file.removeprefix(DOCS)
    if file in pages:
        return posixpath.relpath(pages[file], posixpath.dirname(page) or ".")
    return f"{repository}/blob/main/{file}"
