"""Writes small_floats.inc: what ml_dtypes makes of every small float, and of two million floats, as CRC-32C.

Made with ml_dtypes 0.6.0 and NumPy 2.4.6:  python generate.py > small_floats.inc
"""
import numpy as np
import ml_dtypes

TYPES = [("float16", "Half", np.float16)] + [
    (name, cpp, getattr(ml_dtypes, name))
    for name, cpp in [("bfloat16", "BFloat16"), ("float8_e5m2", "Float8E5M2"), ("float8_e4m3fn", "Float8E4M3FN"),
                      ("float8_e4m3fnuz", "Float8E4M3FNUZ"), ("float8_e4m3b11fnuz", "Float8E4M3B11FNUZ"),
                      ("float8_e5m2fnuz", "Float8E5M2FNUZ"), ("float4_e2m1fn", "Float4E2M1FN")]]

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def probes():
    """Every upper half of a float32 with the lower halves that lie at, just below and just above a tie."""
    low = {0x0001, 0xFFFF}
    for step in range(8):
        low |= {step << 13, (step << 13) + 0x0FFF, (step << 13) + 0x1000, (step << 13) + 0x1001}
    low = np.array(sorted(low), np.uint32)
    bits = ((np.arange(65536, dtype=np.uint32) << 16)[:, None] | low[None, :]).reshape(-1)
    values = bits.view(np.float32)
    return values[~np.isnan(values)]


print("// Written by generate.py. C++ type, patterns, CRC-32C of all patterns as float32, CRC-32C of the probes as patterns.")
with np.errstate(all="ignore"):
    values = probes()
    for name, cpp, dtype in TYPES:
        wide = dtype in (np.float16, ml_dtypes.bfloat16)
        storage = np.uint16 if wide else np.uint8
        count = 65536 if wide else 16 if name == "float4_e2m1fn" else 256
        decoded = np.arange(count, dtype=storage).view(dtype).astype(np.float32)
        decoded[np.isnan(decoded)] = np.uint32(0x7FC00000).view(np.float32)
        encoded = values.astype(dtype).view(storage)
        print(f"SMALL_FLOAT({cpp}, {count}, 0x{crc32c(decoded.tobytes()):08x}, 0x{crc32c(encoded.tobytes()):08x})")
