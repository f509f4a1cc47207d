"""The settings of ``gammvae train`` as parameters of an estimator.

A setting such as ``train.updates`` is the parameter ``train__updates``, as scikit-learn writes the
parameters of parts; an option such as ``init=kmeans`` is the parameter ``init``.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from gammvae.config.composition import composed
from gammvae.config.identity import VOLATILE, flatten
from gammvae.config.kinds import options
from gammvae.config.overrides import Value, in_grammar
from gammvae.config.ranges import CODE
from gammvae.config.schema import Config
from gammvae.errors import InputError

# Groups whose options change settings of several sections.
ACROSS = ("experiment", "recipe")
# What the estimator itself sets, or what only makes sense for a file or a folder.
OWN = {
    "seed": "random_state is the seed",
    "run_dir": "save writes a run to a folder",
    "output_root": "save writes a run to a folder",
    "overwrite": "fit always begins anew",
    "score_every": "known classes are never read",
    **dict.fromkeys(
        ("tracking", "tracking_folder", "tracking_project"),
        "history_ has the figures of every epoch",
    ),
}
# Options of ``optimizer`` by the class of torch that they name.
OPTIMIZERS = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd"}
# The optimizer of joint training alone, which is null or an option of the group ``optimizer``.
OWN_OPTIMIZER = "train.optimizer"
# The settings of the data that are not about a file.
OF_SAMPLES = ("likelihood", "shape", "channels")


def parameter(setting: str) -> str:
    """The name of a setting as a parameter."""
    return setting.replace(".", "__")


def setting(parameter: str) -> str:
    """The name of a parameter as a setting."""
    return parameter.replace("__", ".")


def check_name(parameter: str) -> None:
    """Refuses the name of a parameter that is no setting.

    Raises:
        InputError: There is no such setting, or none in an estimator; the message says what is.
    """
    if parameter in OWN:
        raise InputError(f"{parameter} cannot be given: {OWN[parameter]}")
    parent, _, name = setting(parameter).rpartition(".")
    if parent == "dataset" or parameter == "dataset":
        if name not in OF_SAMPLES:
            known = ", ".join(f"dataset__{one}" for one in OF_SAMPLES)
            raise InputError(
                f"{parameter} cannot be given: the data are X, and of the settings of data only "
                f"{known} can be"
            )
        return
    if parent.startswith(CODE):  # an argument of the user's own function
        return
    valid = [one for one in options(parent) if parent or one not in (*OWN, "dataset")]
    valid += [] if parent else ACROSS
    if name not in valid:
        where = f"{parameter.rpartition('__')[0]} has" if parent else "there are"
        known = ", ".join(valid) if valid else "no parts"
        raise InputError(f"unknown setting {parameter}: {where} {known}")


def overrides(settings: Mapping[str, Any]) -> list[str]:
    """The settings as ``key=value`` words of ``gammvae train``.

    Args:
        settings: Values by the name of the parameter.

    Raises:
        InputError: A value is neither text nor number nor a list or mapping of these.
    """
    words = []
    for name, value in settings.items():
        if isinstance(value, Mapping):  # with keys that the default may not have
            parts = {f"++{key}": item for key, item in flatten({setting(name): value}) if value}
        elif setting(name) == OWN_OPTIMIZER and value is not None:
            parts = {f"+optimizer@{OWN_OPTIMIZER}": value}
        else:
            parts = {setting(name): value}
        words += [f"{key}={in_grammar(plain(key, item))}" for key, item in parts.items()]
    return words


def plain(name: str, value: Any) -> Value:  # noqa: ANN401 - of any type, which is checked
    """A value without the types of numpy.

    Raises:
        InputError: It is neither text nor number nor a list of these.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Sequence | set):
        return [plain(name, item) for item in value]
    raise InputError(
        f"{name}={value!r} is no setting: it must be text, a number, or a list of these"
    )


def deviating(
    config: Config, words: Sequence[str], config_dir: str | Path | None
) -> dict[str, Any]:
    """The parameters by which a run's configuration deviates from that of some words.

    Args:
        config: Configuration of the run.
        words: ``key=value`` words of ``gammvae train`` for data in a file.
        config_dir: Folder with the user's own configuration files, or ``None``.
    """
    words = ["dataset=file", *words]
    chosen = options_of(config, composed(words).config, config_dir)
    return chosen | different(config, composed([*words, *overrides(chosen)]).config)


def different(config: Config, usual: Config) -> dict[str, Any]:
    """The settings in which a configuration differs from another, as parameters.

    Settings that cannot change a result are left out.

    Args:
        config: Configuration of a run.
        usual: Configuration with the defaults of an estimator.
    """
    of_samples = [f"dataset.{name}" for name in OF_SAMPLES]
    left_out = ("dataset", "model.name", "n_clusters", *OWN, *VOLATILE)
    names = [
        name for name in leaves() if not f"{name}.".startswith(tuple(f"{o}." for o in left_out))
    ]
    found = {name: value_of(config, name) for name in (*of_samples, *names)}
    return {
        parameter(name): value for name, value in found.items() if value != value_of(usual, name)
    }


def options_of(config: Config, usual: Config, config_dir: str | Path | None) -> dict[str, str]:
    """The options in a configuration that are not the usual ones, as parameters.

    Args:
        config: Configuration of a run.
        usual: Configuration with the defaults of an estimator.
        config_dir: Folder with the user's own configuration files, or ``None``.
    """
    folders = [Path(str(files("gammvae.conf"))), *([Path(config_dir)] if config_dir else [])]

    def named(one: Config) -> dict[str, str | None]:
        own = one.train.optimizer
        return {
            "architecture": one.architecture.name,
            "augmentation": one.augmentation.name,
            "init": one.init.start,
            "optimizer": OPTIMIZERS.get(one.optimizer.name),
            OWN_OPTIMIZER: OPTIMIZERS.get(own.name) if own else None,
        }

    return {
        parameter(group): option
        for (group, option), expected in zip(
            named(config).items(), named(usual).values(), strict=True
        )
        if option is not None
        and option != expected
        and any((one / group.split(".")[-1] / f"{option}.yaml").is_file() for one in folders)
    }


def value_of(config: Config, name: str) -> Any:  # noqa: ANN401 - of the type of the setting
    """The value of a setting; ``None`` in a section that is null."""
    node: Any = config
    for part in name.split("."):
        node = None if node is None else getattr(node, part)
    return node


def leaves(section: str = "") -> Iterator[str]:
    """Yields the names of all settings below a section such as ``train``, or of all there are."""
    for name in options(section):
        full = f"{section}.{name}" if section else name
        yield from leaves(full) if options(full) else [full]
