"""Every module of the catalogue, in every layout that it claims, is its paper's equation, and what else its users rely on.

The equations stand once more, slowly, in `equations/NAME.py`:

    SETTINGS                       arguments for 32 channels, as text
    parameters(c) -> int           how many with these settings, by the formula; (c, kind) where layouts differ in it
    equation(module, x) -> y       of a map (N, C, H, W), from the module's own weights, in eval
    sequence(module, tokens)       of tokens (N, L, C), where all read from all, class and register tokens too (optional)
    prefix(module, x, tokens)      what becomes of class and register tokens (N, P, C); where it is missing they stay
    started(module)                asserts what the paper says of its start (optional)
    STANDS_IN                      it stands in the place of a layer, and cannot be the identity (optional)
    trained(module, x)             asserts what it does to a tensor in training, where that is another thing (optional)
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import black
import pytest
import torch
from torch import Tensor, nn

from codegen import catalogue
from codegen.errors import CodegenError
from codegen.traced import Layout, Width

CHANNELS, ROWS, COLUMNS, PREFIX = 32, 5, 7, 2
KINDS = ("NCHW", "NHWC", "NLC", "NCL", "NC", "NCDHW", "NDHWC", "NXXC", "NCXX")
NAMES = [entry.name for entry in catalogue.entries()]
MODULES = {name: importlib.import_module(f"equations.{name}") for name in NAMES}
CASES = [(entry.name, kind) for entry in catalogue.entries() for kind in entry.layouts]
ABSENT = [(entry.name, kind) for entry in catalogue.entries() for kind in KINDS if kind not in entry.layouts]
SCOPE = {"channels": CHANNELS, "grid_size": (ROWS, COLUMNS), "dd": {"device": "meta", "dtype": torch.bfloat16}}

USUAL = ("NCHW", "NLC")  # of these one test stays in the default run
of_each = pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
of_usual_first = pytest.mark.parametrize(
    ("name", "kind"),
    [pytest.param(*case, id="-".join(case), marks=[] if case[1] in USUAL else pytest.mark.slow) for case in CASES],
)
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")


def layout(kind: str) -> Layout:
    return Layout("NLC", PREFIX, (ROWS, COLUMNS), "grid_size") if kind == "NLC" else Layout(kind)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """make(name, kind, identity=, factory=, settings=, channels=) -> the module, out of a file of its own."""

    def made(name: str, kind: str, *, settings: Any = None, channels: int = CHANNELS, **options: Any) -> Any:
        settings = MODULES[name].SETTINGS if settings is None else settings
        width = Width("channels", channels, "name")
        options = {"identity": False, "factory": "", **options}
        part = catalogue.component(name, layout(kind), width, settings, **options)
        path = tmp_path / f"made{len(list(tmp_path.iterdir()))}.py"
        path.write_text("\n".join([*part.imports, "", "", part.code]))
        scope = {"__name__": path.stem, **SCOPE, "channels": channels}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        torch.manual_seed(0)
        return eval(part.construct, scope)

    return made


def maps(batch: int = 3, rows: int = ROWS, columns: int = COLUMNS) -> Tensor:
    return torch.randn(batch, CHANNELS, rows, columns, generator=torch.Generator().manual_seed(1))


def of(kind: str, x: Tensor, tokens: Tensor | None = None) -> Tensor:
    """A map (N, C, H, W) in another layout; a volume has the first row as one depth and the others as another."""
    if kind == "NLC":
        made = x.new_full((len(x), PREFIX, x.shape[1]), 0.5) if tokens is None else tokens
        return torch.cat([made, x.flatten(2).transpose(1, 2)], dim=1)
    forms = {
        "NHWC": lambda: x.permute(0, 2, 3, 1),
        "NXXC": lambda: x.permute(0, 2, 3, 1),
        "NCL": lambda: x.flatten(2),
        "NC": lambda: x.flatten(2).transpose(1, 2).flatten(0, 1),
        "NCDHW": lambda: x.unflatten(2, (1, -1)),
        "NDHWC": lambda: x.unflatten(2, (1, -1)).permute(0, 2, 3, 4, 1),
    }
    return forms.get(kind, lambda: x)()


def sample(kind: str, batch: int = 3, rows: int = ROWS, columns: int = COLUMNS) -> Tensor:
    """In no map's memory: contiguous."""
    return of(kind, maps(batch, rows, columns)).contiguous()


def shaken(module: nn.Module) -> Any:
    """Weights and statistics far from their start, so that nothing is hidden by small or zero ones."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return module.eval()


@of_usual_first
def test_it_is_its_equation(make: Any, name: str, kind: str) -> None:
    module, x, known = shaken(make(name, kind)), maps(), MODULES[name]
    if kind == "NC":  # each position a vector by itself
        x = x.permute(0, 2, 3, 1).reshape(-1, CHANNELS, 1, 1)
    elif kind == "NCL":  # one row
        x = x.flatten(2).unsqueeze(2)
    given = of(kind, x if kind != "NC" else x)
    wanted = known.equation(module, x)
    tokens = given[:, :PREFIX] if kind == "NLC" else None
    if kind == "NLC" and hasattr(known, "sequence"):
        torch.testing.assert_close(module(given), known.sequence(module, given), rtol=1e-4, atol=1e-4)
        return
    after = known.prefix(module, x, tokens) if tokens is not None and hasattr(known, "prefix") else tokens
    torch.testing.assert_close(module(given.contiguous()), of(kind, wanted, after), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if hasattr(MODULES[case[0]], "trained")])
def test_what_it_does_in_training(make: Any, name: str, kind: str) -> None:
    MODULES[name].trained(make(name, kind).train(), sample(kind))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if not hasattr(MODULES[case[0]], "STANDS_IN")])
def test_identity_is_exact_and_can_be_left(make: Any, name: str, kind: str) -> None:
    module, x = make(name, kind, identity=True), sample(kind)
    for mode in (module.train, module.eval):
        assert torch.equal(mode()(x), x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(x), x)
    if list(module.parameters()):
        assert not torch.allclose(shaken(module)(x), x)


@pytest.mark.slow
@of_each
@pytest.mark.parametrize("identity", [False, True], ids=["plain", "identity"])
def test_gradients_and_dtypes(make: Any, name: str, kind: str, identity: bool) -> None:
    """A batch of one in training, too."""
    module = make(name, kind, identity=identity).train()
    x = sample(kind, batch=1).requires_grad_()
    torch.manual_seed(1)  # of a module that is random in training
    module(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in [x, *module.parameters()])
    assert x.grad is not None and x.grad.abs().sum() > 0
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            assert module(x.to(dtype)).dtype == dtype or hasattr(MODULES[name], "TORCHS")
    assert module.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.slow
@of_each
def test_its_input_stays(make: Any, name: str, kind: str) -> None:
    module, x = shaken(make(name, kind)), sample(kind)
    kept = x.clone()
    module(x)
    assert torch.equal(x, kept)


@pytest.mark.slow
@of_each
def test_script(make: Any, name: str, kind: str) -> None:
    module = shaken(make(name, kind, identity=True))
    torch.testing.assert_close(torch.jit.script(module)(sample(kind)), module(sample(kind)))


@of_each
@pytest.mark.slow
def test_export(make: Any, name: str, kind: str) -> None:
    module = shaken(make(name, kind, identity=True))
    exported = torch.export.export(module, (sample(kind),)).module()
    torch.testing.assert_close(exported(sample(kind)), module(sample(kind)))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (3, 11), (8, 2)])
@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] in ("NCHW", "NHWC")])
def test_any_size(make: Any, name: str, kind: str, size: tuple[int, int]) -> None:
    x = sample(kind, getattr(MODULES[name], "BATCH", 1), *size)
    assert make(name, kind).train()(x).shape == x.shape


@pytest.mark.slow
@of_each
def test_parameters(make: Any, name: str, kind: str) -> None:
    module = make(name, kind)
    formula = MODULES[name].parameters
    wanted = formula(CHANNELS, kind) if len(inspect.signature(formula).parameters) > 1 else formula(CHANNELS)
    assert sum(p.numel() for p in module.parameters()) == wanted
    if hasattr(MODULES[name], "started"):
        MODULES[name].started(module)


@pytest.mark.slow
@of_each
def test_the_formula_counts_its_parameters(make: Any, name: str, kind: str) -> None:
    """With its own settings and its test's, at widths where the least number of hidden channels holds and where it does not."""
    entry = catalogue.entry(name)
    for settings in ({}, MODULES[name].SETTINGS):
        for channels in (6, 64, 256):
            module = make(name, kind, settings=settings, channels=channels, factory="device='meta'")
            found = sum(p.numel() for p in module.parameters())
            assert catalogue.count(entry, channels, settings, kind) == found, (settings, channels)


@pytest.mark.slow
@of_each
@pytest.mark.parametrize("factory", [False, True], ids=["bare", "factory"])
@pytest.mark.parametrize("identity", [False, True], ids=["plain", "identity"])
def test_text_is_as_black_leaves_it(name: str, kind: str, factory: bool, identity: bool) -> None:
    entry = catalogue.entry(name)
    for settings in ({}, MODULES[name].SETTINGS):
        text = catalogue.render(entry, layout(kind), settings, identity=identity, factory=factory)
        assert black.format_str(text, mode=black.Mode(line_length=88)) == text
        assert max(map(len, text.splitlines())) <= 88
        tree = ast.parse(text)
        if isinstance(tree.body[0], ast.Expr):  # a layer of torch's: the expression that makes it
            assert len(tree.body) == 1 and text.startswith("nn.")
            continue
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        assert len(classes) == 1 and classes[0] in (entry.class_name, *entry.class_name.split(", "))
        assert entry.url in (ast.get_docstring(tree.body[0]) or "")  # type: ignore[arg-type]


@pytest.mark.slow
@of_each
def test_factory(make: Any, name: str, kind: str) -> None:
    for factory in ("**dd", 'device="meta", dtype=dd["dtype"]'):
        tensors = list(make(name, kind, identity=True, factory=factory).parameters())
        assert {(p.device.type, p.dtype) for p in tensors} in ({("meta", torch.bfloat16)}, set())


@pytest.mark.parametrize(("name", "kind"), ABSENT, ids=[f"{name}-{kind}" for name, kind in ABSENT])
def test_other_layouts_are_refused_for_a_reason(name: str, kind: str) -> None:
    with pytest.raises(CodegenError) as caught:
        catalogue.render(catalogue.entry(name), layout(kind), {}, identity=False, factory=False)
    assert caught.value.name == "module-does-not-fit" and "is not defined there" not in caught.value.message


def test_every_entry_says_where_it_comes_from() -> None:
    for each in catalogue.entries():
        assert all([each.summary, each.paper, each.equation, each.licence, each.url.startswith("https://")])
