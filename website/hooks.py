"""What MkDocs asks on the way: pages that are not files of `docs`, and where links lead."""

import logging

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website.links import PAGES, ROOT, BrokenLink, of_site
from website.reference import reference

log = logging.getLogger("mkdocs.hooks.tally")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the folder above, and those that are made from the code."""
    made = reference() | {page: (ROOT / path).read_text() for page, path in PAGES.items()}
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead its links to pages of the site."""
    try:
        return of_site(markdown, page.file.src_uri, str(config.repo_url))
    except BrokenLink as broken:
        log.warning("a link leads to nothing: %s", broken)  # which ends a strict build
        return markdown
