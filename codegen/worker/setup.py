"""Find how to build and feed a model: the build expression, the device, the input. Never records calls."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import torch
from torch import nn

from codegen.errors import CodegenError
from codegen.worker import models
from codegen.worker.meta import Shortcuts
from codegen.worker.scopes import Scopes, recording

DEVICES = ("meta", "meta-parameters", "cpu")
SIZE_NAMES = ("img_size", "image_size", "input_size", "resolution", "input_resolution", "in_size", "size")
CHANNEL_NAMES = ("in_chans", "in_channels", "in_c", "in_ch", "n_channels", "input_channels", "channels", "num_channels")
COMMON_SIZES = (224, 32, 28, 64, 256, 299, 331, 384)


@dataclass(frozen=True)
class Setup:
    """A way to build and run the model that was seen to work. overrides: constructor arguments set for this build."""

    module: ModuleType
    build: str
    input: str
    device: str
    root: type
    arguments: dict[str, Any] = field(default_factory=dict)  # what the constructor got
    overrides: dict[str, Any] = field(default_factory=dict)

    def model(self) -> nn.Module:
        """A fresh model in eval mode."""
        with models.overriding(self.root, self.overrides):
            return models.build(self.module, self.build, self.device).eval()

    def scoped_model(self) -> tuple[nn.Module, Scopes]:
        """A fresh model with the scopes at the end of its constructors."""
        with recording() as scopes:
            model = self.model()
        return model, scopes

    def inputs(self, batch: int = 2) -> Any:
        """(args, kwargs) at this batch size."""
        return models.make_input(self.module, self.input, self.device, batch)

    def batch(self, asked: int) -> int | None:
        """The batch size that `inputs(asked)` has; None for an expression, whose batch is its own."""
        return asked if models.takes_batch(self.input) else None

    def image(self) -> tuple[int, int] | None:
        """(rows, columns) of the input, None where it is neither a map nor a clip (N, C, D, H, W)."""
        try:
            shape = models.parse_input(self.input)[0][0]
        except ValueError:
            return None
        return (shape[-2], shape[-1]) if len(shape) in (4, 5) else None

    def is_clip(self) -> bool:
        """Whether the input has frames or slices besides rows and columns."""
        return self.image() is not None and len(models.parse_input(self.input)[0][0]) == 5


def find(module: ModuleType, builds: list[str], input_spec: str) -> Setup:
    """The first build expression and input that run, on the cheapest device that works.

    Raises CodegenError("cannot-build") with the constructor's error, or ("cannot-run") with the forward's.
    """
    failure: Failure | None = None
    for build in builds:
        for device in DEVICES:
            try:
                setup = _built(module, build, device)
            except CodegenError:
                raise
            except Exception as error:  # the model's own code: anything can come out of it
                failure = _better(failure, ("cannot-build", build, error))
                continue
            tried = _fed(setup, input_spec)
            if isinstance(tried, Setup):
                return tried
            failure = _better(failure, ("cannot-run", build, tried))
    assert failure is not None
    raise _failed(*failure)


Failure = tuple[str, str, BaseException]


def _better(old: Failure | None, new: Failure) -> Failure:
    """The failure to report: of the best build expression, on the last device that was tried."""
    return new if old is None or old[1] == new[1] else old


def _built(module: ModuleType, build: str, device: str) -> Setup:
    model = models.build(module, build, device)
    seen: dict[str, Any] = {}
    setup = Setup(module, build, "", device, type(model))
    with models.overriding(type(model), {}, seen):
        models.build(module, build, device)
    flat = {k: v for k, v in seen.items() if k not in ("args", "kwargs")} | seen.get("kwargs", {})
    return replace(setup, arguments=flat)


def _failed(name: str, build: str, error: BaseException) -> CodegenError:
    last = f"{type(error).__name__}: {error}".strip().splitlines()
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({where[-1].filename.rsplit('/', 1)[-1]}:{where[-1].lineno})" if where else ""
    verb = "building" if name == "cannot-build" else "running"
    hint = (
        'say how the model is built: --build "Model(img_size=32)"'
        if name == "cannot-build"
        else "say what it takes: --input 1x3x224x224, or a Python expression; or how the model is built: --build EXPR"
    )
    details = "".join(traceback.format_exception(error))
    return CodegenError(name, f"{verb} {build} failed: {' '.join(last)[:300]}{place}", hint, details=details)


def _fed(setup: Setup, spec: str) -> Setup | Exception:
    model = setup.model()
    failure: Exception | None = None
    for candidate in [spec] if spec else _input_candidates(model, setup.arguments):
        fed = replace(setup, input=candidate)
        try:
            runs(fed, model)
            return fed
        except Exception as error:  # the model's own code
            failure = failure or error
    assert failure is not None
    return failure


def runs(setup: Setup, model: nn.Module | None = None) -> nn.Module:
    """Run `forward` once in eval mode at batch 2 and return the model; the model's own exception passes through."""
    model = model or setup.model()
    args, kwargs = setup.inputs()
    with torch.no_grad(), Shortcuts():
        model(*args, **kwargs)
    return model


def _input_candidates(model: nn.Module, arguments: dict[str, Any]) -> list[str]:
    """Inputs worth trying: what the model's own configuration says, then its constructor, then common image sizes."""
    config = getattr(model, "default_cfg", None) or {}
    size = config.get("input_size") if isinstance(config, dict) else getattr(config, "input_size", None)
    specs = [f"1x{size[0]}x{size[1]}x{size[2]}"] if isinstance(size, (tuple, list)) and len(size) == 3 else []
    channels = [v for k in CHANNEL_NAMES if isinstance(v := arguments.get(k), int)]
    sizes = [given for k in SIZE_NAMES if (given := pair(arguments.get(k)))]
    first = next((m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))), None)
    if first is not None:
        channels.append(first.in_channels)
    frames = "x16" if isinstance(first, nn.Conv3d) else ""
    for count, (rows, columns) in itertools.product([*channels, 3, 1], [*sizes, *((s, s) for s in COMMON_SIZES)]):
        specs.append(f"1x{count}{frames}x{rows}x{columns}")
    if first is None:
        linear = next((m for m in model.modules() if isinstance(m, nn.Linear)), None)
        specs += [f"1x{linear.in_features}", f"1x16x{linear.in_features}"] if linear is not None else []
    return list(dict.fromkeys(specs))


def pair(value: Any) -> tuple[int, int] | None:
    """An image size as (rows, columns), None where the value is none."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        return value[0], value[1]
    return None


Accept = Callable[[nn.Module], bool]


def works(setup: Setup, accept: Accept = lambda model: True) -> bool:
    """Whether the model builds and runs this way, and is one that is accepted."""
    try:
        return accept(runs(setup))
    except Exception:  # noqa: BLE001 - the model's own code; a size that it does not accept is an answer
        return False
