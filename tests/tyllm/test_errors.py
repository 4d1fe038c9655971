"""The public door has every class of the hierarchy, the very same."""

import tyllm_base.errors
from tyllm import errors


def test_the_door_has_every_error():
    classes = {name: value for name, value in vars(tyllm_base.errors).items() if isinstance(value, type)}
    ours = {name: value for name, value in classes.items() if issubclass(value, Exception)}
    assert {name: getattr(errors, name) for name in errors.__all__} == ours
