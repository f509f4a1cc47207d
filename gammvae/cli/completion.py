"""``gammvae completion``: prints a script with which a shell completes the program's words."""

import argparse

from gammvae.cli.suggestions import SHELLS, suggestions
from gammvae.cli.terminal import one_line_usage_errors
from gammvae.errors import InputError, nearest
from gammvae.system.printing import plain, say

SUMMARY = "Complete words in a shell: source <(gammvae completion bash)."

BASH = r"""_gammvae() {
    local line=${COMP_LINE:0:COMP_POINT} words current kept=
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]} - 1]}
    # readline replaces only what follows the last of these characters
    [[ $COMP_WORDBREAKS == *=* && $current == *=* ]] && kept=${current%"${current##*=}"}
    mapfile -t COMPREPLY < <("$1" completion --words "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _gammvae gammvae"""

ZSH = r"""#compdef gammvae
_gammvae() {
    local line value found=0
    local -a full open
    while IFS= read -r line; do
        found=1
        value=${line%%$'\t'*}
        if [[ $value == *= ]]; then open+=("$value"); else full+=("$value"); fi
    done < <("${words[1]}" completion --words "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
    (( $#full )) && compadd -a full
    (( $#open )) && compadd -S '' -a open
    if (( ! found )); then
        compset -P '*='
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _gammvae gammvae"""

FISH = r"""function __gammvae_words
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    $before[1] completion --words $before[2..-1] "$current" 2>/dev/null
end
complete -c gammvae -a '(__gammvae_words)'"""

SCRIPTS = dict(zip(SHELLS, (BASH, ZSH, FISH), strict=True))


def parser() -> argparse.ArgumentParser:
    """The argument parser: the shell."""
    made = argparse.ArgumentParser(prog="gammvae completion", description=SUMMARY)
    made.add_argument("shell", nargs="?", help="bash, zsh or fish")
    made.add_argument(
        "--words",
        nargs=argparse.REMAINDER,
        help="for the scripts: print what the last of these words can become",
    )
    return made


def settings() -> dict[str, str]:
    """Empty: the command has no settings."""
    return {}


def run(arguments: list[str]) -> None:
    """Prints the script of a shell, or what a word can become, one a line.

    Args:
        arguments: Command-line arguments after ``gammvae completion``.

    Raises:
        InputError: There is no such shell.
    """
    if arguments[:1] == ["--words"]:  # argparse would leave out a "--" among them
        for word, text in suggestions(arguments[1:] or [""]).items():
            say(plain(word).replace("\n", "") + (f"\t{text}" if text else ""))
        return
    with one_line_usage_errors():
        given = parser().parse_args(arguments)
    if given.shell in SCRIPTS:
        say(SCRIPTS[given.shell])
    else:
        near = nearest(given.shell or "", SHELLS)
        raise InputError(
            f"completion {given.shell or ''} is unknown: {near}it must be one of "
            f"{', '.join(SHELLS)}"
        )
