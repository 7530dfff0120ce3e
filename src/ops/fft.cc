// Discrete Fourier transforms of one to three inner axes, of any length: by halves where the length is a power of two, else by Bluestein's
// convolution. Worked in double, so that complex64 results are right to their last bit or two.
#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "ops/kernel.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

using Number = std::complex<double>;

// exp(-2πi·k/n), each from its own angle.
std::vector<Number> roots(int64_t n, int64_t count) {
  std::vector<Number> out(static_cast<size_t>(count));
  for (int64_t k = 0; k < count; ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    out[static_cast<size_t>(k)] = {std::cos(angle), std::sin(angle)};
  }
  return out;
}

// Plain products: std::complex's look for infinities, which are none here that would not be NaN after.
Number times(Number a, Number b) { return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()}; }

class PowerOfTwo {
 public:
  explicit PowerOfTwo(int64_t n) : n_(static_cast<size_t>(n)), roots_(roots(n, n / 2)) {}
  void forward(Number* x) const {
    for (size_t i = 1, j = 0; i < n_; ++i) {
      size_t bit = n_ >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) std::swap(x[i], x[j]);
    }
    for (size_t half = 1; half < n_; half *= 2) {
      const size_t step = n_ / (2 * half);
      for (size_t i = 0; i < n_; i += 2 * half) {
        for (size_t k = 0; k < half; ++k) {
          const Number odd = times(x[i + k + half], roots_[k * step]);
          x[i + k + half] = x[i + k] - odd;
          x[i + k] += odd;
        }
      }
    }
  }

 private:
  size_t n_;
  std::vector<Number> roots_;
};

class Transform {
 public:
  explicit Transform(int64_t n) : n_(static_cast<size_t>(n)), inner_(std::has_single_bit(n_) ? n : padded(n)) {
    if (std::has_single_bit(n_)) return;
    // x·w^(k²/2) convolved with w^(-k²/2); k² is taken mod 2n, where it is exact.
    chirp_.resize(n_);
    for (size_t k = 0; k < n_; ++k) {
      const uint64_t square = static_cast<uint64_t>(k) * k % (2 * n_);
      const double angle = -std::numbers::pi * static_cast<double>(square) / static_cast<double>(n_);
      chirp_[k] = {std::cos(angle), std::sin(angle)};
    }
    filter_.assign(static_cast<size_t>(padded(n)), Number());
    for (size_t k = 0; k < n_; ++k) {
      filter_[k] = std::conj(chirp_[k]);
      if (k > 0) filter_[filter_.size() - k] = std::conj(chirp_[k]);
    }
    inner_.forward(filter_.data());
    held_.resize(filter_.size());
  }
  // In place; inverse without the division by n.
  void run(Number* x, bool inverse) {
    if (inverse) turn(x);
    if (chirp_.empty()) {
      inner_.forward(x);
    } else {
      std::ranges::fill(held_, Number());
      for (size_t k = 0; k < n_; ++k) held_[k] = times(x[k], chirp_[k]);
      inner_.forward(held_.data());
      for (size_t k = 0; k < held_.size(); ++k) held_[k] = std::conj(times(held_[k], filter_[k]));
      inner_.forward(held_.data());
      const double scale = 1.0 / static_cast<double>(held_.size());
      for (size_t k = 0; k < n_; ++k) x[k] = times(std::conj(held_[k]) * scale, chirp_[k]);
    }
    if (inverse) turn(x);
  }

 private:
  static int64_t padded(int64_t n) { return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * n - 1))); }
  void turn(Number* x) const {
    for (size_t k = 0; k < n_; ++k) x[k] = std::conj(x[k]);
  }
  size_t n_;
  PowerOfTwo inner_;
  std::vector<Number> chirp_, filter_, held_;
};

// Along an axis of [outer, length, inner].
Status transform_axis(Run& run, std::span<Number> data, int64_t length, int64_t inner, bool inverse) {
  if (length <= 1 || data.empty()) return {};
  Transform transform(length);
  std::vector<Number> line(static_cast<size_t>(length));
  const int64_t lines = static_cast<int64_t>(data.size()) / length;
  for (int64_t l = 0; l < lines; ++l) {
    if ((l & 63) == 0) FERRY_RETURN_IF_ERROR(run.check());
    Number* const first = data.data() + l / inner * length * inner + l % inner;
    for (int64_t i = 0; i < length; ++i) line[static_cast<size_t>(i)] = first[i * inner];
    transform.run(line.data(), inverse);
    for (int64_t i = 0; i < length; ++i) first[i * inner] = line[static_cast<size_t>(i)];
  }
  return {};
}

enum class Kind { complex, real_in, real_out };

class FftKernel final : public Kernel {
 public:
  FftKernel(size_t axes, Kind kind, bool inverse, DType out) : axes_(axes), kind_(kind), inverse_(inverse), out_(out) {}
  Status run(Call& call) const override {
    const DenseTensor& x = call.in(0);
    const size_t rank = x.shape().rank();
    if (rank < axes_) return invalid_argument(concat("Input must have rank of at least ", axes_, " but got: ", x.shape().to_string()));
    // The lengths that are transformed, and those of the result.
    std::vector<int64_t> lengths(x.shape().end() - static_cast<std::ptrdiff_t>(axes_), x.shape().end());
    Shape shape = x.shape();
    if (kind_ != Kind::complex) {
      if (call.shape(1).rank() != 1 || call.shape(1)[0] != static_cast<int64_t>(axes_)) {
        return invalid_argument(concat("fft_length must have shape [", axes_, "]"));
      }
      FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> wanted, call.integers(1));
      for (size_t i = 0; i < axes_; ++i) {
        if (wanted[i] < 0) return invalid_argument(concat("fft_length[", i, "] must >= 0, but got: ", wanted[i]));
        const bool halved = kind_ == Kind::real_out && i + 1 == axes_;
        const int64_t least = halved && wanted[i] > 0 ? wanted[i] / 2 + 1 : wanted[i], there = lengths[i];
        if (there != 0 && there < least) {
          return invalid_argument(concat("Input dimension ", i, " must have length of at least ", least, " but got: ", there));
        }
        lengths[i] = wanted[i];
        const bool halves = kind_ == Kind::real_in && i + 1 == axes_;
        shape[rank - axes_ + i] = halves ? (wanted[i] > 0 ? wanted[i] / 2 + 1 : 0) : wanted[i];
      }
    }
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, out_, shape));
    if (*shape.num_elements() == 0) return {};
    if (x.num_elements() == 0) {
      std::fill_n(out, static_cast<size_t>(*shape.num_elements()) * dtype_size(out_), std::byte{0});
      return {};
    }
    uint64_t size = sizeof(Number);
    for (size_t i = 0; i + axes_ < rank; ++i) size *= static_cast<uint64_t>(shape[i]);
    for (const int64_t length : lengths) size *= static_cast<uint64_t>(length);  // at most some times the result's bytes
    FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::zeroed(size));
    const std::span<Number> data(reinterpret_cast<Number*>(block.data()), size / sizeof(Number));
    read(x, lengths, data);
    int64_t inner = 1;
    double scale = 1;
    for (size_t i = axes_; i-- > 0;) {
      FERRY_RETURN_IF_ERROR(transform_axis(call.run(), data, lengths[i], inner, inverse_));
      inner *= lengths[i];
      if (inverse_) scale /= static_cast<double>(lengths[i]);
    }
    write(data, lengths, shape, scale, out);
    return {};
  }

 private:
  // Calls each(place in a, place in b) for the elements that both boxes of `axes_` inner axes have.
  template <class Each>
  void for_each_shared(int64_t count, std::span<const int64_t> a, std::span<const int64_t> b, Each&& each) const {
    int64_t la[3] = {1, 1, 1}, lb[3] = {1, 1, 1};
    for (size_t i = 0; i < axes_; ++i) {
      la[3 - axes_ + i] = a[i];
      lb[3 - axes_ + i] = b[i];
    }
    for (int64_t n = 0; n < count; ++n) {
      for (int64_t i = 0; i < std::min(la[0], lb[0]); ++i) {
        for (int64_t j = 0; j < std::min(la[1], lb[1]); ++j) {
          for (int64_t k = 0; k < std::min(la[2], lb[2]); ++k) {
            each(((n * la[0] + i) * la[1] + j) * la[2] + k, ((n * lb[0] + i) * lb[1] + j) * lb[2] + k);
          }
        }
      }
    }
  }

  void read(const DenseTensor& x, const std::vector<int64_t>& lengths, std::span<Number> data) const {
    const std::span<const int64_t> there = x.shape().dims().last(axes_);
    int64_t count = 1;
    for (size_t i = 0; i + axes_ < x.shape().rank(); ++i) count *= x.shape()[i];
    std::vector<int64_t> used(lengths);
    if (kind_ == Kind::real_out) used.back() = lengths.back() / 2 + 1;  // the rest mirrors them
    const auto copy = [&]<class T>(TypeTag<T>) {
      const T* const from = x.values<T>().data();
      // `used` has rows shorter than `data` has.
      const int64_t row = lengths.back(), used_row = used.back();
      for_each_shared(count, there, used, [&](int64_t a, int64_t b) {
        const auto at = static_cast<size_t>(b / used_row * row + b % used_row);
        if (b % used_row >= row) return;
        if constexpr (is_complex_v<T>) {
          data[at] = Number(from[a].real(), from[a].imag());
        } else {
          data[at] = static_cast<double>(from[a]);
        }
      });
    };
    with_type(x.dtype(), Types<float, double, std::complex<float>, std::complex<double>>{}, copy);
    if (kind_ == Kind::real_out) mirror(lengths, data);
  }

  // x[-i, -j, -k] = conj(x[i, j, k]): what a real result's transform has in its other half.
  void mirror(const std::vector<int64_t>& lengths, std::span<Number> data) const {
    int64_t l[3] = {1, 1, 1};
    for (size_t i = 0; i < axes_; ++i) l[3 - axes_ + i] = lengths[i];
    const int64_t size = l[0] * l[1] * l[2];
    for (int64_t n = 0; n < static_cast<int64_t>(data.size()) / size; ++n) {
      Number* const x = data.data() + n * size;
      for (int64_t i = 0; i < l[0]; ++i) {
        for (int64_t j = 0; j < l[1]; ++j) {
          for (int64_t k = l[2] / 2 + 1; k < l[2]; ++k) {
            x[(i * l[1] + j) * l[2] + k] = std::conj(x[((l[0] - i) % l[0] * l[1] + (l[1] - j) % l[1]) * l[2] + l[2] - k]);
          }
        }
      }
    }
  }

  void write(std::span<const Number> data, const std::vector<int64_t>& lengths, const Shape& shape, double scale, std::byte* out) const {
    const std::span<const int64_t> there = shape.dims().last(axes_);
    int64_t count = 1;
    for (size_t i = 0; i + axes_ < shape.rank(); ++i) count *= shape[i];
    with_type(out_, Types<float, double, std::complex<float>, std::complex<double>>{}, [&]<class T>(TypeTag<T>) {
      T* const to = reinterpret_cast<T*>(out);
      for_each_shared(count, lengths, there, [&](int64_t a, int64_t b) {
        const Number value = data[static_cast<size_t>(a)] * scale;
        if constexpr (is_complex_v<T>) {
          using R = typename T::value_type;
          to[b] = T(static_cast<R>(value.real()), static_cast<R>(value.imag()));
        } else {
          to[b] = static_cast<T>(value.real());
        }
      });
    });
  }

  size_t axes_;
  Kind kind_;
  bool inverse_;
  DType out_;
};

template <int kAxes, Kind kKind, bool kInverse>
Result<KernelRef> make_fft(const NodeInfo& node) {
  using Wide = Types<double, std::complex<double>>;
  using Narrow = Types<float, std::complex<float>>;
  const DType in = node.input_dtypes()[0], out = node.output_dtypes()[0];
  const auto both = [&](auto list) { return with_type(in, list, [](auto) {}) && with_type(out, list, [](auto) {}); };
  if (!both(Wide{}) && !both(Narrow{})) {
    return unsupported(concat(node.op(), " of ", dtype_name(in), " into ", dtype_name(out), " is not among the kernels of this engine"));
  }
  return KernelRef(std::make_unique<FftKernel>(kAxes, kKind, kInverse, node.output_dtypes()[0]));
}

}  // namespace

#define FERRY_FFT_OP(op, ...) \
  extern const Op op##_op;    \
  const Op op##_op { #op, make_fft < __VA_ARGS__> }

FERRY_FFT_OP(FFT, 1, Kind::complex, false);
FERRY_FFT_OP(FFT2D, 2, Kind::complex, false);
FERRY_FFT_OP(FFT3D, 3, Kind::complex, false);
FERRY_FFT_OP(IFFT, 1, Kind::complex, true);
FERRY_FFT_OP(IFFT2D, 2, Kind::complex, true);
FERRY_FFT_OP(IFFT3D, 3, Kind::complex, true);
FERRY_FFT_OP(RFFT, 1, Kind::real_in, false);
FERRY_FFT_OP(RFFT2D, 2, Kind::real_in, false);
FERRY_FFT_OP(RFFT3D, 3, Kind::real_in, false);
FERRY_FFT_OP(IRFFT, 1, Kind::real_out, true);
FERRY_FFT_OP(IRFFT2D, 2, Kind::real_out, true);
FERRY_FFT_OP(IRFFT3D, 3, Kind::real_out, true);

}  // namespace ferry::ops
