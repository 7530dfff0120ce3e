// TensorFlow's hashes of text, bit for bit: what decides the bucket of a feature.
#pragma once

#include <cstdint>
#include <string_view>

namespace ferry::ops {

// FarmHash's Fingerprint64 (StringToHashBucketFast, Fingerprint, SparseCross).
uint64_t fingerprint64(std::string_view text);
// TensorFlow's Hash64 (StringToHashBucket): a MurmurHash64A of its own seed.
uint64_t hash64(std::string_view text, uint64_t seed = 0xdecafcaffe);
// SipHash-2-4 (StringToHashBucketStrong).
uint64_t siphash(uint64_t key0, uint64_t key1, std::string_view text);
// FarmHash's FingerprintCat64: one fingerprint from two.
uint64_t fingerprint_cat64(uint64_t a, uint64_t b);

}  // namespace ferry::ops
