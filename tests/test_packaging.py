import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Every module imports from the rows above its own only.
LAYERS = [
    {"__init__"},
    {
        "augmentation",
        "charts",
        "distributions",
        "em",
        "errors",
        "graph",
        "memory",
        "metrics",
        "overrides",
        "paths",
        "pictures",
        "printing",
        "rules",
    },
    {
        "devices",
        "labels",
        "layout",
        "mixture",
        "model",
        "networks",
        "published",
        "ranges",
        "samples",
        "stored",
        "terminal",
        "tracking",
        "warned",
        "writing",
    },
    {
        "cells",
        "config",
        "convolution",
        "downloads",
        "evaluation",
        "generation",
        "images",
        "initialization",
        "npz",
        "precision",
        "preprocessing",
        "remarks",
        "shapes",
        "tables",
        "training",
    },
    {
        "building",
        "clusterers",
        "columns",
        "datasets",
        "formats",
        "manifold",
        "prepared",
        "realism",
        "runs",
        "settings",
    },
    {"anchor", "benchmarks", "catalog", "files", "rcv1", "results", "seeds", "subject"},
    {"checkpoints", "comparison", "panels", "reuse", "stl10", "sweeps"},
    {"publishing", "report", "sharing", "trained"},
    {"experiment", "prediction", "sampling"},
    {"selftraining"},
    {"baselines"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}


def imported(path):
    """The modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            package, _, module = node.module.partition(".")
            if package == "gammvae":
                yield from [module] if module else (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("gammvae."):
                    yield alias.name.partition(".")[2]
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"


def test_every_module_has_a_layer():
    assert {path.stem for path in (ROOT / "gammvae").glob("*.py")} == set(LEVEL)


@pytest.mark.parametrize("module", sorted(LEVEL))
def test_imports_run_one_way(module):
    for other in imported(ROOT / "gammvae" / f"{module}.py"):
        level = LEVEL.get(other, 0)  # __version__ is a name of __init__
        assert level < LEVEL[module], f"{module} imports {other}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, because setuptools leaves a build folder behind
    for name in ("gammvae", "conf"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    result = subprocess.run(build, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_every_configuration(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {f"gammvae/{path.name}" for path in (ROOT / "gammvae").glob("*.*")}
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
