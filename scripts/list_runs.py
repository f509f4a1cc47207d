"""Writes the figures of every finished run below a folder as CSV, one run a row.

    python scripts/list_runs.py FOLDER [--output FILE.csv]

A table such as those of ``gammvae reproduce`` shows means over seeds; this has what they are made
of. ACC, NMI and ARI are in percent; times are in seconds, beside whatever else ran.

Takes seconds. Needs the folders of the runs, of which it reads result.json alone.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from reporting import command_line

from gammvae.runs.contents import RESULT
from gammvae.system.printing import say
from gammvae.system.writing import write_text

SCORES, STAGES = ("acc", "nmi", "ari"), ("pretrain", "train")
COLUMNS = (
    *("run", "dataset", "seed", *SCORES),
    *(f"{stage} {what}" for what in ("steps", "seconds") for stage in STAGES),
    *("device", "precision", "torch"),
)


def rows(folder: Path) -> Iterator[list[str]]:
    """The rows, in the order of the names of the folders and of the seeds."""
    results = [(path.parent, json.loads(path.read_text())) for path in folder.rglob(RESULT)]
    for run, result in sorted(results, key=lambda one: (one[0].parent, one[1]["seed"])):
        metrics = result["metrics"]
        yield [
            run.relative_to(folder).as_posix(),
            *(result["dataset"], str(result["seed"])),
            # without classes there are no scores
            *(f"{100 * metrics[name]:.3f}" if name in metrics else "" for name in SCORES),
            *(str(result["steps"].get(stage, 0)) for stage in STAGES),
            *(f"{result['seconds'].get(stage, 0):.1f}" for stage in STAGES),
            *(result["device"], result["precision"], result["versions"]["torch"]),
        ]


def main() -> None:
    """Prints or writes the rows."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FILE.csv", help="write them to this file")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder")
    found = [*rows(arguments.folder)]
    if not found:
        parser.error(f"{arguments.folder} has no finished runs")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *found])
    if arguments.output:
        write_text(arguments.output, text.getvalue())
    else:
        say(text.getvalue().rstrip())


if __name__ == "__main__":
    main()
