"""A parser whose faults are single sentences, and whose help ends with examples that work.
Every default stands in the help, put there by the parser itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from minilstm.checks import did_you_mean

Sentence = Callable[[re.Match[str], "Parser"], str]


class UsageError(ValueError):
    """What was typed is no command; the message is one sentence."""


class Help(argparse.HelpFormatter):
    """As argparse has it, but with defaults, and with examples line by line."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        plain = action.default in (None, "", argparse.SUPPRESS) or action.default is False
        told = plain or action.nargs == 0 or "default" in text
        return text if told else f"{text} (default: %(default)s)".lstrip()

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """As argparse has it, but a fault is a `UsageError`, and so is what cannot be printed."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"formatter_class": Help, **how})

    def _print_message(self, message: str, file: Any = None) -> None:
        (sys.stderr if file is None else file).write(message or "")

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the sentence that says the same and what to do."""
        for pattern, sentence in _SENTENCES:
            if match := re.fullmatch(pattern, message, re.DOTALL):
                raise UsageError(sentence(match, self))
        raise UsageError(f"{message.rstrip('.')}; see `{self.prog} --help`.")

    def words(self) -> list[str]:
        """Every option, as it is typed."""
        return [word for action in self._actions for word in action.option_strings]

    def commands(self) -> dict[str, Parser]:
        """The parsers of the commands, by name."""
        found = (a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return dict(next(found, {}))

    def parse(self, arguments: Sequence[str] | None, into: argparse.Namespace) -> None:
        """Parse into a namespace, or raise UsageError."""
        _, unknown = self.parse_known_args(arguments, into)
        if unknown:
            parser = self.commands().get(getattr(into, "command", ""), self)
            word = next((w for w in unknown if w.startswith("-")), unknown[0])
            parser.error(f"unrecognized arguments: {word}")


def _unknown(match: re.Match[str], parser: Parser) -> str:
    word = match[1].partition("=")[0]
    if not word.startswith("-"):
        return f"{word!r} is more than the command takes; see `{parser.prog} --help`."
    near = did_you_mean(word, parser.words()).replace("'", "")
    return f"there is no option {word}{near}; see `{parser.prog} --help`."


def _choice(match: re.Match[str], parser: Parser) -> str:
    known = [word.strip("'") for word in match[3].split(", ")]
    near = did_you_mean(match[2], known)
    if match[1] == "COMMAND":
        return f"there is no command {match[2]!r}{near}; the commands are {', '.join(known)}."
    return f"{match[1]} is {match[2]!r}; choose one of {', '.join(known)}{near}."


# What argparse says, as a pattern, and what is said in its place.
_SENTENCES: list[tuple[str, Sentence]] = [
    (r"unrecognized arguments: (.*)", _unknown),
    (r"argument (.*?): invalid choice: '(.*)' \(choose from (.*)\)", _choice),
    (
        r"the following arguments are required: (.*)",
        lambda m, p: f"{m[1].replace(', ', ' and ')} is missing; see `{p.prog} --help`.",
    ),
    (
        r"argument (.*?): not allowed with argument (.*)",
        lambda m, p: f"{m[1]} cannot stand beside {m[2]}; leave one of them out.",
    ),
    (
        r"argument (.*?): expected (.*?)(?: argument)(s?)",
        lambda m, p: f"{m[1]} wants {m[2]} value{m[3]}; see `{p.prog} --help`.",
    ),
    (
        r"ambiguous option: (.*) could match (.*)",
        lambda m, p: f"{m[1]} may be {m[2].replace(', ', ' or ')}; write one of them in full.",
    ),
    (r"argument (.*?): (.*?)\.?", lambda m, p: f"{m[1]}: {m[2]}."),
]
