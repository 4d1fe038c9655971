"""Linear layers with INT4 weights and int8 activations against NumPy."""

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.linear import int4_weight, linear_w4a8
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve

CASES = [
    # R, K, N, weight group, activation group
    (1, 256, 64, 128, 32),
    (1, 384, 130, 128, 128),
    (2, 96, 50, 96, 32),
    (5, 32, 7, 32, 32),
    (8, 384, 96, 128, 128),
    (16, 256, 130, 128, 64),
    (96, 192, 80, 64, 64),
    (13, 96, 16, 32, 32),
]


def check(target, case, with_bias):
    R, K, N, group, activation_group = case
    spec = resolve(target)
    rng = np.random.default_rng(R * N)
    q, scale, total = quantize_rows.reference(rng.normal(size=(R, K)).astype(np.float32), activation_group)
    weight = random_weight(rng, N, K, group)
    packed = int4_weight.pack(*weight)
    bias = rng.normal(size=N).astype(np.float32)
    expected = linear_w4a8.reference(q, scale, *weight, bias if with_bias else None)
    inputs = [q, scale, total, packed["weight"], packed["scale"], packed["zero"], *([bias] if with_bias else [])]
    kernel = Kernel(linear_w4a8.build(spec, R, K, N, group, activation_group, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, inputs, expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case):
    check("native", case, with_bias=False)


@pytest.mark.parametrize("case", CASES[2:6])
def test_equals_reference_with_a_bias(case):
    check("native", case, with_bias=True)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("case", CASES[1:7])
def test_equals_reference_on_every_cpu(case, target):
    check(target, case, with_bias=True)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    ("R", "group", "activation_group"),
    [(1, 128, 128), (2, 96, 32), (4, 64, 64), (5, 128, 64), (8, 128, 128), (32, 32, 32)],
)
def test_extreme_values_do_not_saturate(R, group, activation_group, target):
    spec, K, N = resolve(target), 2 * group, 16
    signs = np.where(np.arange(R) % 2, 127, -127).astype(np.int8)
    q = np.repeat(signs[:, None], K, axis=1)
    scale = np.ones((R, K // activation_group), np.float32)
    total = q.reshape(R, -1, activation_group).sum(axis=-1, dtype=np.int32)
    codes = np.full((N, K), 15, np.uint8)
    codes[1::2] = 0
    zeros = np.full((N, 2), 15, np.uint8) * (1 - codes[:, :1] // 15)
    packed = int4_weight.pack(codes, np.ones((N, 2), np.float16), zeros)
    kernel = Kernel(linear_w4a8.build(spec, R, K, N, group, activation_group), spec)
    expected = np.asarray(signs[:, None] * np.where(codes[:, 0], 15.0, -15.0) * K, np.float32)
    (out,) = outputs(kernel, (q, scale, total, packed["weight"], packed["scale"], packed["zero"]), expected)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("objdump"), reason="reads x86-64 machine code")
def test_few_of_the_products_pass_through_the_stack():
    spec = resolve("x86-64-v3")
    kernel = Kernel(linear_w4a8.build(spec, 8, 256, 64, 128, 128), spec)
    command = ["objdump", "-d", "--no-show-raw-insn", Path(kernel.folder.name) / "kernel.so"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    products = sum("vpmaddubsw" in line for line in lines)
    assert sum("(%rsp)" in line and "%ymm" in line for line in lines) < products * 3 // 4
