"""All commands, and how a command line becomes one of them."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Protocol, Union, cast

import tyro

from stpairs_core.cli.check_augmentation import CheckAugmentation
from stpairs_core.cli.demo import Demo
from stpairs_core.cli.doctor import Doctor
from stpairs_core.cli.embed import Embed
from stpairs_core.cli.explain_pair import ExplainPair
from stpairs_core.cli.export import Export
from stpairs_core.cli.mine import Mine
from stpairs_core.cli.output import Output
from stpairs_core.cli.search import Search
from stpairs_core.cli.train import Train, train_defaults
from stpairs_core.errors import InvalidSpec


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
    try:
        return cast(Command, _parsed(argv))
    except InvalidSpec as error:  # a value that its own spec refuses
        print(f"stpairs: {error}; see stpairs {argv[0]} --help", file=sys.stderr)
        raise SystemExit(2) from None


def _parsed(argv: list[str]) -> object:
    command: object = tyro.cli(
        Union[  # noqa: UP007  # tyro reads the defaults of Annotated at run time
            Annotated[Doctor, tyro.conf.subcommand("doctor")],
            Annotated[Mine, tyro.conf.subcommand("mine")],
            Annotated[ExplainPair, tyro.conf.subcommand("explain-pair")],
            Annotated[Train, tyro.conf.subcommand("train", default=train_defaults(argv))],
            Annotated[Export, tyro.conf.subcommand("export")],
            Annotated[Embed, tyro.conf.subcommand("embed")],
            Annotated[Search, tyro.conf.subcommand("search")],
            Annotated[Demo, tyro.conf.subcommand("demo")],
            Annotated[CheckAugmentation, tyro.conf.subcommand("check-augmentation")],
        ],
        prog="stpairs",
        args=argv,
        description="Learn video encoders from unlabelled video: mine pairs, train, export, embed, search.",
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    return command
