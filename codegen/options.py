"""The options of the commands, as click has them; a header and a recipe are read by them, too. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from codegen import given

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
MODEL = _options(
    click.option("--build", default="", metavar="EXPR", help='How the model is built: "VisionTransformer(depth=2)".'),
    click.option(
        "--input", default="", metavar="SPEC", help="1x3x224x224, 1x3x64x64,1x10:int64, or a Python expression."
    ),
    LIMITS,
)
RUN = _options(
    click.option("--class", "class_", default="", metavar="NAME", help="The host class, where the default is not it."), MODEL
)
CHECKS = click.option(
    "--check",
    "checks",
    multiple=True,
    type=click.Choice(given.CHECKS),
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
    click.option("--as-class", default="", metavar="NAME", help="Put several into a class of this name."),
    click.option("--import", "import_", is_flag=True, help="Of my.py:MyAttn: import the class, do not copy it."),
    click.option("--accept-licence", is_flag=True, help="Copy the class even where its file is under the GPL or the AGPL."),
)
ARGUMENTS = click.option(
    "--arg", "args", multiple=True, metavar="K=V", help="An argument of the module; {width} is the channel count."
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
        type=click.Choice(given.CHOICES["combine"]),
        default=None,
        help="Beside: how. cat: back to the channels by a 1x1 convolution; gate: a gain that starts at 0. Default: add.",
    ),
    click.option("--call", default=None, type=click.IntRange(1), metavar="N", help="Only the N-th of its calls: SITE@N."),
    click.option("--separate", is_flag=True, help="A module of its own for each of its calls. Without it they share one."),
    click.option("--hook", is_flag=True, help="Run it by a forward hook of the site; no code that runs the site is edited."),
    click.option("--output-index", default=None, type=int, metavar="N", help="Which result of a tuple, if not the first."),
    click.option("--output-key", default="", metavar="KEY", help="Which one of a dict or a dataclass."),
    click.option("--emit-groups", is_flag=True, help="A method that gives the new parameters; their layer decay."),
    click.option("--with-test", is_flag=True, help="Write test_<variant>.py beside it: plain pytest and torch."),
    click.option("--static", is_flag=True, help="Never execute the source: no trace, no contract."),
)
NAMED = _options(
    click.option("--name", default="", metavar="ATTR", help="The attribute's name. Default: the module's name."),
    click.option(
        "--identity", is_flag=True, help="Start as the identity: the pretrained function is unchanged at step 0."
    ),
)
INIT = click.option(
    "--init",
    type=click.Choice(given.CHOICES["init"]),
    default=None,
    help="How its weights start. paper (default): as the module has it; host: by the model's own function.",
)
HOW_MUCH = click.option(
    "--keep", type=click.Choice(given.CHOICES["keep"]), default=None, help="Default: all for a path, used for a library."
)
KEEP = _options(
    click.option("--suffix", default="", metavar="TEXT", help="Appended to registered names. Default: _<module>."),
    HOW_MUCH,
)
WRITING = _options(
    click.option("--force", is_flag=True, help="Replace an output that exists."),
    click.option("--dry-run", is_flag=True, help="Write nothing."),
)
OUTPUT = _options(
    click.option("-o", "--output", default="", metavar="FILE", help="Default: generated/<source>_<module>.py"),
    click.option("--in-place", is_flag=True, help="Change the source itself."),
    WRITING,
)
DIFF = click.option("--diff", "show_diff", is_flag=True, help="Print the diff from base to variant.")
WIDTH = click.option("--width", default="", metavar="EXPR", help="The channel count, where it cannot be measured.")
VARIANT = _options(KEEP, WIDTH, OUTPUT, CHECKS)
SAVE = click.option("--save", default="", metavar="NAME", help="Add the command as a recipe, which codegen build makes again.")
SOURCE = click.argument("source")
INSERT = _options(
    SOURCE,
    MODULE,
    PLACES,
    NAMED,
    INIT,
    EDITS,
    ARGUMENTS,
    VARIANT,
    SAVE,
    RUN,
)
REPLACE = _options(
    SOURCE,
    MODULE,
    click.option("--site", required=True, metavar="SITE", help="The module, or modules, whose place is taken."),
    ARGUMENTS,
    INIT,
    VARIANT,
    click.option("--out-width", default="", metavar="EXPR", help="The channels that it returns, where they are not measured."),
    SAVE,
    RUN,
)
WRAP = _options(
    SOURCE,
    click.option("--site", required=True, metavar="SITE", help="The module, or modules, around which it goes."),
    click.option("--with", "with_", required=True, type=click.Choice(given.CHOICES["with_"]), help="What goes around it."),
    NAMED,
    ARGUMENTS,
    VARIANT,
    SAVE,
    RUN,
)
LAYERS = 'Of torch.nn: "Linear(256), ReLU, Dropout(0.1), Linear(10)".'
HEAD = _options(
    SOURCE,
    click.option("--site", required=True, metavar="SITE", help="The classifier: fc, head, classifier.6 ...; or the pool."),
    click.option("--layers", default="", metavar="LAYERS", help=LAYERS),
    click.option("--pool", type=click.Choice(given.CHOICES["pool"]), default=None, help="Another pool in the place of SITE."),
    click.option("--extra", default="", metavar="NAME", help="Leave the classifier, and give it a second one of this name."),
    VARIANT,
    SAVE,
    RUN,
)
REMOVE = _options(
    click.argument("source", metavar="SOURCE|FILE"),
    click.option("--site", default="", metavar="SITE", help="Of SOURCE: the modules to leave out; nn.Identity stands there."),
    click.option("--name", default="", metavar="ATTR", help="Of FILE, which codegen made: the insertion to take out again."),
    click.option("--against", default="", metavar="SOURCE", help="With --name: the base. Default: what FILE's header names."),
    KEEP,
    OUTPUT,
    CHECKS,
    SAVE,
    RUN,
)
BASE = _options(
    SOURCE,
    click.option("--edit", "edits", multiple=True, metavar="EDIT", help='What was made of it since: "after layer1: se".'),
    click.option("--suffix", default="", metavar="TEXT", help=f"Appended to registered names. Default: {given.BASE}."),
    HOW_MUCH,
    click.option("-o", "--output", default="", metavar="FILE", help="Default: generated/<source>_base.py"),
    WRITING,
    MODEL,
)
CONFIG = click.option("--config", default="", metavar="FILE", help="Default: codegen.toml or pyproject.toml.")
GRID = _options(
    click.option("--modules", multiple=True, metavar="M,...", help='se,eca,"residual(se >> eca)",my.py:MyAttn'),
    click.option("--sites", multiple=True, metavar="S,...", help="layer2,layer*,all(blocks.*.attn),every-stage,stem"),
    click.option("--operations", multiple=True, metavar="O,...", help="after,before,beside,replace. Default: after."),
    click.option("--arg", "args", multiple=True, metavar="K=V,...", help="Each module that has K, with each V."),
    click.option("--include", multiple=True, metavar="PATTERN", help='Only cells like "timm:vit* se after blocks.*".'),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="No cells like it."),
    click.option("--identity", is_flag=True, help="Each module starts as the identity."),
    click.option("--combine", type=click.Choice(given.CHOICES["combine"]), default=None, help="Beside: how. Default: add."),
    click.option("--limit", default=None, type=click.IntRange(1), metavar="N", help="Only the first N cells."),
    click.option("--sample", default=None, type=click.IntRange(1), metavar="N", help="Only N cells, drawn from all."),
    click.option("--seed", default=None, type=int, metavar="S", help="Of the draw. Default: 0."),
    MODEL,
)
SWEEP = _options(
    click.argument("sources", nargs=-1, metavar="[NAME|SOURCE...|FOLDER...]"),
    GRID,
    click.option("--full", is_flag=True, help="The whole contract, not the quick one."),
    click.option("--costs", multiple=True, metavar="C,...", help="Measure flops,memory,latency,export, too."),
    click.option("--device", type=click.Choice(given.CHOICES["device"]), default="cpu", help="Of latency.", show_default=True),
    click.option("--compile", is_flag=True, help="Latency of the compiled models."),
    click.option("--workers", default=2, type=click.IntRange(1), help="How many processes.", show_default=True),
    click.option(
        "--isolate", type=click.Choice(given.CHOICES["isolate"]), default=None, help="A process of its own for each variant."
    ),
    click.option("--executor", type=click.Choice(given.CHOICES["executor"]), default=None, help="Default: local."),
    click.option("--scheduler", default="", metavar="ADDRESS", help="Of dask.distributed: tcp://host:8786."),
    click.option("--shard", default="", metavar="I/N", help="Only the I-th of N parts, in a store of its own."),
    click.option("--merge", is_flag=True, help="Join the stores of FOLDER... into that of -o."),
    click.option("--strict", is_flag=True, help="Make nothing where a source or a site is unknown."),
    click.option("--retry", is_flag=True, help="Make again what did not pass."),
    click.option("--dry-run", is_flag=True, help="Show the plan, make and write nothing."),
    click.option("--export", default="", metavar="FILE", help="Write the rows to a .csv, .jsonl, .parquet or .md file."),
    click.option("-o", "--output", default="", metavar="FOLDER", help="Default: sweeps/NAME, or sweeps/SOURCE."),
    CONFIG,
)
BENCH = _options(
    click.argument("files", nargs=-1, required=True, metavar="FILE..."),
    click.option(
        "--device", type=click.Choice(given.CHOICES["device"]), default="cpu", show_default=True, help="Where they run."
    ),
    click.option("--compile", is_flag=True, help="Compiled by torch.compile, not eager."),
    click.option("--train", is_flag=True, help="Forward and backward in training mode, not a forward alone."),
    click.option("--batch", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="How many samples."),
    click.option("--runs", type=click.IntRange(1), default=30, show_default=True, metavar="N", help="How many rounds."),
    click.option("--threads", type=click.IntRange(1), default=None, metavar="N", help="Of torch. Default: its own choice."),
    click.option("--input", default="", metavar="SPEC", help="1x3x224x224 ... Default: what the header says, or the model."),
    LIMITS,
)
RECORDED = {"insert": INSERT, "replace": REPLACE, "head": HEAD, "remove": REMOVE, "base": BASE}  # what a header or a recipe has
RECORDED |= {"wrap": WRAP}  # of a checkpoint alone: other wraps are recorded as the insertions that they are
