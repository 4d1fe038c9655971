"""Lowering: Relax operators that have no kernel of ours become loops, fused where that saves a pass over memory."""

from __future__ import annotations

import tvm
from tvm import relax

from tyllm_base.errors import UnsupportedError


def lower(module: tvm.IRModule) -> tvm.IRModule:
    """Legalize and fuse; afterwards `main` is a list of kernel calls, reshapes and collectives.

    Raises:
        UnsupportedError: an operator has no lowering in TVM.
    """
    passes = [
        relax.transform.LegalizeOps(skip_ops=["relax.reshape"]),  # a reshape moves no data: it stays an alias
        relax.transform.FoldConstant(),  # tables that depend on nothing but shapes
        relax.transform.AnnotateTIROpPattern(),  # what fusion may join
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
        relax.transform.DeadCodeElimination(["main"]),
        relax.transform.CanonicalizeBindings(),
    ]
    try:
        return tvm.ir.transform.Sequential(passes)(module)
    except Exception as error:
        first = str(error).strip().splitlines()[-1]
        raise UnsupportedError(f"An operator of the model has no lowering ({first}); it cannot be compiled.") from error
