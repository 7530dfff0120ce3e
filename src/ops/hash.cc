#include "ops/hash.h"

#include <bit>
#include <cstring>
#include <utility>

namespace ferry::ops {
namespace {

uint64_t word(const char* at) {
  uint64_t out;
  std::memcpy(&out, at, 8);
  return out;
}
uint64_t half_word(const char* at) {
  uint32_t out;
  std::memcpy(&out, at, 4);
  return out;
}
uint64_t byte(char c) { return static_cast<unsigned char>(c); }
uint64_t right(uint64_t x, int by) { return std::rotr(x, by); }

// ---- FarmHash, as its `farmhashna` has it. The names of the constants are its own.

constexpr uint64_t k0 = 0xc3a5c85c97cb3127u, k1 = 0xb492b66fbe98f273u, k2 = 0x9ae16a3b2f90404fu;

uint64_t shift_mix(uint64_t x) { return x ^ (x >> 47); }

uint64_t mix(uint64_t u, uint64_t v, uint64_t mul) {
  const uint64_t a = shift_mix((u ^ v) * mul);
  return shift_mix((v ^ a) * mul) * mul;
}

uint64_t up_to_16(const char* s, size_t size) {
  const uint64_t mul = k2 + size * 2;
  if (size >= 8) {
    const uint64_t a = word(s) + k2, b = word(s + size - 8);
    return mix(right(b, 37) * mul + a, (right(a, 25) + b) * mul, mul);
  }
  if (size >= 4) return mix(size + (half_word(s) << 3), half_word(s + size - 4), mul);
  if (size == 0) return k2;
  // Sums of 32 bits, which these cannot overflow.
  const uint64_t y = byte(s[0]) + (byte(s[size >> 1]) << 8), z = size + (byte(s[size - 1]) << 2);
  return shift_mix(y * k2 ^ z * k0) * k2;
}

uint64_t up_to_32(const char* s, size_t size) {
  const uint64_t mul = k2 + size * 2;
  const uint64_t a = word(s) * k1, b = word(s + 8), c = word(s + size - 8) * mul, d = word(s + size - 16) * k2;
  return mix(right(a + b, 43) + right(c, 30) + d, a + right(b + k2, 18) + c, mul);
}

uint64_t up_to_64(const char* s, size_t size) {
  const uint64_t mul = k2 + size * 2;
  const uint64_t a = word(s) * k2, b = word(s + 8), c = word(s + size - 8) * mul, d = word(s + size - 16) * k2;
  const uint64_t y = right(a + b, 43) + right(c, 30) + d, z = mix(y, a + right(b + k2, 18) + c, mul);
  const uint64_t e = word(s + 16) * mul, f = word(s + 24), g = (y + word(s + size - 32)) * mul, h = (z + word(s + size - 24)) * mul;
  return mix(right(e + f, 43) + right(g, 30) + h, e + right(f + a, 18) + g, mul);
}

struct Pair {
  uint64_t first = 0, second = 0;
};
Pair weak(const char* s, uint64_t a, uint64_t b) {
  a += word(s);
  b = right(b + a + word(s + 24), 21);
  const uint64_t c = a;
  a += word(s + 8) + word(s + 16);
  b += right(a, 44);
  return {a + word(s + 24), b + c};
}

// One round over 64 bytes; `x` and `z` change places at its end.
struct Rounds {
  uint64_t x, y, z;
  Pair v, w;
  void step(const char* s, uint64_t mul, uint64_t times) {
    x = right(x + y + v.first + word(s + 8), 37) * mul;
    y = right(y + v.second + word(s + 48), 42) * mul;
    x ^= w.second * times;
    y += v.first * times + word(s + 40);
    z = right(z + w.first, 33) * mul;
    v = weak(s, v.second * mul, x + w.first);
    w = weak(s + 32, z + w.second, y + word(s + 16));
    std::swap(x, z);
  }
};

}  // namespace

uint64_t fingerprint64(std::string_view text) {
  const char* s = text.data();
  const size_t size = text.size();
  if (size <= 16) return up_to_16(s, size);
  if (size <= 32) return up_to_32(s, size);
  if (size <= 64) return up_to_64(s, size);
  constexpr uint64_t kSeed = 81;
  const uint64_t y = kSeed * k1 + 113;
  Rounds state{kSeed * k2 + word(s), y, shift_mix(y * k2 + 113) * k2, {}, {}};
  const size_t rest = (size - 1) & 63;
  const char* const end = s + (size - 1) / 64 * 64;
  for (; s != end; s += 64) state.step(s, k1, 1);
  const uint64_t mul = k1 + ((state.z & 0xff) << 1);
  state.w.first += rest;
  state.v.first += state.w.first;
  state.w.first += state.v.first;
  state.step(end + rest - 63, mul, 9);
  return mix(mix(state.v.first, state.w.first, mul) + shift_mix(state.y) * k0 + state.z, mix(state.v.second, state.w.second, mul) + state.x,
             mul);
}

uint64_t fingerprint_cat64(uint64_t a, uint64_t b) {
  constexpr uint64_t kMul = 0xc6a4a7935bd1e995u;
  uint64_t out = a ^ kMul;
  out ^= shift_mix(b * kMul) * kMul;
  out *= kMul;
  out = shift_mix(out) * kMul;
  return shift_mix(out);
}

uint64_t hash64(std::string_view text, uint64_t seed) {
  constexpr uint64_t kMul = 0xc6a4a7935bd1e995u;
  uint64_t h = seed ^ (text.size() * kMul);
  while (text.size() >= 8) {
    h = (h ^ shift_mix(word(text.data()) * kMul) * kMul) * kMul;
    text.remove_prefix(8);
  }
  if (!text.empty()) {
    for (size_t i = 0; i < text.size(); ++i) h ^= byte(text[i]) << (8 * i);
    h *= kMul;
  }
  return shift_mix(shift_mix(h) * kMul);
}

uint64_t siphash(uint64_t key0, uint64_t key1, std::string_view text) {
  uint64_t v0 = key0 ^ 0x736f6d6570736575u, v1 = key1 ^ 0x646f72616e646f6du, v2 = key0 ^ 0x6c7967656e657261u,
           v3 = key1 ^ 0x7465646279746573u;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  uint64_t last = static_cast<uint64_t>(text.size()) << 56;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    const uint64_t m = word(text.data());
    v3 ^= m;
    rounds(2);
    v0 ^= m;
  }
  for (size_t i = 0; i < text.size(); ++i) last |= byte(text[i]) << (8 * i);
  v3 ^= last;
  rounds(2);
  v0 ^= last;
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace ferry::ops
