"""A parameter is declared once, described whole, and changed whole or not at all."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import math

import pytest

from mppi_ros.mppi import MppiParameters, Optimizer, ParameterError
from mppi_ros.parameters.declaration import describe, flatten, group, parameter, replace


@dataclass(frozen=True)
class Wheel:
    """A group."""

    radius: float = parameter(0.1, 'radius of a wheel', unit='m', low=0.01, high=1.0)
    spokes: int = parameter(5, 'spokes of a wheel', low=3, high=36)


@dataclass(frozen=True)
class Cart:
    """One parameter of every kind, a group and a group that is lifted."""

    name: str = parameter('cart', 'what it is called', choices=('cart', 'wagon'))
    closed: bool = parameter(False, 'whether it has a roof', live=False)
    corners: tuple[float, ...] = parameter((1.0, 2.0), 'corners', unit='m', low=-9.0, high=9.0)
    wheel: Wheel = group(Wheel)
    spare: Wheel = group(Wheel, name='')
    load: float = parameter(0.0, 'load', unit='kg', name='mass')

    def __post_init__(self):
        if self.closed and self.load > 100.0:
            raise ParameterError('mass must not exceed 100 kg while closed')


def test_describe_lists_every_field_once_by_its_dotted_name():
    assert [info.name for info in describe(Cart)] == [
        'name', 'closed', 'corners', 'wheel.radius', 'wheel.spokes', 'radius', 'spokes', 'mass']
    kinds = [info.kind for info in describe(Cart)]
    assert kinds == [
        'string', 'bool', 'double_array', 'double', 'integer', 'double', 'integer', 'double']
    assert [info.live for info in describe(Cart)].count(False) == 1


def test_flatten_covers_what_describe_lists_and_replace_takes_it_back():
    cart = replace(Cart(), {'mass': 7.0, 'wheel.spokes': 9, 'radius': 0.3})
    values = flatten(cart)
    assert list(values) == [info.name for info in describe(Cart)]
    assert replace(Cart(), values) == cart
    assert (values['mass'], values['wheel.spokes'], values['spokes']) == (7.0, 9, 5)


def test_replace_changes_what_is_named_and_leaves_the_rest():
    cart = Cart()
    changed = replace(cart, {'wheel.radius': 0.2, 'corners': [1, 2, 3]})
    assert changed.wheel == Wheel(radius=0.2)
    assert changed.spare == Wheel()
    assert changed.corners == (1.0, 2.0, 3.0)
    assert cart == Cart()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'wheel.radus': 0.2}, r'unknown parameter wheel\.radus; did you mean wheel\.radius\?'),
        ({'qqqqqq': 1}, r'unknown parameter qqqqqq$'),
        ({'wheel.radius': 0.0}, r'wheel\.radius = 0\.0 m is outside \[0\.01, 1\] m'),
        ({'wheel.radius': 2}, r'wheel\.radius = 2 m is outside \[0\.01, 1\] m'),
        ({'wheel.radius': math.nan}, r'wheel\.radius = nan m is outside'),
        ({'wheel.radius': math.inf}, r'wheel\.radius = inf m is outside'),
        ({'wheel.radius': '0.2'},
         r"^wheel\.radius = '0\.2' must be a number within \[0\.01, 1\] m$"),
        ({'wheel.radius': True}, r'wheel\.radius = True must be a number'),
        ({'wheel.radius': None}, r'wheel\.radius = None must be a number'),
        ({'wheel.spokes': 4.0},
         r'^wheel\.spokes = 4\.0 must be of type integer within \[3, 36\]$'),
        ({'wheel.spokes': True}, r'wheel\.spokes = True must be of type integer'),
        ({'wheel.spokes': 2}, r'wheel\.spokes = 2 is outside \[3, 36\]'),
        ({'closed': 1}, '^closed = 1 must be of type bool, true or false$'),
        ({'name': 3}, '^name = 3 must be of type string, one of cart, wagon$'),
        ({'name': 'tank'}, "name = 'tank' is not one of cart, wagon"),
        ({'corners': 1.0}, r'^corners = 1\.0 must be a list of numbers within \[-9, 9\] m$'),
        ({'wheel': 5},
         r'^wheel = 5 must be a group of parameters, such as wheel: {radius: \.\.\.}$'),
        ({'wheel.radius.x': 5}, r'^unknown parameter wheel\.radius\.x: wheel\.radius is a single '
         r'value, a number within \[0\.01, 1\] m$'),
        ({'corners': 'ab'}, "corners = 'ab' must be a list of numbers"),
        ({'corners': [1.0, 'a']}, r"^corners = 'a' must be a number within \[-9, 9\] m$"),
        ({'corners': [1.0, math.nan]}, 'corners = nan m is outside'),
        ({'corners': [1.0, 10.0]}, r'corners = 10\.0 m is outside \[-9, 9\] m'),
        ({'mass': math.inf}, 'mass = inf kg is outside any'),
        ({'closed': True, 'mass': 200.0}, 'mass must not exceed 100 kg while closed'),
    ],
)
def test_a_bad_value_is_rejected_with_name_value_unit_and_range(changes, message):
    with pytest.raises(ParameterError, match=message):
        replace(Cart(), changes)


def test_a_set_with_one_bad_value_changes_nothing():
    cart = Cart()
    with pytest.raises(ParameterError):
        replace(cart, {'wheel.radius': 0.2, 'wheel.spokes': -1})
    assert cart == Cart()


def test_values_that_only_fit_together_are_accepted_together():
    closed = replace(Cart(), {'closed': True, 'mass': 50.0})
    with pytest.raises(ParameterError):
        replace(closed, {'mass': 200.0})
    assert replace(closed, {'mass': 200.0, 'closed': False}).load == 200.0


def test_integers_are_good_numbers_and_become_floats():
    value = replace(Cart(), {'mass': 3}).load
    assert value == 3.0
    assert type(value) is float


@dataclass(frozen=True)
class Train:
    """A group with defaults of its own, in which a group has some, too."""

    cart: Cart = group(Cart, defaults={'mass': 5.0, 'wheel.radius': 0.5, 'spokes': 7})
    lifted: Cart = group(Cart, name='', defaults={'wheel.spokes': 9})


def test_a_group_may_have_other_defaults_and_they_are_described():
    train = Train()
    assert (train.cart.load, train.cart.wheel.radius, train.cart.spare.spokes) == (5.0, 0.5, 7)
    assert (train.lifted.load, train.lifted.wheel.spokes, train.lifted.spare.spokes) == (0.0, 9, 5)
    assert {info.name: info.default for info in describe(Train)} == flatten(train)
    assert Cart() == Cart(load=0.0, wheel=Wheel(0.1, 5))


def test_a_default_of_a_group_that_it_does_not_have_is_refused():
    @dataclass(frozen=True)
    class Wrong:
        cart: Cart = group(Cart, defaults={'mas': 5.0})

    with pytest.raises(ParameterError, match=r'unknown parameter mas; did you mean mass\?'):
        Wrong()


def fields_of(cls):
    """Return how many parameters a dataclass declares, groups expanded."""
    return sum(
        fields_of(field.default_factory) if field.metadata.get('group') else 1
        for field in dataclasses.fields(cls)
    )


def test_every_parameter_of_the_optimiser_has_a_description_and_a_default_within_its_range():
    infos = describe(MppiParameters)
    assert len(infos) == fields_of(MppiParameters)
    assert len({info.name for info in infos}) == len(infos)
    assert all(len(info.description) > 10 for info in infos)
    assert replace(MppiParameters(), flatten(MppiParameters())) == MppiParameters()
    assert {'lambda', 'alpha', 'sigma', 'samples', 'horizon_steps', 'time_step'} <= {
        info.name for info in infos}


@pytest.mark.parametrize('info', describe(MppiParameters), ids=lambda info: info.name)
def test_the_optimiser_runs_at_both_ends_of_every_range(info):
    """Ends are tried one by one; sizes of memory only at their lower end."""
    heavy = info.name in ('samples', 'iterations', 'horizon_steps')
    if info.kind == 'bool':
        ends = [False, True]
    elif info.kind == 'double_array':
        ends = [(info.high, info.high)]
    else:
        ends = [info.low] if heavy else [info.low, info.high]
    for end in ends:
        value = int(end) if info.kind == 'integer' else end
        parameters = replace(MppiParameters(samples=64, horizon_steps=4), {info.name: value})
        made = Optimizer(parameters, 2)
        step = made.step(lambda controls: abs(controls).sum(axis=(1, 2)))
        assert step.valid
        assert math.isfinite(step.kl)
        assert abs(made.mean).max() < math.inf


def test_the_types_are_read_once_and_not_at_each_change(monkeypatch):
    replace(Cart(), {})
    monkeypatch.setattr('mppi_ros.parameters.declaration.get_type_hints', None)
    flatten(replace(Cart(), {}))
