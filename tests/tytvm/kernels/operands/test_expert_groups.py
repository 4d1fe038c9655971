"""The shape of grouped rows."""

from tytvm.kernels.operands.expert_groups import ExpertGroups


def test_there_are_at_most_as_many_groups_as_experts_and_as_rows():
    assert ExpertGroups(1, 2, 8).most_groups == 2
    assert ExpertGroups(16, 2, 8).most_groups == 8


def test_tensors_have_the_shapes_of_rows_and_groups():
    shapes = {name: shape for name, (shape, _) in ExpertGroups(5, 2, 8).tensors().items()}
    assert shapes == {"expert": (8,), "bounds": (9,), "source": (10,), "place": (5, 2), "used": (1,)}
