"""The docs that repeat code are what the code makes of them."""

import re
from pathlib import Path

import pytest

from augqa.documentation import BLOCKS, with_blocks
from augqa.errors import DataError

PAGES = sorted([*Path("docs").glob("*.md"), Path("README.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_is_as_augqa_docs_writes_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert with_blocks(text, where=str(page)) == text


def test_each_block_stands_in_a_page() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    used = {name for text in texts for name in re.findall(r"augqa docs: (\w+) -->", text)}
    assert used == set(BLOCKS)


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(DataError, match="no block 'nothing'"):
        with_blocks("<!-- augqa docs: nothing -->\n<!-- end -->", where="a.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
