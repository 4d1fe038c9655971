"""Rows of activations grouped by the expert that they chose: what the kernels of a mixture of experts hand on.

A token that chose k experts gives k rows. They lie one group after the other, in the order of experts, and within a
group in the order of tokens; rows that are not in use come in no group.
"""

from dataclasses import dataclass

from tytvm.kernels.operands.encoding import Tensor


@dataclass(frozen=True)
class ExpertGroups:
    """The shape of the grouped rows.

    Attributes:
        tokens: Rows before they are grouped.
        chosen: Experts that each token chooses.
        experts: Experts there are.
    """

    tokens: int
    chosen: int
    experts: int

    @property
    def rows(self) -> int:
        """Grouped rows, all in use."""
        return self.tokens * self.chosen

    @property
    def most_groups(self) -> int:
        """Groups of at least one row, at most."""
        return min(self.experts, self.rows)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """As they follow a kernel's name."""
        return self.tokens, self.chosen, self.experts

    def tensors(self) -> dict[str, Tensor]:
        """What stands for the groups, in the order in which kernels take it.

        `expert` of each group; `bounds` of its rows, the end of the last one repeated for groups that are empty;
        `source`, the token of each row; `place`, the row of each choice of a token; `used`, the number of rows in use.
        """
        return {
            "expert": ((self.most_groups,), "int32"),
            "bounds": ((self.most_groups + 1,), "int32"),
            "source": ((self.rows,), "int32"),
            "place": ((self.tokens, self.chosen), "int32"),
            "used": ((1,), "int64"),
        }
