"""The command line's root: which verbs there are, and how they end.

Exit status: 0 done; 1 the job or the command failed; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from darkroom.cli import show
from darkroom.errors import DarkroomError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
VERBS = ("up", "demo", "submit", "watch", "cancel", "jobs", "status", "costs", "dead", "url", "bucket", "schema")


class Verbs(click.Group):
    """Loads a verb when it is asked for: `darkroom submit` needs nothing of what `darkroom up` does."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they are met."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """The verb, from the file of its name."""
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f"darkroom.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="darkroom", message="%(package)s %(version)s")
def root() -> None:
    """Image and video generation jobs over Kafka.

    Start a system with `darkroom up`, then in another shell: darkroom submit "a red circle" --out circle.png

    Commands find the system by its data folder (--data, default .darkroom), or by --kafka host:port.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # What matters of it is told in one line, below.
    try:
        return _status(root.main(list(arguments), prog_name="darkroom", standalone_mode=False))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would complain once more at its end.
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (click.ClickException, DarkroomError, OSError) as error:
        return _told(*_in_words(error))
    except ValueError as error:
        if not _about_settings(error):
            raise
        return _told(f"darkroom: {error}", FAILED)


def _in_words(error: Exception) -> tuple[str, int]:
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "darkroom"
        return f"{path}: {error.format_message()} Try --help.", USAGE
    if isinstance(error, click.ClickException):
        return f"darkroom: {error.format_message()}", error.exit_code
    if isinstance(error, OSError) and not isinstance(error, DarkroomError):
        return f"darkroom: {error.strerror or error}: {error.filename or ''}".rstrip(": "), FAILED
    return f"darkroom: {error}", FAILED


def _about_settings(error: ValueError) -> bool:
    from infra.settings import BadSetting  # whoever raised it has paid for the import

    return isinstance(error, BadSetting)


def _told(text: str, status: int) -> int:
    show.note(text)
    return status


def _status(answer: object) -> int:
    return answer if isinstance(answer, int) else 0
