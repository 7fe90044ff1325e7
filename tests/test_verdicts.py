"""A verdict of the child is believed only when it is complete, and is the answer to what was asked."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from codegen import pipeline, proving, verdicts
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.traced import HostClass, Layout, Trace, TracedModule, Width
from codegen.types import Check, Report, Request, Site

WIDTH = Width("8", 8, "literal")


def proved(checks: list[dict[str, str]]) -> Any:
    made = SimpleNamespace(variant=SimpleNamespace(base="", encoding="utf-8"), plans=({},), origin=SimpleNamespace(parts=None))
    child = SimpleNamespace(ask=lambda verb, request: {"checks": checks}, limits=SimpleNamespace(seconds=1.0))
    return pipeline.prove(child, made, SimpleNamespace(entry="net"), "")  # type: ignore[arg-type]


def test_a_verdict_without_all_checks_is_none() -> None:
    whole = [{"name": name, "status": "passed"} for name in proving.CHECKS]
    assert proved(whole)["checks"] == whole
    for lacking in ([], whole[1:], whole[:-1]):
        with pytest.raises(CodegenError) as caught:
            proved(lacking)
        assert caught.value.name == "verdict-incomplete"


def test_an_answer_to_another_request_is_none() -> None:
    child = Child.__new__(Child)
    read, write = os.pipe()
    child.answers, child.secret, child.asked = os.fdopen(read, "rb", buffering=0), "abc", 2
    child.deadline = 1e12
    others = ({"secret": "abc", "number": 1}, {"secret": "", "number": 2}, {"number": 2})
    for answer in (*others, {"secret": "abc", "number": 2, "value": 7}):
        os.write(write, json.dumps(answer).encode() + b"\n")
    assert child._read()["value"] == 7
    os.close(write)
    child.answers.close()


@pytest.mark.parametrize(("index", "option"), [("0", "--output-index"), ("out", "--output-key")])
def test_a_tensor_that_the_model_makes_no_use_of(index: str, option: str) -> None:
    host, module = HostClass("Net", "net.py", 1, ("",)), TracedModule("m", "M", 1, output_index=index)
    site = Site("m", "m", host, module, Layout(""), WIDTH)
    idle = Check("gradient", "failed", "se.weight gets no gradient")
    with pytest.raises(CodegenError) as caught:
        verdicts.demand(Report("", Request("net.py", "after", "m", "se"), site, checks=(idle,)))
    assert option in caught.value.hint and caught.value.name == "contract-failed"
    with pytest.raises(CodegenError) as caught:
        verdicts.demand(Report("", Request("net.py", "before", "m", "se"), site, checks=(idle,)))
    assert option not in caught.value.hint


@pytest.mark.parametrize(("kind", "named"), [("tensor", True), ("tuple", False)])
def test_a_hook_is_named_where_there_can_be_one(kind: str, named: bool) -> None:
    modules = (TracedModule("", "Net", 1), TracedModule("m", "M", 1, (2, 8), (2, 8), output_kind=kind))
    trace = Trace("Net()", "1x3x8x8", (HostClass("Net", "net.py", 1, ("",)),), modules, (), ("forward",))
    error = CodegenError("hidden-call", "m is run elsewhere", "insert there")
    for wanted, request in ((named, Request("net.py", "after", "m")), (False, Request("net.py", "replace", "m"))):
        assert ("--hook" in verdicts.hinted(error, request, trace).hint) is wanted
