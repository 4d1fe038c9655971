"""Reads some rows of a stack of experts that a checkpoint has in one tensor, however they lie there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hf_checkpoint import mxfp4
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.expert_stack import ExpertStack, Storage


def read_expert_rows(checkpoint: Checkpoint, stack: ExpertStack, start: int, stop: int) -> npt.NDArray[np.float32]:
    """Rows [start, stop) of a stack, gate before up in each expert: float32 [stop − start, K]; biases have no K.

    Nothing but these rows is read, and of a transposed tensor the columns that are these.
    """
    tensors = [checkpoint.read_numpy(name) for name in stack.names]
    parts = []
    for expert, outputs in stack.outputs(start, stop):
        if stack.storage is Storage.MXFP4:
            blocks, scales = tensors
            parts.append(mxfp4.decode(blocks[expert, outputs], scales[expert, outputs]))
        elif stack.form.is_transposed:
            parts.append(np.ascontiguousarray(tensors[0][expert][:, outputs].T.astype(np.float32)))
        else:
            parts.append(tensors[0][expert][outputs].astype(np.float32))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
