"""Rows of a sweep that was never run, and the structure of a small net, for the tests of reports. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codegen.sweeps.rows import Base, Costs, Row
from codegen.sweeps.store import Contents

Json = dict[str, Any]
SITES = ("stem", "blocks.0", "blocks.*.conv", "head")
MODULES = (("se", ""), ("se", "reduction=8"), ("eca", ""), ("simam", ""))
DIFF = '''--- base/net.py
+++ variant/net.py
@@ -1,4 +1,12 @@
 """A net."""
+
+class Gate(nn.Module):
+    """It's a gate."""
+
+    def forward(self, x):
+        return x * 2  # twice
+
+
 class Net(nn.Module):
     def forward(self, x):
-        return self.head(self.stem(x))
+        return self.head(self.se(self.stem(x)))
'''


def site(name: str, class_name: str, shape: list[int], order: int, **more: Any) -> Json:
    """One site as `codegen sites --json` has it."""
    layout = {2: "NC", 3: "NLC", 4: "NCHW"}.get(len(shape), "")
    facts = {
        "name": name,
        "class_name": class_name,
        "output_kind": "tensor",
        "output_shape": shape,
        "input_shape": shape,
        "layout": {"kind": layout, "prefix": 0, "grid": None, "grid_expr": ""},
        "width": {"expr": "dim", "value": shape[1] if len(shape) > 1 else 0, "kind": "name", "builds": 2},
        "width_before": None,
        "calls": int(order >= 0),
        "order": order,
        "parameters": 100,
        "call_sites": [{"method": "Net.forward", "line": 12, "paths": ["forward"]}],
    }
    return {**facts, **more}


def structure(blocks: int = 4) -> Json:
    """A stem, blocks of which the first halves the image, an auxiliary head that never runs, and a head; not in this order."""
    sites = [site("head", "Linear", [2, 10], 90), site("stem", "Conv2d", [2, 8, 32, 32], 0)]
    sites += [site("blocks", "Sequential", [2, 16, 16, 16], 80)]
    for i in range(blocks):
        first = 1 + 5 * i
        sites += [site(f"blocks.{i}", "Block", [2, 16, 16, 16], first + 4)]
        sites += [site(f"blocks.{i}.conv", "Conv2d", [2, 16, 16, 16], first, parameters=2000)]
        sites += [site(f"blocks.{i}.down", "AvgPool2d", [2, 16, 16, 16], first + 2)] if not i else []
        sites += [site(f"blocks.{i}@residual", "", [2, 16, 16, 16], first + 3, parameters=0)]
        sites += [site(f"blocks.{i}.act", "ReLU", [2, 16, 16, 16], first + 1, parameters=0)]
    sites += [site("aux", "Linear", [], -1)]
    whole = {"build": "Net()", "input": "1x3x32x32", "host": "Net", "paths": ["forward"], "parameters": 1_234_567}
    return {**whole, "sites": sites}


def row(number: int, **changed: Any) -> Row:
    """One variant; its costs follow from its number, so that no two are equal."""
    module, arguments = MODULES[number % 4]
    plain = {
        "key": f"key{number}",
        "source": ("net.py", "timm:resnet18")[number // 16 % 2],
        "operation": "after",
        "site": SITES[number // 4 % 4],
        "module": module,
        "arguments": arguments,
        "command": f"codegen insert net.py --module {module} --after stem # {number}",
        "status": "passed",
        "output": f"variants/net_{number}.py",
        "diff": DIFF,
        "record": {"checks": [{"name": "import", "status": "passed", "detail": ""}], "notes": ["a note"]},
        "parameters": 100_000,
        "new_parameters": 10 * number,
        "drift": 0.001 * (number + 1),
        "costs": Costs((10**6, 10**6 + 100 * number), None, (0.01, 0.0101), (1.0, 1.01 + 0.001 * number, 1.2), "passed"),
        "seconds": 0.2,
    }
    return Row(**{"number": number, **plain, **changed})


def rows(count: int = 32) -> list[Row]:
    """A grid of which the last row of each sixteen is refused."""
    nothing = {"new_parameters": None, "drift": None, "costs": Costs(), "diff": "", "record": {}, "output": ""}
    refused = {"status": "refused", "error": "module-does-not-fit", "message": "it does not fit", "hint": "take another"}
    refused |= nothing
    return [row(i, **(refused if i % 16 == 15 else {})) for i in range(count)]


def contents(given: list[Row], cells: int = 0) -> Contents:
    """As a store gives it."""
    bases = [Base(source, "", structure()) for source in dict.fromkeys(each.source for each in given)]
    return Contents(Path("sweeps/demo"), tuple(given), tuple(bases), cells or len(given))
