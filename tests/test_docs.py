import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import commands_page
import pytest
import settings_page
import yaml
from configuration import read_configuration
from yaml_comments import read_comments

from gammvae.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
READ_ELSEWHERE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = [*READ_ELSEWHERE, *sorted(DOCS.rglob("*.md"))]

# Pages whose code is run. Their blocks in sh or py are for reading only.
RUN = (
    *("start", "tutorials/table", "tutorials/text", "tutorials/sweep"),
    *("how-to/datasets", "how-to/python", "how-to/extend"),
)
LONG = pytest.param("tutorials/images", marks=pytest.mark.slow)
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<kind>bash|python|(yaml|py) title=\"(?P<file>[^\"]+)\")\n(?P<code>.*?)"
    r"^(?P=indent)```$",
    re.DOTALL | re.M,
)


def program(text):
    """The code of a page in its order, as one Python program; blocks with a title become files."""
    parts = ["import pathlib, subprocess"]
    for block in BLOCK.finditer(text):
        code = textwrap.dedent(block["code"])
        if block["file"]:
            code = (
                f"path = pathlib.Path({block['file']!r})\n"
                f"path.parent.mkdir(parents=True, exist_ok=True)\npath.write_text({code!r})"
            )
        elif block["kind"] == "bash":
            code = f"subprocess.run(['bash', '-euc', {code!r}], check=True)"
        parts.append(code)
    return "\n".join(parts)


def run(text, folder, forks):
    """Runs the code of a page in an empty folder, with no dataset at hand."""
    for name in ("work", "data", "bin"):
        (folder / name).mkdir()
    (command := folder / "bin/gammvae").write_text(
        f'#!/bin/sh\nexec {shlex.join(forks)} gammvae "$@"\n'
    )
    command.chmod(0o755)
    # in the folder of work, so that Python finds modules that the page writes
    (script := folder / "work/page.py").write_text(program(text))
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    places = {"PATH": path, "HOME": str(folder), "GAMMVAE_DATA": str(folder / "data")}
    return subprocess.run(
        [*forks, script],
        cwd=folder / "work",
        env={**os.environ, **places},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", [*RUN, LONG])
def test_the_code_of_a_page_runs(name, tmp_path, forks):
    result = run((DOCS / f"{name}.md").read_text(), tmp_path, forks)
    assert result.returncode == 0, result.stdout + result.stderr


def test_code_runs_in_order_and_output_is_no_code(tmp_path, forks):
    page = (
        "```bash\necho 1 >n\n```\n```text\nnot a command\n```\n"
        "- Item\n\n    ```python\n    n = int(open('n').read())\n    ```\n"
        '```py title="a/b.txt"\n  c\n```\n```sh\nexit 3\n```\n'
        "```python\nprint(n + 1, open('a/b.txt').read())\n```\n"
    )
    result = run(page, tmp_path, forks)
    assert (result.returncode, result.stdout) == (0, "2 c\n\n"), result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_can_be_copied_as_they_stand(page):
    """Without prompts, outputs, or comments behind commands: zsh takes these for arguments."""
    text = page.read_text()
    assert "```console" not in text
    for code in re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL):
        assert not re.search(r"^\s*\$ |^\s*[^#\s].* # ", code, re.M), code


@pytest.mark.parametrize("code", ["```bash\nfalse\ntrue\n```\n", "```python\n1 / 0\n```\n"])
def test_code_that_fails_is_noticed(code, tmp_path, forks):
    assert run(code, tmp_path, forks).returncode != 0


@pytest.mark.parametrize("page", READ_ELSEWHERE, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|^\[[^]]+\]: (\S+)", page.read_text(), re.M)
    files = [link for link in map("".join, links) if not re.match(r"[a-z]+:", link)]
    assert [link for link in files if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    """But patterns, and files of a checkout that the reader is to make, which have capitals."""
    folders = "gammvae|conf|scripts|tests|docs|outputs/tables"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists() and name.islower()] == []


def test_every_setting_and_option_is_described():
    assert read_configuration().undescribed() == []


@pytest.mark.parametrize("folder", ["tables", "search"])
def test_every_entry_of_a_table_or_space_is_described(folder):
    for file in sorted((ROOT / "conf" / folder).iterdir()):
        comments = read_comments(file)
        assert comments.head, file
        assert set(yaml.safe_load(file.read_text())) <= set(comments.keys), file


def test_the_page_of_settings_has_all_of_them():
    configuration = read_configuration()
    page = settings_page.page(configuration)
    assert len(configuration.types) > 70
    for key in configuration.types:
        assert f"\n### `{key}` {{#{key}}}\n" in page
    files = {f"{file.parent.name}={file.stem}" for file in (ROOT / "conf").rglob("*/*.yaml")}
    tables = {file for file in files if file.startswith(("tables=", "search="))}
    assert len(tables) == 12
    assert not any(table in page for table in tables)
    files -= tables
    assert len(files) > 30
    for option in files:
        assert re.search(rf"^`(hydra/)?{option}`", page, re.M), option
    of_recipes = re.search(r"^### `train.updates`.*?(?=^###)", page, re.M | re.DOTALL)
    expected = (
        "- Default: `null` with `dataset=file`, `recipe=features`; `1300` with `dataset=digits`; "
        "`20000` with `experiment=dec_2016`, `experiment=dec_2016_layers`; "
        "`27400` with `experiment=long`; "
        "`3000` with `experiment=plain`; "
        "`8000` with `recipe=images`\n"
    )
    assert expected in of_recipes[0]


def test_options_are_marked_by_what_is_chosen_with_each_dataset():
    page = settings_page.page(read_configuration())
    marked = dict(re.findall(r"^`(\w+=\w+)` \((default.*)\)$", page, re.M))
    assert marked == {
        "dataset=digits": "default",
        "model=gammvae": "default",
        "optimizer=adam": "default",
        "init=manifold": "default",
        "architecture=auto": "default with `dataset=file`",
        "architecture=small": "default with `dataset=digits`",
        "augmentation=noise": "default with `dataset=file`",
        "augmentation=affine": "default with `dataset=digits`",
        "recipe=features": "default with `dataset=file`",
        "recipe=images": "default with `dataset=digits`",
    }
    covariances = re.search(r"^### `init.covariances`.*?(?=^###)", page, re.M | re.DOTALL)
    assert "init=manifold" not in covariances[0].partition("- Default:")[2]


def test_references_between_settings_are_told_in_words():
    page = settings_page.page(read_configuration())
    assert "${" not in re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    assert settings_page.shown("${.lr}", "optimizer.mixture_lr") == "the value of `optimizer.lr`"
    variable = '${oc.env:SOME_FOLDER,"~/here"}'
    assert settings_page.shown(variable, "a") == "`$SOME_FOLDER` if it is set, otherwise `~/here`"
    different = settings_page.shown("${by_dataset:140,{usps:30}}", "a")
    assert different == "a value for each dataset"
    assert settings_page.shown(1.0, "a") == settings_page.shown(1, "a") == "`1`"


def test_environment_variables_of_the_configuration_are_described():
    used = set(re.findall(r"oc\.env:(\w+)", (ROOT / "conf/train.yaml").read_text()))
    assert used
    assert {name for name in used if f"\n| `{name}` |" not in settings_page.ENVIRONMENT} == set()


def test_comments_belong_to_the_key_below(tmp_path):
    (file := tmp_path / "some.yaml").write_text(
        "# @package _global_\n# Head, in\n# two lines.\n\n# Of a.\na:\n  b: 1\n  # Of\n  # c.\n"
        "  c: {d: 2}\n# Of nothing.\n\ne: 3  # not read\n- f: 4\n# Of g.\n- g: 5\n"
    )
    comments = read_comments(file)
    assert comments.head == "Head, in two lines."
    assert comments.keys == {"a": "Of a.", "a.c": "Of c.", "g": "Of g."}
    assert comments.is_global


def test_markdown_finds_no_html_and_no_links_in_comments():
    assert settings_page.escaped("<a>/`<b>` [c]") == "&lt;a>/`<b>` &#91;c]"


def test_the_page_of_commands_has_all_arguments_and_settings():
    sections = commands_page.page().split("\n## ")
    assert len(sections) == len(COMMANDS) + 1
    for (name, command), section in zip(COMMANDS.items(), sections[1:], strict=True):
        assert section.startswith(f"gammvae {name} ")
        for action in command.parser()._actions:
            assert all(option in section for option in action.option_strings)
        for key, text in command.settings().items():
            assert f"`{key}`\n:   {settings_page.escaped(text)}\n" in section


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml")
    from mathml import mathml

    two_lines = mathml(
        r"\begin{aligned} a &amp;= b \\ c &amp;= \arg\max_k d \end{aligned}", "block"
    )
    assert two_lines.count("<mtr>") == 2
    assert 'display="block"' in two_lines
    assert "&amp;" not in two_lines
    assert re.search(r"<mi>log</mi><mspace [^>]*/><mi>x</mi>", mathml(r"\log x", "inline"))


@pytest.mark.parametrize("latex", [r"\unheardof{x}", r"a &amp; b", r"\left( x"])
def test_a_formula_that_is_not_understood_is_refused(latex):
    pytest.importorskip("latex2mathml")
    from mathml import mathml

    with pytest.raises(ValueError, match="in the formula"):
        mathml(latex, "inline")


def test_the_site_is_built_strictly_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|iframe|source)\b[^>]* src="(?:https?:)?//', text), (
            page
        )
        assert not re.findall(r'<link\b[^>]* href="(?:https?:)?//', text), page
        assert 'class="arithmatex"' not in text, page
    assert "<math " in (tmp_path / "method.html").read_text()
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text()), style
