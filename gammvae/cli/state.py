"""What there is of a table and what is missing, as text."""

from collections.abc import Iterable, Iterator, Sequence

from gammvae.cli.estimate import Estimate, Times, runs
from gammvae.cli.plan import Plan, span
from gammvae.devices import choose_device
from gammvae.tables.formats import listed
from gammvae.tables.summary import table


def overview(plans: Sequence[Plan], device: str) -> str:
    """Text about all tables: finished and missing runs, datasets, and the time that the rest takes.

    Args:
        plans: The tables.
        device: Device of the missing runs, as in ``train``.
    """
    times = times_of(plans, device)
    return "\n\n".join("\n".join(about(plan, times)) for plan in plans)


def times_of(plans: Sequence[Plan], device: str) -> Times:
    """The times of all finished runs on the kind of device that is given, as in ``train``."""
    finished = [run for plan in plans for run in plan.finished()]
    kinds = {folder: kind for plan in plans for folder, kind in plan.kinds().items()}
    return Times(finished, kinds, choose_device(device).type)


def rest(plans: Iterable[Plan], times: Times) -> Estimate:
    """The time of all missing runs on datasets that are here; a run of two tables counts once."""
    known = dict.fromkeys(found for plan in plans for found in plan.to_do(times.by_dataset))
    unknown = {
        (dataset, seed, *row.get("overrides", ()))
        for plan in plans
        for row in plan.table["rows"]
        for dataset, seeds in plan.missing(row).items()
        if dataset not in times.by_dataset
        for seed in seeds
    }
    return times.estimate(known, len(unknown))


def about(plan: Plan, times: Times) -> Iterator[str]:
    """Yields lines about one table."""
    everything = list(plan.all_runs())
    finished = sum(bool(run.figures) for run in everything)
    yield f"{plan.name}: {plan.table['title']}"
    yield f"{finished} of {runs(len(everything))} finished"
    header = ("dataset", "finished", "missing", "files")
    yield table(header, [line(plan, dataset) for dataset in plan.table["datasets"]])
    if str(estimate := rest([plan], times)):
        yield f"the rest, where files are here: {estimate}"


def line(plan: Plan, dataset: str) -> list[str]:
    """A dataset, its finished runs, the missing ones by row, and how to get its files."""
    lacking: dict[str, list[str]] = {}  # rows by missing seeds
    total = finished = 0
    for row in plan.table["rows"]:
        found = plan.runs(row, dataset)
        total, finished = total + len(found), finished + sum(bool(run.figures) for run in found)
        if seeds := [run.seed for run in found if not run.figures]:
            whole = len(seeds) == len(found)
            of = "" if whole else f" {span(seeds)}"
            lacking.setdefault(of, []).append(row["name"])
    texts = [f"{listed(rows)}{seeds}" for seeds, rows in lacking.items()]
    if finished == 0:
        texts = ["all"]
    files = plan.absent.get(dataset)
    state = f"not here: {files}" if files else "here"
    return [dataset, f"{finished} of {total}", "; ".join(texts) or "-", state]
