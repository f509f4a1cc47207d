"""Writes the reference of all commands when the site is built, from the parsers that they use."""

from argparse import Action, ArgumentParser, HelpFormatter
from functools import partial
from typing import TYPE_CHECKING

from settings_page import escaped

from gammvae.cli.main import COMMANDS, Command, usage

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

INTRODUCTION = f"""\
# Commands

```text
{usage()}
```

The exit code is 0 if all went well, 2 for input that cannot be used, and 1 for any other error.
"""
COLUMNS = 78
# With the settings of the configuration, which have a page of their own.
TAKING_SETTINGS = ("train", "datasets")


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Adds the page to the site."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference/commands.md", content=page()))
    return files


def page() -> str:
    """The page as Markdown."""
    return "\n".join([INTRODUCTION, *(section(*named) for named in COMMANDS.items())])


def section(name: str, command: Command) -> str:
    """What a command takes: its arguments, and the settings that may follow."""
    parser = command.parser()
    parts = [f"## gammvae {name} {{#{name}}}\n", f"{escaped(command.SUMMARY)}\n", usage_of(parser)]
    parts += [
        f"`{called(action)}`\n:   {about(action)}\n" for action in parser._actions if action.help
    ]
    if settings := command.settings():
        parts.append("Settings, as `NAME=VALUE`:\n")
    parts += [f"`{key}`\n:   {escaped(text)}\n" for key, text in settings.items()]
    if name in TAKING_SETTINGS:
        parts.append("The page [Settings](settings.md) lists what can be set.\n")
    return "\n".join(parts)


def usage_of(parser: ArgumentParser) -> str:
    """The usage in lines of the same length wherever the site is built."""
    parser.formatter_class = partial(HelpFormatter, width=COLUMNS)
    return f"```text\n{parser.format_usage().strip()}\n```\n"


def called(action: Action) -> str:
    """An argument's names with what follows them."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    names = ", ".join(action.option_strings)
    return f"{names} {value if action.nargs != 0 else ''}".strip()


def about(action: Action) -> str:
    """The first line of an argument's description: Hydra's go on with what differs by program."""
    return escaped(str(action.help).strip().splitlines()[0].rstrip(":"))
