import ast
import graphlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Every arrow runs down: a module imports from its own floor and those below it.
FLOORS = (
    *("cli", "estimators", "training", "report", "tables", "search", "runs", "initialization"),
    *("evaluation", "data", "model", "mixture", "config", "system", ""),
)


def imported(path):
    """The modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            package, _, module = node.module.partition(".")
            if package == "gammvae":
                folder = (ROOT / "gammvae" / module.replace(".", "/")).is_dir()
                names = (".".join(filter(None, [module, alias.name])) for alias in node.names)
                yield from names if folder else [module]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("gammvae."):
                    yield alias.name.partition(".")[2]
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"


def floor(module):
    """The folder of a module, as its place in the house; the ground floor has none."""
    folder = module.partition(".")[0]
    return FLOORS.index(folder if (ROOT / "gammvae" / folder).is_dir() else "")


def modules():
    """All modules of the package but those that start it, by name."""
    for path in sorted((ROOT / "gammvae").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "gammvae").with_suffix("").parts)
        if name not in ("__init__", "__main__"):
            yield name.removesuffix(".__init__"), path


def test_every_folder_is_a_floor():
    folders = {path.parent.name for path in (ROOT / "gammvae").glob("*/__init__.py")}
    assert folders == set(FLOORS) - {""}


def test_imports_run_down():
    for name, path in modules():
        for other in filter(None, imported(path)):
            assert floor(other) >= floor(name), f"{name} imports {other}"


def test_no_imports_run_in_a_circle():
    order = graphlib.TopologicalSorter({n: set(imported(p)) for n, p in modules()})
    order.prepare()  # raises if they do


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, because setuptools leaves a build folder behind
    for name in ("gammvae", "conf"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    result = subprocess.run(build, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_every_configuration(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "gammvae").rglob("*.*")
        if path.suffix in (".py", ".html")
    }
    conf = {
        f"gammvae/conf/{path.relative_to(ROOT / 'conf')}"
        for path in (ROOT / "conf").rglob("*.yaml")
    }
    assert len(conf) > 10
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == modules | conf | {"gammvae/conf/__init__.py"}


def test_the_wheel_runs_from_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    program = (
        f"import sys, gammvae; assert gammvae.__file__.startswith({str(site)!r}), gammvae.__file__;"
        "from gammvae.cli.main import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "train", "experiment=smoke", "device=cpu"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "ACC" in result.stdout
    assert (empty / "outputs/digits/gammvae/experiment=smoke/seed=0/result.json").exists()


# What a public project has beside its folders; runs and notes must not get in by "git add".
FILES_AT_THE_TOP = {
    *(".ci", ".gitignore", ".pre-commit-config.yaml", "MANIFEST.in", "mkdocs.yml"),
    *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("constraints.txt", "pyproject.toml"),
}
FOLDERS_AT_THE_TOP = {"conf", "docs", "gammvae", "outputs", "scripts", "tests"}


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no checkout of git"
)
def test_nothing_else_is_at_the_top_of_the_repository():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    found = {path.partition("/")[0] for path in listed.stdout.splitlines()}
    assert found == FILES_AT_THE_TOP | FOLDERS_AT_THE_TOP
    outputs = {path for path in listed.stdout.splitlines() if path.startswith("outputs/")}
    assert all(path.startswith("outputs/tables/") for path in outputs)
