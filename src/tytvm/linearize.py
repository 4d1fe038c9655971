"""Linearize: a lowered Relax function as a list of kernel calls over named buffers, without reshapes and tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from tyllm_base.errors import UnsupportedError
from tytvm.collectives import ALL_REDUCE
from tytvm.loop_nests import LoopNests, split_loop_nests
from tytvm.unknown_operators import described
from tytvm.weights import TensorSpec


@dataclass(frozen=True)
class KernelCall:
    """One kernel call: `arguments` are buffer names in the kernel's order, `writes` the numbers of those it writes."""

    kernel: str
    arguments: tuple[str, ...]
    writes: tuple[int, ...]

    @property
    def written(self) -> set[str]:
        """Names of the buffers that it writes."""
        return {self.arguments[index] for index in self.writes}

    @property
    def read(self) -> set[str]:
        """Names of the buffers that it reads."""
        return {name for index, name in enumerate(self.arguments) if index not in self.writes}


@dataclass
class CallList:
    """The program as calls, in order, with every kernel and buffer that they name."""

    calls: list[KernelCall] = field(default_factory=list)
    kernels: dict[str, tirx.PrimFunc] = field(default_factory=dict)
    buffers: dict[str, TensorSpec] = field(default_factory=dict)
    constants: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def script(self) -> str:
        """The calls as text, one a line: what is written ← kernel(what is read)."""
        return "\n".join(
            f"{', '.join(sorted(call.written))} ← {call.kernel}({', '.join(call.arguments)})" for call in self.calls
        )


def linearize(module: tvm.IRModule, outputs: Sequence[str]) -> CallList:
    """The call list of a lowered module's `main`, which returns a tuple; its fields are written to `io:<output>`.

    Raises:
        UnsupportedError: something in `main` is no kernel call.
    """
    return _Linearizer(module).visit_main(outputs)


class _Linearizer:
    """Walks the bindings of `main` once."""

    def __init__(self, module: tvm.IRModule) -> None:
        self.module, self.list = module, CallList()
        self.names: dict[relax.Var, str | list[str]] = {}
        self.split: dict[str, LoopNests] = {}
        self.constants: dict[tuple[Any, ...], str] = {}

    def visit_main(self, outputs: Sequence[str]) -> CallList:
        main = self.module["main"]
        for variable in main.params:
            self._declare(variable.name, variable.ty)
            self.names[variable] = variable.name
        for block in main.body.blocks:
            for binding in block.bindings:
                self._bind(binding.var, binding.value)
        self._name_outputs([str(name) for name in self._name(main.body.body)], outputs, main.body.body.ty.fields)
        return self.list

    def _declare(self, name: str, ty: relax.TensorType) -> None:
        self.list.buffers[name] = TensorSpec(tuple(int(n) for n in ty.shape), str(ty.dtype.dtype))

    def _bind(self, variable: relax.Var, value: relax.Expr) -> None:
        if isinstance(value, relax.Var | relax.DataflowVar):
            self.names[variable] = self.names[value]
        elif isinstance(value, relax.Tuple):
            self.names[variable] = self._name(value)
        elif isinstance(value, relax.TupleGetItem):
            self.names[variable] = self.names[value.tuple_value][value.index]
        elif isinstance(value, relax.Call) and value.op.name in _BINDERS:
            _BINDERS[value.op.name](self, variable, value)
        else:
            name = value.op.name if isinstance(value, relax.Call) else type(value).__name__
            what = described(name.rpartition(".")[2], name)
            raise UnsupportedError(f"The model computes {what}, for which there is no kernel.")

    def _reshape(self, variable: relax.Var, value: relax.Expr) -> None:
        self.names[variable] = self._name(value.args[0])

    def _call_tir(self, variable: relax.Var, value: relax.Expr) -> None:
        inputs = [str(self._name(argument)) for argument in value.args[1].fields]
        types = list(value.ty_args[0].fields) if isinstance(value.ty_args[0], relax.TupleType) else [value.ty_args[0]]
        outputs = [f"{variable.name}#{len(self.list.buffers)}.{index}" for index in range(len(types))]
        for name, ty in zip(outputs, types, strict=True):
            self._declare(name, ty)
        self.names[variable] = outputs if len(outputs) > 1 else outputs[0]
        self._call(value.args[0].name_hint, [*inputs, *outputs], range(len(inputs), len(inputs) + len(outputs)))

    def _call_tir_inplace(self, variable: relax.Var, value: relax.Expr) -> None:
        inputs = [str(self._name(argument)) for argument in value.args[1].fields]
        indices = [int(i) for i in value.attrs.inplace_indices]
        written = [inputs[index] for index in indices]
        self.names[variable] = written if len(written) > 1 else written[0]
        self._call(value.args[0].name_hint, inputs, indices)

    def _collective(self, variable: relax.Var, value: relax.Expr) -> None:
        assert value.args[0].global_symbol == ALL_REDUCE
        name = str(self._name(value.args[1].fields[0]))
        self.names[variable] = name
        self.list.calls.append(KernelCall(ALL_REDUCE, (name,), (0,)))

    def _call(self, kernel: str, arguments: list[str], writes: Sequence[int]) -> None:
        function = self.module[kernel]
        if "tytvm.name" in (function.attrs or {}):
            self.list.kernels[kernel] = function
            self.list.calls.append(KernelCall(kernel, tuple(arguments), tuple(writes)))
            return
        if kernel not in self.split:
            self.split[kernel] = split_loop_nests(function)
        split = self.split[kernel]
        prefix = f"{kernel}#{len(self.list.buffers)}"
        self.list.buffers |= {f"{prefix}.{name}": TensorSpec(*spec) for name, spec in split.temporaries.items()}
        for number, nest in enumerate(split.nests):
            symbol = kernel if len(split.nests) == 1 else f"{kernel}_{number}"
            self.list.kernels[symbol] = nest.function
            names = tuple(arguments[a] if isinstance(a, int) else f"{prefix}.{a}" for a in nest.arguments)
            self.list.calls.append(KernelCall(symbol, names, tuple(nest.writes)))

    def _name(self, value: relax.Expr) -> str | list[str]:
        """The buffer behind an expression, or those behind a tuple; equal constants share one."""
        if isinstance(value, relax.Tuple):
            return [str(self._name(part)) for part in value.fields]
        if not isinstance(value, tvm.ir.GenericConst):
            return self.names[value]
        array = value.value.numpy()
        key = (str(array.dtype), array.shape, array.tobytes())
        if key in self.constants:
            return self.constants[key]
        name = self.constants[key] = f"constants:constant{len(self.list.constants)}"
        self.list.buffers[name] = TensorSpec(array.shape, str(array.dtype))
        self.list.constants[name] = array
        return name

    def _name_outputs(self, results: Sequence[str], outputs: Sequence[str], types: Sequence[relax.TensorType]) -> None:
        """Let the results be written to where the runtime reads them, in the shapes that were returned."""
        rename = {name: f"io:{output}" for name, output in zip(results, outputs, strict=True)}
        for (name, output), ty in zip(rename.items(), types, strict=True):
            if ":" in name:
                raise UnsupportedError(f"The model returns {name}, one of its inputs; there is nothing to compile.")
            del self.list.buffers[name]
            self._declare(output, ty)
        self.list.calls = [
            KernelCall(call.kernel, tuple(rename.get(argument, argument) for argument in call.arguments), call.writes)
            for call in self.list.calls
        ]


_BINDERS = {
    "relax.reshape": _Linearizer._reshape,
    "relax.call_tir": _Linearizer._call_tir,
    "relax.call_tir_inplace": _Linearizer._call_tir_inplace,
    "relax.call_dps_packed": _Linearizer._collective,
}
