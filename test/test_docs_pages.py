"""Every page is in the index, and the links between the pages lead somewhere."""
from __future__ import annotations

import re

import pytest

from mppi_ros.share import share_path

ROOT = share_path()
PAGES = [*sorted((ROOT / 'docs').glob('*.md')), *sorted(ROOT.glob('*.md'))]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r'```.*?```', '', page.read_text('utf-8'), flags=re.DOTALL)
    links = re.findall(r'\]\(([^)\s]+)\)', text)
    missing = [link for link in links if '://' not in link and not link.startswith('#')
               and not (page.parent / link.split('#')[0]).exists()]
    assert not missing


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs' / 'index.md').read_text('utf-8')
    pages = {page.stem for page in (ROOT / 'docs').glob('*.md')} - {'index'}
    table = set(re.findall(r'\]\((\w+)\.md\)', index))
    (tree,) = re.findall(r'```{toctree}\n:hidden:\n(.*?)```', index, re.DOTALL)
    assert pages == table == set(tree.split())
