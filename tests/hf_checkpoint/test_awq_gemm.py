"""The GEMM packing against a slow transcription of its definition, and against AutoAWQ's own bytes."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from hf_checkpoint.awq_gemm import ORDER, pack, pack_linear, unpack, unpack_linear


def test_pack_places_each_value_in_its_nibble():
    values = np.random.default_rng(0).integers(0, 16, (3, 24), dtype=np.uint8)
    words = pack(values)
    assert words.dtype == np.int32
    for row in range(3):
        for word in range(3):
            expected = sum(int(values[row, 8 * word + ORDER[i]]) << (4 * i) for i in range(8))
            assert int(words[row, word]) & 0xFFFFFFFF == expected


def test_unpack_inverts_pack():
    values = np.random.default_rng(1).integers(0, 16, (64, 40), dtype=np.uint8)
    assert np.array_equal(unpack(pack(values)), values)


def test_dequantize_is_q_minus_zero_times_scale():
    rng = np.random.default_rng(2)
    q, zeros = rng.integers(0, 16, (16, 64), dtype=np.uint8), rng.integers(0, 16, (16, 2), dtype=np.uint8)
    scales = rng.random((16, 2)).astype(np.float16)
    packed = pack_linear(q, zeros, scales)
    assert packed.qweight.shape == (64, 2) and packed.qzeros.shape == (2, 2) and packed.scales.shape == (2, 16)
    weight = unpack_linear(packed).dequantize()
    for n, k in ((0, 0), (3, 31), (3, 32), (15, 63)):
        assert weight[n, k] == (float(q[n, k]) - float(zeros[n, k // 32])) * np.float32(scales[n, k // 32])


def test_packing_is_autoawqs_byte_for_byte():
    # made by AutoAWQ 0.2.9: scripts/baselines/quantization/drivers/drive_autoawq.py --linear FILE
    made = load_file(Path(__file__).with_name("autoawq_linear.safetensors"))
    scales, zeros = made["scales"].T, made["zeros"].astype(np.uint8)
    steps = scales.astype(np.float32).repeat(32, axis=1)
    q = np.rint(made["rounded"] / steps + zeros.repeat(32, axis=1)).astype(np.uint8)
    for field, array in pack_linear(q, zeros, scales)._asdict().items():
        assert array.tobytes() == made[field].tobytes(), field
