#include "tensor/compare_behind.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

namespace ferry {
namespace {

constexpr size_t kPiece = size_t{4} << 20;  // bytes

// Elements [begin, begin + count) in a row.
Result<DenseTensor> flat_piece(const DenseTensor& x, int64_t begin, int64_t count) {
  const size_t width = dtype_size(x.dtype());
  return DenseTensor::make(x.dtype(), Shape{count},
                           x.buffer().slice(static_cast<size_t>(begin) * width, static_cast<size_t>(count) * width));
}

// What is kept of a difference must not keep the file.
Status make_own(DenseTensor& value) {
  FERRY_ASSIGN_OR_RETURN(Buffer own, Buffer::copy_of(value.buffer().bytes()));
  FERRY_ASSIGN_OR_RETURN(value, DenseTensor::make(value.dtype(), value.shape(), std::move(own)));
  return {};
}

Status compare_piece(const DenseTensor& a, const DenseTensor& b, int64_t at, int64_t size, Tolerance tolerance, Comparison& out) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor x, flat_piece(a, at, size));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor y, flat_piece(b, at, size));
  if (std::memcmp(x.raw(), y.raw(), x.buffer().size()) != 0) {
    FERRY_ASSIGN_OR_RETURN(out, compare(Tensor(x), Tensor(y), tolerance));
    if (out.differing > 0) {
      FERRY_RETURN_IF_ERROR(make_own(out.first_a));
      FERRY_RETURN_IF_ERROR(make_own(out.first_b));
    }
  }
  x.buffer().drop_pages();
  y.buffer().drop_pages();
  return {};
}

Result<Comparison> compare_pieces(const DenseTensor& a, const DenseTensor& b, Tolerance tolerance, ThreadPool* pool) {
  const auto step = static_cast<int64_t>(kPiece / dtype_size(a.dtype()));
  const int64_t count = a.num_elements(), pieces = (count + step - 1) / step;
  std::vector<Comparison> found(static_cast<size_t>(pieces));
  std::mutex mutex;
  Status failed;
  parallel_for(pool, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Status status = compare_piece(a, b, i * step, std::min(step, count - i * step), tolerance, found[static_cast<size_t>(i)]);
      if (status.ok()) continue;
      const std::scoped_lock lock(mutex);
      failed = std::move(status);
    }
  });
  FERRY_RETURN_IF_ERROR(failed);
  Comparison out;
  double squares = 0;
  for (int64_t i = 0; i < pieces; ++i) {
    Comparison& piece = found[static_cast<size_t>(i)];
    if (piece.differing == 0) continue;
    if (out.differing == 0) {
      int64_t rest = i * step + piece.first[0];
      out.first.resize(a.shape().rank());
      for (size_t axis = a.shape().rank(); axis-- > 0;) {
        out.first[axis] = rest % a.shape()[axis];
        rest /= a.shape()[axis];
      }
      out.first_a = std::move(piece.first_a);
      out.first_b = std::move(piece.first_b);
    }
    out.differing += piece.differing;
    out.max_absolute = std::max(out.max_absolute, piece.max_absolute);
    out.max_relative = std::max(out.max_relative, piece.max_relative);
    squares += piece.norm * piece.norm;
  }
  out.norm = std::sqrt(squares);
  return out;
}

void let_go(const Tensor& x) {
  if (const auto* dense = std::get_if<DenseTensor>(&x)) dense->buffer().drop_pages();
}

}  // namespace

Result<Comparison> compare_behind(const Tensor& a, const Tensor& b, Tolerance tolerance, ThreadPool* pool) {
  const auto* x = std::get_if<DenseTensor>(&a);
  const auto* y = std::get_if<DenseTensor>(&b);
  const bool alike = x != nullptr && y != nullptr && x->dtype() == y->dtype() && x->shape() == y->shape();
  if (alike && !x->is_string() && x->buffer().size() > kPiece) return compare_pieces(*x, *y, tolerance, pool);
  auto out = compare(a, b, tolerance, pool);
  let_go(a);
  let_go(b);
  return out;
}

}  // namespace ferry
