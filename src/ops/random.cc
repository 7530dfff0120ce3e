// Random numbers, the same as TensorFlow's for the same seeds.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/philox.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// ---- Two normal numbers from two uniform ones (Box and Muller)

struct Pair {
  float first, second;
};
Pair normals(uint32_t x0, uint32_t x1) {
  const float u = std::max(uniform_float(x0), 1.0e-7f);
  const auto angle = static_cast<float>(2.0 * std::numbers::pi * static_cast<double>(uniform_float(x1)));
  const float radius = std::sqrt(-2.0f * std::log(u));
  return {std::sin(angle) * radius, std::cos(angle) * radius};
}
struct DoublePair {
  double first, second;
};
DoublePair normals(uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3) {
  const double u = std::max(uniform_double(x0, x1), 1.0e-7);
  const double angle = 2.0 * std::numbers::pi * uniform_double(x2, x3);
  const double radius = std::sqrt(-2.0 * std::log(u));
  return {std::sin(angle) * radius, std::cos(angle) * radius};
}

// ---- Distributions: each turns one block into `kCount` numbers

struct Range {
  int64_t low = 0;
  uint64_t length = 0;  // of integers
};

template <class T>
inline constexpr int kPerBlock = sizeof(T) == 8 ? 2 : 4;

struct Uniform {
  template <class T>
  static void draw(const Philox::Block& x, const Range&, T* out) {
    for (size_t i = 0; i < kPerBlock<T>; ++i) {
      if constexpr (std::is_same_v<T, double>) {
        out[i] = uniform_double(x[2 * i], x[2 * i + 1]);
      } else if constexpr (std::is_same_v<T, float>) {
        out[i] = uniform_float(x[i]);
      } else {
        constexpr int kMantissa = std::is_same_v<T, Half> ? 10 : 7;  // exact in float: no bit is lost on the way
        out[i] = T(static_cast<float>(x[i] & ((1u << kMantissa) - 1)) / static_cast<float>(1 << kMantissa));
      }
    }
  }
};

struct Normal {
  template <class T>
  static void draw(const Philox::Block& x, const Range&, T* out) {
    if constexpr (std::is_same_v<T, double>) {
      const DoublePair pair = normals(x[0], x[1], x[2], x[3]);
      out[0] = pair.first;
      out[1] = pair.second;
    } else {
      for (size_t i = 0; i < 4; i += 2) {
        const Pair pair = normals(x[i], x[i + 1]);
        out[i] = static_cast<T>(pair.first);
        out[i + 1] = static_cast<T>(pair.second);
      }
    }
  }
};

template <class T>
T bits_of(const Philox::Block& x, size_t i) {
  if constexpr (sizeof(T) == 8) {
    return static_cast<T>(x[2 * i] | static_cast<uint64_t>(x[2 * i + 1]) << 32);
  } else {
    return static_cast<T>(x[i]);
  }
}

struct UniformInt {
  template <class T>
  static void draw(const Philox::Block& x, const Range& range, T* out) {
    using U = std::make_unsigned_t<T>;
    for (size_t i = 0; i < kPerBlock<T>; ++i) {
      out[i] = static_cast<T>(static_cast<U>(range.low) + bits_of<U>(x, i) % static_cast<U>(range.length));
    }
  }
};

struct FullInt {
  template <class T>
  static void draw(const Philox::Block& x, const Range&, T* out) {
    for (size_t i = 0; i < kPerBlock<T>; ++i) out[i] = bits_of<T>(x, i);
  }
};

// Normal numbers above 2 or below -2 are thrown away, so each group has a stretch of the stream for itself.
struct TruncatedNormal {
  static constexpr uint64_t kReserved = 256;  // numbers for each result
};

using FillFunction = void (*)(ThreadPool* pool, const Philox& source, void* out, int64_t count, const Range& range);

template <class Distribution, class T>
void fill(ThreadPool* pool, const Philox& source, void* out, int64_t count, const Range& range) {
  constexpr int64_t kGroup = kPerBlock<T>;
  parallel_for(pool, (count + kGroup - 1) / kGroup, 8192, [&](int64_t begin, int64_t end) {
    Philox from = source;
    if constexpr (!std::is_same_v<Distribution, TruncatedNormal>) from.skip(static_cast<uint64_t>(begin));
    for (int64_t g = begin; g < end; ++g) {
      T numbers[kGroup];
      if constexpr (std::is_same_v<Distribution, TruncatedNormal>) {
        from = source;
        from.skip(static_cast<uint64_t>(g) * (static_cast<uint64_t>(kGroup) * TruncatedNormal::kReserved / 4));
        PhiloxStream stream(from);
        for (int64_t i = 0; i < kGroup;) {
          const uint32_t x0 = stream(), x1 = stream();
          const auto keep = [&](auto value) {
            if (i < kGroup && std::abs(value) < 2) numbers[i++] = static_cast<T>(value);
          };
          if constexpr (std::is_same_v<T, double>) {
            const uint32_t x2 = stream(), x3 = stream();
            const DoublePair pair = normals(x0, x1, x2, x3);
            keep(pair.first);
            keep(pair.second);
          } else {
            const Pair pair = normals(x0, x1);
            keep(pair.first);
            keep(pair.second);
          }
        }
      } else {
        Distribution::template draw<T>(from(), range, numbers);
      }
      std::copy_n(numbers, std::min(kGroup, count - g * kGroup), static_cast<T*>(out) + g * kGroup);
    }
  });
}

// ---- Where the generator comes from

enum class Source { seed, key, own };

class RandomKernel final : public Kernel {
 public:
  RandomKernel(const NodeInfo& node, Source source, FillFunction fill, bool ranged)
      : source_(source), fill_(fill), ranged_(ranged), dtype_(node.output_dtypes()[0]) {
    if (source == Source::own) own_ = std::make_unique<GuardedPhilox>(node);
  }
  Status run(Call& call) const override {
    Philox from;
    if (source_ == Source::seed) {
      FERRY_ASSIGN_OR_RETURN(from, philox_of_seed(call, 1));
    } else if (source_ == Source::key) {
      FERRY_ASSIGN_OR_RETURN(from, philox_of_key(call, 1));
    }
    FERRY_ASSIGN_OR_RETURN(const Shape shape, random_shape(call, 0));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, shape));
    const int64_t count = *shape.num_elements();
    if (count == 0) return {};
    Range range;
    if (ranged_) {
      const size_t at = call.num_inputs() - 2;
      int64_t ends[2];
      for (size_t i = 0; i < 2; ++i) {
        if (call.shape(at + i).rank() != 0) {
          return invalid_argument(concat(i == 0 ? "minval" : "maxval", " must be 0-D, got shape ", call.shape(at + i).to_string()));
        }
        FERRY_ASSIGN_OR_RETURN(ends[i], call.integer(at + i));
      }
      if (ends[0] >= ends[1]) return invalid_argument(concat("Need minval < maxval, got ", ends[0], " >= ", ends[1]));
      range = {ends[0], static_cast<uint64_t>(ends[1]) - static_cast<uint64_t>(ends[0])};
    }
    if (source_ == Source::own) from = own_->reserve(static_cast<uint64_t>(count) * 256);
    fill_(call.run().pool, from, out, count, range);
    return {};
  }

 private:
  Source source_;
  FillFunction fill_;
  bool ranged_;
  DType dtype_;
  std::unique_ptr<GuardedPhilox> own_;
};

template <class Distribution, class List, Source kSource>
Result<KernelRef> make_random(const NodeInfo& node) {
  KernelRef out;
  with_type(node.output_dtypes()[0], List{}, [&]<class T>(TypeTag<T>) {
    out = std::make_unique<RandomKernel>(node, kSource, fill<Distribution, T>, std::is_same_v<Distribution, UniformInt>);
  });
  if (out == nullptr) return no_kernel(node.op(), node.output_dtypes()[0]);
  return out;
}

// ---- The key and counter of a seed

Status key_and_counter(Call& call) {
  FERRY_ASSIGN_OR_RETURN(const Philox from, philox_of_seed(call, 0));
  FERRY_ASSIGN_OR_RETURN(const std::span<uint64_t> key, call.make<uint64_t>(0, DType::uint64, Shape{1}));
  FERRY_ASSIGN_OR_RETURN(const std::span<uint64_t> counter, call.make<uint64_t>(1, DType::uint64, Shape{2}));
  key[0] = from.key();
  counter[0] = from.counter(0);
  counter[1] = from.counter(1);
  if (call.num_outputs() > 2) call.set(2, DenseTensor::scalar(int32_t{1}));
  return {};
}

Status algorithm(Call& call) {
  call.set(0, DenseTensor::scalar(int32_t{1}));  // Philox
  return {};
}

}  // namespace

using Ints = Types<int32_t, int64_t>;
using AnyInts = Types<int32_t, int64_t, uint32_t, uint64_t>;

#define FERRY_RANDOM_OP(op, distribution, types, source, pure) \
  extern const Op op##_op;                                     \
  const Op op##_op { #op, make_random < distribution, types, Source::source>, pure }

FERRY_RANDOM_OP(StatelessRandomUniform, Uniform, Floats, seed, true);
FERRY_RANDOM_OP(StatelessRandomUniformV2, Uniform, Floats, key, true);
FERRY_RANDOM_OP(RandomUniform, Uniform, Floats, own, false);
FERRY_RANDOM_OP(StatelessRandomNormal, Normal, Floats, seed, true);
FERRY_RANDOM_OP(StatelessRandomNormalV2, Normal, Floats, key, true);
FERRY_RANDOM_OP(RandomStandardNormal, Normal, Floats, own, false);
FERRY_RANDOM_OP(StatelessTruncatedNormal, TruncatedNormal, Floats, seed, true);
FERRY_RANDOM_OP(StatelessTruncatedNormalV2, TruncatedNormal, Floats, key, true);
FERRY_RANDOM_OP(TruncatedNormal, TruncatedNormal, Floats, own, false);
FERRY_RANDOM_OP(StatelessRandomUniformInt, UniformInt, Ints, seed, true);
FERRY_RANDOM_OP(StatelessRandomUniformIntV2, UniformInt, Ints, key, true);
FERRY_RANDOM_OP(RandomUniformInt, UniformInt, Ints, own, false);
FERRY_RANDOM_OP(StatelessRandomUniformFullInt, FullInt, AnyInts, seed, true);
FERRY_RANDOM_OP(StatelessRandomUniformFullIntV2, FullInt, AnyInts, key, true);

extern const Op StatelessRandomGetKeyCounter_op, StatelessRandomGetKeyCounterAlg_op, StatelessRandomGetAlg_op;
const Op StatelessRandomGetKeyCounter_op{"StatelessRandomGetKeyCounter", make_free<key_and_counter>};
const Op StatelessRandomGetKeyCounterAlg_op{"StatelessRandomGetKeyCounterAlg", make_free<key_and_counter>};
const Op StatelessRandomGetAlg_op{"StatelessRandomGetAlg", make_free<algorithm>};

}  // namespace ferry::ops
