"""Names in the work folder."""

from awq.work.part_names import errors_part, hidden_part, layer_part


def test_parts_sort_in_the_order_of_the_model():
    assert sorted(map(layer_part, (100, 9, 20))) == [layer_part(9), layer_part(20), layer_part(100)]


def test_no_two_parts_have_one_name():
    assert len({layer_part(1), hidden_part(1), errors_part(layer_part(1))}) == 3
