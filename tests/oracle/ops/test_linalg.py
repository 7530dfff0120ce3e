"""Diagonals, bands, cross products, Fourier transforms."""
import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case


def test_diag():
    for dtype in registered("Diag"):
        for shape in [(3,), (0,), (2, 3), (2, 1, 2), ()]:
            check(case("Diag", [values(dtype, shape)]))
        for shape in [(3, 3), (0, 0), (2, 3, 2, 3), (2, 3), (2, 2, 2), ()]:
            check(case("DiagPart", [values(dtype, shape)]))


def test_matrix_diag_v1():
    for dtype in registered("MatrixDiag"):
        for shape in [(3,), (0,), (2, 4), (2, 0), (0, 3), ()]:
            check(case("MatrixDiag", [values(dtype, shape)]))
        for shape in [(3, 3), (2, 4), (4, 2), (2, 3, 5), (0, 2, 2), (0, 3), (3,)]:
            x = values(dtype, shape)
            check(case("MatrixDiagPart", [x]))
            if len(shape) >= 2:
                check(case("MatrixSetDiag", [x, values(dtype, (*shape[:-2], min(shape[-2:])), 1)]))
        check(case("MatrixSetDiag", [values(dtype, (2, 3, 3)), values(dtype, (2, 2))]))


BANDS = [0, 1, -1, 2, -2, [0, 0], [-1, 1], [0, 2], [-2, -1], [-2, 1], [1, 2], [2, 1], [3, 3], [-9, 0], [0, 9], [0, 1, 2]]


def diagonals(shape, k):
    low, high = (k, k) if not isinstance(k, list) else (k[0], k[-1])
    longest = min(shape[-2] + min(high, 0), shape[-1] - max(low, 0))
    return (*shape[:-2], *([high - low + 1] if low != high else []), longest)


@pytest.mark.parametrize("version", ["V2", "V3"])
def test_matrix_diag(version):
    for dtype in registered("MatrixDiagPart" + version):
        pad = tf.cast(7, dtype) if dtype != tf.bool else tf.constant(True)
        for align in ["RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT"] if version == "V3" else [None]:
            attrs = {"align": align} if align else {}
            for shape in [(3, 4), (4, 3), (2, 3, 3)] + ([(1, 1), (0, 3, 3)] if dtype == tf.float32 else []):
                x = values(dtype, shape)
                for k in BANDS if dtype in (tf.float32, tf.int16) else BANDS[5:9]:
                    check(case("MatrixDiagPart" + version, [x, k, pad], **attrs))
                    d = diagonals(shape, k)
                    if min(d) < 0 or isinstance(k, list) and len(k) > 2:
                        continue
                    check(case("MatrixSetDiag" + version, [x, values(dtype, d, 1), k], **attrs))
                    for rows, columns in [(-1, -1), (shape[-2], shape[-1]), (-1, shape[-1]), (shape[-2], -1), (9, 9)]:
                        check(case("MatrixDiag" + version, [values(dtype, d, 1), k, rows, columns, pad], **attrs))


def test_band_part():
    for dtype in registered("MatrixBandPart"):
        for shape in [(3, 4), (4, 3), (2, 3, 3), (0, 3), (3, 0), (1, 1), (3,)]:
            for index in (tf.int32, tf.int64):
                for low, high in [(0, 0), (-1, 0), (0, -1), (1, 1), (2, 1), (-1, -1), (9, 0), (0, 9)]:
                    check(case("MatrixBandPart", [values(dtype, shape), tf.constant(low, index), tf.constant(high, index)]))


def test_cross():
    for dtype in registered("Cross"):
        for shape in [(3,), (2, 3), (0, 3), (2, 4, 3), (2,), ()]:
            check(case("Cross", [values(dtype, shape, 1, extremes=dtype.is_integer), values(dtype, shape, 2, extremes=dtype.is_integer)]))
        check(case("Cross", [values(dtype, (3,)), values(dtype, (1, 3))]))


FFT = {tf.complex64: dict(rtol=1e-5, atol=2e-4), tf.complex128: dict(rtol=1e-10, atol=1e-10), tf.float32: dict(rtol=1e-5, atol=2e-4), tf.float64: dict(rtol=1e-10, atol=1e-10)}


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_fourier(axes):
    name = "" if axes == 1 else f"{axes}D"
    shapes = [(1,), (2,), (8,), (7,), (12,), (97,), (3, 16), (2, 5), (0, 4)] if axes == 1 else [(4, 6), (2, 3, 5), (1, 1), (0, 2, 2)] if axes == 2 else [(2, 3, 4), (2, 4, 2, 5)]
    for dtype, real in [(tf.complex64, tf.float32), (tf.complex128, tf.float64)]:
        for shape in shapes:
            x = values(dtype, shape, extremes=False)
            check(case("FFT" + name, [x], **FFT[dtype]))
            check(case("IFFT" + name, [x], **FFT[dtype]))
            lengths = list(shape[-axes:])
            for wanted in [lengths, [max(1, n - 1) for n in lengths], [n + 2 for n in lengths]]:
                check(case("RFFT" + name, [values(real, shape, extremes=False), wanted], Tcomplex=dtype, **FFT[dtype]))
            for wanted in [[*lengths[:-1], 2 * (lengths[-1] - 1)], [*lengths[:-1], 2 * lengths[-1] - 1]]:
                if min(wanted) > 0 and min(shape) > 0:
                    # A real result's spectrum: imaginary parts that no such result has are TensorFlow's to drop as it likes.
                    full = values(real, (*shape[:-1], wanted[-1]), extremes=False)
                    spectrum = {1: tf.signal.rfft, 2: tf.signal.rfft2d, 3: tf.signal.rfft3d}[axes](full)
                    check(case("IRFFT" + name, [spectrum, wanted], Treal=real, **FFT[dtype]))
        check(case("FFT3D", [values(dtype, (4, 4))]))
        check(case("RFFT", [values(real, (4,)), [-1]], Tcomplex=dtype))
        check(case("RFFT", [values(real, (4,)), [1, 2]], Tcomplex=dtype))
