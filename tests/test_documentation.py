"""The docs that repeat code are what the code makes of them."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from augqa.documentation import BLOCKS, with_blocks
from augqa.errors import DataError
from augqa.params import load_params

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


def test_the_example_of_the_readme_is_sound_and_its_recipes_are_of_one_size(tmp_path: Path) -> None:
    text = Path("README.md").read_text(encoding="utf-8")
    block = re.search(r"^    regimes: .*?(?=^\S)", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    example = yaml.safe_load(textwrap.dedent(block[0]))
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["regimes"] = example["regimes"]
    values["data"]["test_sets"] |= example["data"]["test_sets"]
    values["blend"] |= example["blend"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    params = load_params(path)
    recipes = [params.blend[name].model_dump() for name in params.regimes]
    assert {recipe["n_real"] for recipe in recipes} == {values["blend"]["real"]["n_examples"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
