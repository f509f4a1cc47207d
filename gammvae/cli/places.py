"""Settings for using a finished run again: where its data are and where to compute."""

from collections.abc import Sequence

from gammvae.errors import InputError, nearest

PLACES = {
    "device": "where to compute: auto, cpu, cuda, cuda:N or mps; by default the run's setting",
    "dataset.root": "the folder of dataset files",
    "dataset.cache": "the folder of prepared datasets",
    "dataset.mirror": "another server to download from",
    "dataset.download": "whether missing files are downloaded: true or false",
    "dataset.path": "the new path of the file that the run was trained on, if it was moved",
}
Places = dict[str, str | bool]
SWITCH = {"true": True, "false": False}


def places(words: Sequence[str]) -> Places:
    """Parses ``key=value`` words; values are taken literally.

    Raises:
        InputError: A key is not in ``PLACES``, or ``dataset.download`` is neither true nor false.
    """
    found: Places = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in PLACES or not equals:
            near = nearest(key, PLACES)
            raise InputError(f"{word} cannot be set: {near}it must be one of {', '.join(PLACES)}")
        if key == "dataset.download" and value not in SWITCH:
            raise InputError(f"{word} is out of range: it must be true or false")
        found[key] = SWITCH[value] if key == "dataset.download" else value
    return found
