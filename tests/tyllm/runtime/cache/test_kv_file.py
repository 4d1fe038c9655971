"""A saved cache is a plain .npz file with the rows in use only."""

import io

import numpy as np

from tyllm.runtime import Session


def test_only_the_rows_in_use_are_saved(toy):
    with Session(toy(dies=2)) as session:
        session.conversation().append([1, 2, 3])
        with np.load(io.BytesIO(session.conversation().save()), allow_pickle=False) as file:
            assert file["tokens"].tolist() == [1, 2, 3]
            assert {name: file[name].shape for name in file if name.startswith("die")} == {
                f"die{die}.layer0.{part}": (1, 3, 1) for die in range(2) for part in "kv"
            }


def test_an_empty_conversation_can_be_saved(toy):
    with Session(toy(dies=1)) as session:
        saved = session.conversation().save()
        session.conversation().append([1])
        session.conversation().restore(saved)
        assert len(session.conversation()) == 0
