"""Children that stay warm: what is made in them is what a run by itself makes, and a failure ends with its own variant."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_recipes import NET, Call, call

from codegen import warm
from codegen.child import Child
from codegen.limits import Limits

__all__ = ["call"]  # a fixture
EDITS = {
    "se": '["after stem: se"]',
    "eca": '["after stem: eca"]',
    "wrong": '["after stam: se"]',
    "two": '["after stem: se >> eca --as-class Both", "head fc: Linear(9)"]',
    "others": '["before act: se", "replace act: torch.nn:GELU"]',
    "gelu": '["replace act: torch.nn:GELU"]',
}


def test_a_worker_goes_on_with_what_it_is_warm_for() -> None:
    queue = warm.Queue(["a", "b", "a", "c", "a", "a", "a"])
    one, two = warm.Warm(), warm.Warm()
    assert [queue.take(one), queue.take(two), queue.take(one)] == [0, 1, 2]
    assert (one.family, two.family) == ("a", "b")
    assert [queue.take(two), two.family] == [3, "c"]  # what nobody has before what needs a second child
    assert [queue.take(two), two.family] == [4, "a"]  # three are left
    assert [queue.take(one), queue.take(two), queue.take(one), queue.take(two)] == [5, 6, None, None]
    queue = warm.Queue(["a", "a", "a"])
    one, two = warm.Warm(), warm.Warm()
    assert [queue.take(one), queue.take(two), queue.take(one), queue.take(one)] == [0, None, 1, 2]
    queue = warm.Queue(["a"])
    queue.clear()
    assert queue.take(one) is None


def test_a_family_is_a_library_or_a_file() -> None:
    assert warm.family("timm:resnet18") == warm.family("timm:vit_tiny_patch16_224") == "timm"
    assert warm.family("a/net.py:Net") == warm.family("a/net.py") == "a/net.py" != warm.family("b/net.py")
    assert warm.family("zoo.nets:Net") == "zoo.nets:Net"


class Counted(Child):
    count = 0

    def __init__(self, limits: Limits) -> None:
        type(self).count += 1
        super().__init__(limits)


@pytest.mark.slow
def test_the_bytes_are_those_of_single_runs(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself, in another place, from another working directory, with other hashes of strings."""
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Counted, "count", 0)
    monkeypatch.setattr(warm, "Child", Counted)
    for name in ("together", "alone"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "net.py").write_text(NET)
        (folder / "same.py").write_text(NET.replace("class Net", "class Same"))
        tables = [f'[variants.{key}]\nsource = "net.py"\nedits = {edits}\n' for key, edits in EDITS.items()]
        tables.append('[variants.same]\nsource = "same.py"\nedits = ["after stem: se"]\n')
        (folder / "codegen.toml").write_text("".join(f'{table}input = "1x3x16x16"\n\n' for table in tables))
    monkeypatch.chdir(tmp_path / "together")
    code, output, _ = call("build", "--jobs", "1")
    assert code == 2 and "6 made, 1 failed" in output and "error[unknown-site]" in output
    assert Counted.count == 3  # of net.py, again behind the one that fails, and of the other file
    (tmp_path / "alone/deep").mkdir()
    monkeypatch.chdir(tmp_path / "alone/deep")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    for key in EDITS.keys() - {"wrong"}:
        assert call("build", key)[0] == 0
    made = {path.name: path.read_bytes() for path in Path("../generated").iterdir()}
    assert made == {name: (tmp_path / "together/generated" / name).read_bytes() for name in made} and len(made) == 5
