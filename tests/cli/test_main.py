"""Every command keeps to what ``main.Command`` says, so that the reference can be made from it."""

import sys

import pytest

from gammvae.cli import main
from gammvae.cli.places import places
from gammvae.cli.settings import PredictSettings, SampleSettings, read_settings

COMMANDS = pytest.mark.parametrize("name", main.COMMANDS)


@COMMANDS
def test_a_command_has_its_own_file_and_one_line(name):
    command = main.COMMANDS[name]
    assert command is sys.modules[f"gammvae.cli.{name}"]
    assert command.SUMMARY.endswith(".")
    assert f"  {name:<10} {command.SUMMARY}" in main.usage().splitlines()


@COMMANDS
def test_a_parser_is_had_without_running_the_command(name, capsys):
    parser = main.COMMANDS[name].parser()
    assert parser.prog == f"gammvae {name}"
    assert parser.description == main.COMMANDS[name].SUMMARY
    assert f"usage: gammvae {name}" in parser.format_help()
    assert capsys.readouterr() == ("", "")


def test_the_parser_of_train_has_the_flags_of_hydra():
    text = main.COMMANDS["train"].parser().format_help()
    assert all(flag in text for flag in ("--multirun", "--cfg", "--config-dir"))


@COMMANDS
def test_settings_have_a_description(name):
    assert all(text and "\n" not in text for text in main.COMMANDS[name].settings().values())


def test_described_settings_are_those_that_are_read():
    good = {"out": "x.csv", "data": "y.csv", "drop": "[a]", "header": "true", "n": "3"}
    good |= {"temperature": "2", "seed": "1", "cluster": "0", "min_posterior": "0.5"}
    good["overwrite"] = "true"
    for name, kind in (("sample", SampleSettings), ("predict", PredictSettings)):
        settings = main.COMMANDS[name].settings()
        words = [f"{one}={good.get(one, 'cpu')}" for one in settings]
        assert read_settings(kind, name, words)
    for name, own in (("evaluate", "generation"), ("report", "out")):
        settings = main.COMMANDS[name].settings()
        words = {"dataset.download": "false"}
        assert places([f"{one}={words.get(one, 'x')}" for one in settings if one != own])


def test_the_first_argument_chooses(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(main.COMMANDS["table"], "run", given.append)
    main.dispatch(["table", "a", "--metric", "nmi"])
    assert given == [["a", "--metric", "nmi"]]
    main.dispatch([])
    assert capsys.readouterr().out == main.usage() + "\n"
