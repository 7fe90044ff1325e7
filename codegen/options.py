"""The options that commands share, as click has them. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def _options(*options: Command) -> Callable[[Command], Command]:
    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


LIMITS = _options(
    click.option(
        "--timeout", default=600.0, metavar="SECONDS", help="How long the model's code may run.", show_default=True
    ),
    click.option(
        "--memory", default="", metavar="SIZE", help="How much memory it may take: 8G. Default: 3/4 of the machine's."
    ),
)
RUN = _options(
    click.option("--class", "host", default="", metavar="NAME", help="The host class, where the default is not it."),
    click.option("--build", default="", metavar="EXPR", help='How the model is built: "VisionTransformer(depth=2)".'),
    click.option(
        "--input", default="", metavar="SPEC", help="1x3x224x224, 1x3x64x64,1x10:int64, or a Python expression."
    ),
    LIMITS,
)
CHECKS = click.option(
    "--check",
    "checks",
    multiple=True,
    type=click.Choice(["script", "fx", "export", "onnx", "compile"]),
    help="Beyond the contract, and only where the base passes: torch.jit.script, torch.fx, torch.export ...",
)
SHOW = _options(
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else."),
    click.option("--verbose", is_flag=True, help="Show the traceback and the output of the model's own code."),
)
MODULE = _options(
    click.option(
        "--module",
        default="",
        metavar="M",
        help='se, eca, ... | my.py:MyAttn | timm.layers:EcaModule | several: "se >> eca", "residual(se(reduction=8) + cbam)"',
    ),
    click.option("--as-class", default="", metavar="NAME", help="What the class of several is called. Default: SeEca."),
)
ARGUMENTS = click.option(
    "--arg", "arguments", multiple=True, metavar="K=V", help="An argument of the module; {width} is the channel count."
)
EDITS = click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="EDIT",
    help='Instead of a module and a place, any number of: "after layer1: se reduction=8", "replace act: my.py:Act".',
)
PLACES = _options(
    click.option("--after", default="", metavar="SITE", help="Insert behind this module."),
    click.option("--before", default="", metavar="SITE", help="Insert in front of this module."),
    click.option("--beside", default="", metavar="SITE", help="Run on what this module receives, and join the results."),
    click.option(
        "--combine",
        type=click.Choice(["add", "mul", "cat", "gate"]),
        default=None,
        help="Beside: how. cat: back to the channels by a 1x1 convolution; gate: a gain that starts at 0. Default: add.",
    ),
    click.option("--call", default=None, type=click.IntRange(1), metavar="N", help="Only the N-th of its calls: SITE@N."),
    click.option("--separate", is_flag=True, help="A module of its own for each of its calls. Without it they share one."),
    click.option("--output-index", default=None, type=int, metavar="N", help="Which result of a tuple, if not the first."),
    click.option("--output-key", default="", metavar="KEY", help="Which one of a dict or a dataclass."),
    click.option("--emit-groups", "groups", is_flag=True, help="A method that gives the new parameters; their layer decay."),
    click.option("--with-test", "test", is_flag=True, help="Write test_<variant>.py beside it: plain pytest and torch."),
    click.option("--static", is_flag=True, help="Never execute the source: no trace, no contract."),
)
NAMED = _options(
    click.option("--name", default="", metavar="ATTR", help="The attribute's name. Default: the module's name."),
    click.option(
        "--identity", is_flag=True, help="Start as the identity: the pretrained function is unchanged at step 0."
    ),
)
KEEP = _options(
    click.option("--suffix", default="", metavar="TEXT", help="Appended to registered names. Default: _<module>."),
    click.option(
        "--keep", type=click.Choice(["all", "used"]), default=None, help="Default: all for a path, used for a library."
    ),
)
OUTPUT = _options(
    click.option("-o", "--output", default="", metavar="FILE", help="Default: generated/<source>_<module>.py"),
    click.option("--in-place", is_flag=True, help="Change the source itself."),
    click.option("--force", is_flag=True, help="Replace an output that exists."),
    click.option("--dry-run", is_flag=True, help="Write nothing."),
    click.option("--diff", "show_diff", is_flag=True, help="Print the diff from base to variant."),
)
WIDTH = click.option("--width", default="", metavar="EXPR", help="The channel count, where it cannot be measured.")
VARIANT = _options(KEEP, WIDTH, OUTPUT, CHECKS)
