"""Converts the configuration that Hydra composes into the typed one."""

from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gammvae.config.explain import explain
from gammvae.config.overrides import escape_interpolations
from gammvae.config.published import check_stated
from gammvae.config.schema import Config
from gammvae.errors import InputError


def to_config(*layers: Any) -> Config:  # noqa: ANN401 - OmegaConf's many kinds of mapping
    """The typed configuration from untyped mappings.

    Args:
        layers: Nested dictionaries or OmegaConf mappings; later ones override earlier ones.

    Raises:
        InputError: A key is unknown, or a value is missing, of the wrong type or out of range.
    """
    try:
        # Plain dictionaries, so that keys added with + are checked like any other.
        plain = [
            literal(OmegaConf.to_container(layer, resolve=True))
            if OmegaConf.is_config(layer)
            else layer
            for layer in layers
        ]
        merged = OmegaConf.merge(OmegaConf.structured(Config), *plain)
        check_stated(merged.dataset)
        return cast(Config, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise InputError(explain(error)) from error


def literal(value: Any) -> Any:  # noqa: ANN401 - of any type that YAML has
    """A copy of nested values whose texts OmegaConf takes literally.

    Args:
        value: Nested dictionaries and lists of texts and numbers.
    """
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return escape_interpolations(value) if isinstance(value, str) else value
