#include "ops/philox.h"

#include <bit>
#include <random>

namespace ferry::ops {

float uniform_float(uint32_t bits) { return std::bit_cast<float>((bits & 0x7fffffu) | 127u << 23) - 1.0f; }

double uniform_double(uint32_t high, uint32_t low) {
  const uint64_t mantissa = static_cast<uint64_t>(high & 0xfffffu) << 32 | low;
  return std::bit_cast<double>(mantissa | uint64_t{1023} << 52) - 1.0;
}

double PhiloxStream::uniform_double() {
  const uint32_t high = (*this)(), low = (*this)();
  return ops::uniform_double(high, low);
}

GuardedPhilox::GuardedPhilox(const NodeInfo& node) {
  auto seed = static_cast<uint64_t>(node.number("seed")), seed2 = static_cast<uint64_t>(node.number("seed2"));
  if (seed == 0 && seed2 == 0) {
    std::random_device device;
    const auto draw = [&] { return static_cast<uint64_t>(device()) << 32 | device(); };
    seed = draw();
    seed2 = draw();
  }
  next_ = Philox(seed, 0, seed2);
}

Result<Philox> philox_of_seed(const Call& call, size_t seed) {
  if (call.shape(seed).rank() != 1 || call.shape(seed)[0] != 2) {
    return invalid_argument(concat("seed must have shape [2], not ", call.shape(seed).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> seeds, call.integers(seed));
  Philox mixer(uint64_t{0x02461e29} << 32 | 0x3ec8f720, static_cast<uint64_t>(seeds[0]), static_cast<uint64_t>(seeds[1]));
  const Philox::Block mix = mixer();
  return Philox({0, 0, mix[2], mix[3]}, {mix[0], mix[1]});
}

Result<Philox> philox_of_key(const Call& call, size_t key) {
  const DenseTensor &keys = call.in(key), &counter = call.in(key + 1);
  if (call.shape(key + 2).rank() != 0) {
    return invalid_argument(concat("input ", key + 2, " (0-based) must have shape [], not ", call.shape(key + 2).to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t algorithm, call.integer(key + 2));
  if (algorithm != 1 && algorithm != 3) return invalid_argument(concat("Unsupported algorithm id: ", algorithm));
  if (keys.shape().rank() != 1 || keys.shape()[0] != 1)
    return invalid_argument(concat("key must have shape [1], not ", keys.shape().to_string()));
  if (counter.shape().rank() != 1 || counter.shape()[0] < 2) {
    return invalid_argument(concat("counter must be a vector with length at least 2; got shape: ", counter.shape().to_string()));
  }
  return Philox(keys.values<uint64_t>()[0], counter.values<uint64_t>()[0], counter.values<uint64_t>()[1]);
}

Result<Shape> random_shape(const Call& call, size_t i) {
  if (call.shape(i).rank() != 1)
    return invalid_argument(concat("shape must be a vector of {int32,int64}, got shape ", call.shape(i).to_string()));
  return call.shape_value(i);
}

}  // namespace ferry::ops
