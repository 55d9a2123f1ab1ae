"""All commands, and how a command line becomes one of them."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Protocol, Union, cast

import tyro

from stpairs_core.cli.demo import Demo
from stpairs_core.cli.doctor import Doctor
from stpairs_core.cli.embed import Embed
from stpairs_core.cli.export import Export
from stpairs_core.cli.mine import Mine
from stpairs_core.cli.output import Output
from stpairs_core.cli.search import Search
from stpairs_core.cli.train import Train, train_defaults


class Command(Protocol):
    """One parsed command."""

    @property
    def output(self) -> Output:
        """Where it speaks."""

    def run(self) -> Mapping[str, object]:
        """Do it; the mapping is what `--json` prints. `"ok": False` makes the exit code 1."""


def parse(argv: list[str]) -> Command:
    """The command that ARGV asks for; wrong usage exits with 2 and a word on what is wrong."""
    if argv == ["--version"]:
        print(f"stpairs {version('stpairs')}")
        raise SystemExit(0)
    train = tyro.conf.subcommand("train", default=train_defaults(argv))
    command: object = tyro.cli(
        Union[  # noqa: UP007  # tyro reads the defaults of Annotated at run time
            Annotated[Doctor, tyro.conf.subcommand("doctor")],
            Annotated[Mine, tyro.conf.subcommand("mine")],
            Annotated[Train, train],
            Annotated[Export, tyro.conf.subcommand("export")],
            Annotated[Embed, tyro.conf.subcommand("embed")],
            Annotated[Search, tyro.conf.subcommand("search")],
            Annotated[Demo, tyro.conf.subcommand("demo")],
        ],
        prog="stpairs",
        args=argv,
        description="Learn video encoders from unlabelled video: mine pairs, train, export, embed, search.",
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    return cast(Command, command)
