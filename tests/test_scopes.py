"""The names at the end of every constructor: each class its own scope, parameters in order, nothing of other objects."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("torch")

from torch import nn  # noqa: E402

from codegen.worker import models  # noqa: E402
from codegen.worker.scopes import Scope, Scopes, recording  # noqa: E402

OUTSIDE = 3


class Parent(nn.Module):
    def __init__(self, width, *extra, depth=2, **rest):
        super().__init__()
        width = width * 2
        inner = [width] * depth
        self.conv = nn.Conv2d(3, inner[0], 1)


class Child(Parent):
    def __init__(self, size, width=4):
        before = size
        super().__init__(width, 7, depth=3, spare=1)
        after = width + before  # noqa: F841 - read from the frame


class Heir(Parent):
    pass


class Closure(nn.Module):
    def __init__(me, width):  # noqa: N805
        super().__init__()
        me.make = lambda: nn.Conv2d(len(me.made), width, 1)
        me.made = [width]


class Early(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        if width == 8:
            return
        never = width  # noqa: F841


class Plain:
    def __init__(self, width):
        self.module = Parent(width)


class Late(nn.Module):
    """Gives what it is made of other parts, once these are made."""

    def __init__(self):
        super().__init__()
        self.parent = Heir(4)
        self.parent.conv = nn.Conv2d(3, 5, 1)
        self.parent.head = nn.Linear(5, 2)
        self.parent.size = 7
        self.whole = Closure(6)


def scope_of(make, cls: type | None = None) -> Scope | None:
    with recording() as scopes:
        model = make()
    return scopes.of(model, cls or type(model))


def found(make, cls: type | None = None) -> Scope:
    scope = scope_of(make, cls)
    assert scope is not None
    return scope


def test_locals_are_those_at_the_end() -> None:
    scope = found(lambda: Parent(4))
    assert scope.locals["width"] == 8 and scope.locals["inner"] == [8, 8]
    assert scope.locals["extra"] == () and scope.locals["rest"] == {}
    assert isinstance(scope.locals["self"], Parent)


def test_parameters_are_named_in_order_without_self_and_stars() -> None:
    assert found(lambda: Parent(4)).parameters == ("width", "depth")
    assert found(lambda: Child(1)).parameters == ("size", "width")


def test_a_subclass_and_its_base_leave_one_scope_each() -> None:
    with recording() as scopes:
        model = Child(size=5)
    own, base = scopes.of(model, Child), scopes.of(model, Parent)
    assert own is not None and base is not None
    assert own.locals["after"] == 9 and own.locals["width"] == 4
    assert base.locals["width"] == 8 and base.locals["depth"] == 3 and base.locals["extra"] == (7,)


def test_a_class_without_a_constructor_has_no_scope_of_its_own() -> None:
    with recording() as scopes:
        model = Heir(4)
    assert scopes.of(model, Heir) is None
    base = scopes.of(model, Parent)
    assert base is not None and base.locals["width"] == 8


def test_names_are_the_locals_before_the_globals() -> None:
    names = found(lambda: Parent(4)).names()
    assert names["OUTSIDE"] == OUTSIDE and names["nn"] is nn and names["width"] == 8


@pytest.mark.parametrize(("make", "name", "value"), [(lambda: Closure(6), "width", 6), (Early, "width", 8)])
def test_names_that_closures_hold_and_constructors_that_return_early(make, name: str, value: int) -> None:
    scope = found(make)
    assert scope.locals[name] == value and scope.parameters == ("width",)
    assert "never" not in scope.locals


def test_every_module_of_a_build_is_found_and_other_objects_are_not() -> None:
    with recording() as scopes:
        holder = Plain(4)
        pair = nn.ModuleList([Parent(2), Parent(3)])
    assert [scope.locals["width"] for m in pair if (scope := scopes.of(m, Parent))] == [4, 6]
    assert scopes.of(holder.module.conv, nn.Conv2d) is not None
    assert scopes.of(holder, Plain) is None  # type: ignore[arg-type]


def test_a_constructor_with_overridden_arguments_leaves_its_scope() -> None:
    with recording() as scopes, models.overriding(Parent, {"width": 16}):
        model = Parent(4)
    scope = scopes.of(model, Parent)
    assert scope is not None and scope.locals["width"] == 32
    assert "construct" not in vars(Parent)["__init__"].__qualname__


def test_recording_ends_even_where_a_constructor_fails() -> None:
    with pytest.raises(TypeError), recording():
        Parent()  # type: ignore[call-arg]
    assert sys.getprofile() is None
    assert not Scopes().found
    with recording() as scopes:
        pass
    Parent(4)
    assert not scopes.found


def test_an_object_that_is_changed_later_is_seen_as_it_was_when_its_constructor_ended() -> None:
    with recording() as scopes:
        model = Late()
    scope, written = scopes.of(model.parent, Parent), scopes.at_end(model.parent, Heir)
    assert scope is not None and written is not None
    for owner in (scope.owner, written.owner):
        assert isinstance(owner, Heir) and owner.conv.out_channels == 8
        assert [name for name, _ in owner.named_children()] == ["conv"] and not hasattr(owner, "size")
    assert model.parent.conv.out_channels == 5 and model.parent.size == 7


def test_an_object_that_stays_as_it_was_is_seen_itself() -> None:
    with recording() as scopes:
        model = Late().eval()
    for module, cls in ((model, Late), (model.whole, Closure)):
        scope = scopes.of(module, cls)
        assert scope is not None and scope.owner is module


def test_a_decorated_constructor_leaves_its_scope() -> None:
    import functools

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Logged(nn.Module):
        @logged
        def __init__(self, width=8):
            super().__init__()

    assert found(Logged).locals["width"] == 8


def keeping(init):
    def wrapper(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.config = kwargs

    return wrapper


class Decorated(nn.Module):
    @keeping
    def __init__(self, width=8, depth=2):
        super().__init__()
        width = width * 2
        self.conv = nn.Conv2d(3, width, 1)


def test_an_init_with_a_decorator_is_that_of_the_class() -> None:
    with recording() as scopes:
        made = Decorated(depth=3)
    scope = scopes.at_end(made, Decorated)
    assert scope and scope.parameters == ("width", "depth") and scope.locals["width"] == 16


@pytest.mark.parametrize(("given", "width"), [((), 64), ((4,), 8)])
def test_arguments_behind_a_decorator_are_changed_by_name_alone(given: tuple[int, ...], width: int) -> None:
    seen: dict[str, object] = {}
    with models.overriding(Decorated, {"width": 32, "other": 1}, seen):
        made = Decorated(*given)
    assert made.conv.out_channels == width  # one that was given by its position stays: a decorator may count them
    assert seen == {"width": given[0] if given else 8, "depth": 2}
