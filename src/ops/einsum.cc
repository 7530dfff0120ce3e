// Einsum: sums over labelled axes of one or two tensors. Every equation is brought to: sum what only one side has and the result has not,
// lay the rest out as batches of matrices, multiply, put the result's axes in its order.
#include <algorithm>
#include <array>
#include <cstring>

#include "ops/gemm.h"
#include "ops/strided.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

// A letter, or kEllipsis for all the axes that "..." stands for.
using Label = int;
constexpr Label kEllipsis = -1;
using Labels = std::vector<Label>;

Result<Labels> read_labels(std::string_view text) {
  Labels out;
  bool ellipsis = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (text.substr(i, 3) != "...") return invalid_argument(concat("a lone '.' in the subscript ", quoted(text)));
      if (ellipsis) return invalid_argument(concat("more than one ellipsis in the subscript ", quoted(text)));
      ellipsis = true;
      out.push_back(kEllipsis);
      i += 2;
    } else {
      out.push_back(static_cast<unsigned char>(c));
    }
  }
  return out;
}

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
};

Result<Equation> read_equation(std::string_view text) {
  const size_t arrow = text.find("->");
  if (arrow == std::string_view::npos || text.find("->", arrow + 2) != std::string_view::npos) {
    return invalid_argument(concat("Expecting exactly one '->' in einsum equation: ", text));
  }
  Equation out;
  std::string_view left = text.substr(0, arrow);
  while (true) {
    const size_t comma = left.find(',');
    FERRY_ASSIGN_OR_RETURN(Labels labels, read_labels(left.substr(0, comma)));
    out.inputs.push_back(std::move(labels));
    if (comma == std::string_view::npos) break;
    left.remove_prefix(comma + 1);
  }
  if (out.inputs.size() > 2) {
    return invalid_argument(concat("Expecting 1 or 2 input subscripts in equation '", text, "' but got: ", out.inputs.size()));
  }
  FERRY_ASSIGN_OR_RETURN(out.output, read_labels(text.substr(arrow + 2)));
  for (const Label label : out.output) {
    const bool known = std::ranges::any_of(out.inputs, [&](const Labels& in) { return std::ranges::find(in, label) != in.end(); });
    if (!known && label != kEllipsis) {
      return invalid_argument(concat("the output's label '", std::string(1, static_cast<char>(label)), "' is in no input: ", text));
    }
  }
  return out;
}

// A tensor seen by labels: each once, with its length and step. Labels past 255 are the axes of the ellipsis, the last of them 256.
struct Side {
  const void* data = nullptr;
  Labels labels;
  std::vector<int64_t> lengths, steps;
  std::vector<std::byte> held;

  int64_t length(Label label) const { return lengths[at(label)]; }
  int64_t step(Label label) const { return steps[at(label)]; }
  bool has(Label label) const { return std::ranges::find(labels, label) != labels.end(); }
  size_t at(Label label) const { return static_cast<size_t>(std::ranges::find(labels, label) - labels.begin()); }
};

constexpr Label kFirstOfEllipsis = 256;

// Labels for each axis of a tensor of that rank.
Result<Labels> spread(const Labels& labels, size_t rank, std::string_view what) {
  const bool ellipsis = std::ranges::find(labels, kEllipsis) != labels.end();
  const size_t named = labels.size() - (ellipsis ? 1 : 0);
  if (ellipsis ? rank < named : rank != named) {
    return invalid_argument(concat("Expected ", what, " to have rank ", ellipsis ? "at least " : "", named, ", got ", rank));
  }
  Labels out;
  for (const Label label : labels) {
    if (label != kEllipsis) {
      out.push_back(label);
    } else {
      for (size_t i = rank - named; i-- > 0;) out.push_back(kFirstOfEllipsis + static_cast<Label>(i));
    }
  }
  return out;
}

Result<Side> see(const DenseTensor& x, const Labels& labels) {
  FERRY_ASSIGN_OR_RETURN(const Labels axes, spread(labels, x.shape().rank(), "input"));
  Side out;
  out.data = x.raw();
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    const int64_t length = x.shape()[i];
    if (out.has(axes[i])) {
      const size_t at = out.at(axes[i]);
      if (out.lengths[at] != length) {
        return invalid_argument(concat("Expected dimension ", out.lengths[at], " at axis ", i, " of the input shaped ",
                                       x.shape().to_string(), " but got dimension ", length));
      }
      out.steps[at] += step;  // a diagonal
    } else {
      out.labels.insert(out.labels.begin(), axes[i]);
      out.lengths.insert(out.lengths.begin(), length);
      out.steps.insert(out.steps.begin(), step);
    }
    step *= std::max<int64_t>(length, 1);
  }
  return out;
}

int64_t product_of(const Side& side, const Labels& labels) {
  int64_t out = 1;
  for (const Label label : labels) out *= side.length(label);
  return out;
}

// Whether the side's memory is these labels in this order, without gaps.
bool lies_as(const Side& side, const Labels& order) {
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    if (side.length(order[i]) != 1 && side.step(order[i]) != step) return false;
    step *= side.length(order[i]);
  }
  return true;
}

// Brings the memory into that order.
Status lay(Run& run, Side& side, const Labels& order, size_t width) {
  if (lies_as(side, order)) return {};
  Side out;
  out.labels = order;
  out.lengths.resize(order.size());
  out.steps.resize(order.size());
  std::vector<int64_t> from(order.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    out.lengths[i] = side.length(order[i]);
    from[i] = side.step(order[i]);
    out.steps[i] = step;
    step *= out.lengths[i];
  }
  if (static_cast<uint64_t>(step) > run.limits.max_tensor_bytes / width) return limit_exceeded("an operand of Einsum, laid out");
  out.held.resize(static_cast<size_t>(step) * width);
  move_strided(width, out.lengths, side.data, from, out.held.data(), out.steps);
  out.data = out.held.data();
  side = std::move(out);
  return {};
}

template <class T>
void sum_rows(const T* in, int64_t rows, int64_t columns, T* out) {
  using A = Arithmetic<T>;
  for (int64_t i = 0; i < rows; ++i) {
    if constexpr (std::is_integral_v<T>) {
      std::make_unsigned_t<T> sum = 0;
      for (int64_t j = 0; j < columns; ++j) sum += static_cast<std::make_unsigned_t<T>>(in[i * columns + j]);
      out[i] = static_cast<T>(sum);
    } else {
      A sum = A(0);
      for (int64_t j = 0; j < columns; ++j) sum += to_arithmetic(in[i * columns + j]);
      out[i] = static_cast<T>(sum);
    }
  }
}

using EinsumTypes = Join<FloatsAndComplexes, Types<int32_t, int64_t>>;

// Sums over the labels that are not in `keep`.
Status reduce(Run& run, Side& side, const Labels& keep, DType dtype) {
  Labels kept, gone;
  for (const Label label : side.labels) (std::ranges::find(keep, label) != keep.end() ? kept : gone).push_back(label);
  if (gone.empty()) return {};
  Labels order = kept;
  order.insert(order.end(), gone.begin(), gone.end());
  FERRY_RETURN_IF_ERROR(lay(run, side, order, dtype_size(dtype)));
  Side out;
  const int64_t rows = product_of(side, kept), columns = product_of(side, gone);
  out.held.resize(static_cast<size_t>(rows) * dtype_size(dtype));
  with_type(dtype, EinsumTypes{},
            [&]<class T>(TypeTag<T>) { sum_rows(static_cast<const T*>(side.data), rows, columns, reinterpret_cast<T*>(out.held.data())); });
  out.data = out.held.data();
  out.labels = kept;
  for (const Label label : kept) out.lengths.push_back(side.length(label));
  out.steps.resize(kept.size());
  int64_t step = 1;
  for (size_t i = kept.size(); i-- > 0;) {
    out.steps[i] = step;
    step *= out.lengths[i];
  }
  side = std::move(out);
  return {};
}

class EinsumKernel final : public Kernel {
 public:
  EinsumKernel(Equation equation, DType dtype) : equation_(std::move(equation)), dtype_(dtype), width_(dtype_size(dtype)) {}
  Status run(Call& call) const override {
    std::vector<Side> sides;
    size_t ellipsis = 0;
    for (size_t i = 0; i < equation_.inputs.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(Side side, see(call.in(i), equation_.inputs[i]));
      const size_t axes = static_cast<size_t>(std::ranges::count_if(side.labels, [](Label label) { return label >= kFirstOfEllipsis; }));
      ellipsis = std::max(ellipsis, axes);
      sides.push_back(std::move(side));
    }
    if (ellipsis > 0 && std::ranges::find(equation_.output, kEllipsis) == equation_.output.end()) {
      return invalid_argument(
          concat("Output contains ", ellipsis, " broadcasting dimension(s) but no ellipsis (...) was found in the output subscripts."));
    }
    FERRY_RETURN_IF_ERROR(fit(sides));
    // The result's shape.
    Labels output;
    for (const Label label : equation_.output) {
      if (label != kEllipsis) {
        output.push_back(label);
      } else {
        for (size_t i = ellipsis; i-- > 0;) output.push_back(kFirstOfEllipsis + static_cast<Label>(i));
      }
    }
    Shape shape;
    for (const Label label : output) {
      const auto side = std::ranges::find_if(sides, [&](const Side& s) { return s.has(label); });
      shape.append(side == sides.end() ? 1 : side->length(label));
    }
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
    FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype_, shape));
    if (*shape.num_elements() == 0) return {};
    return sides.size() == 1 ? one(call.run(), sides[0], output, shape, out) : two(call.run(), sides, output, shape, out);
  }

 private:
  // Named axes are as long on both sides; of the ellipsis an axis of length 1 is repeated, which is as if it were not there.
  Status fit(std::vector<Side>& sides) const {
    if (sides.size() < 2) return {};
    Side &a = sides[0], &b = sides[1];
    for (size_t i = 0; i < a.labels.size();) {
      const Label label = a.labels[i];
      if (!b.has(label)) {
        ++i;
        continue;
      }
      const int64_t x = a.lengths[i], y = b.length(label);
      const bool drop_a = label >= kFirstOfEllipsis && x == 1 && y != 1, drop_b = label >= kFirstOfEllipsis && y == 1 && x != 1;
      if (x != y && !drop_a && !drop_b) {
        return invalid_argument(concat("Einsum: an axis of length ", x, " of one input and of length ", y, " of the other share a label"));
      }
      const auto drop = [&](Side& side) {
        const auto at = static_cast<std::ptrdiff_t>(side.at(label));
        side.labels.erase(side.labels.begin() + at);
        side.lengths.erase(side.lengths.begin() + at);
        side.steps.erase(side.steps.begin() + at);
      };
      if (drop_b) drop(b);
      if (drop_a) {
        drop(a);
      } else {
        ++i;
      }
    }
    return {};
  }

  // Moves `side`, which has each of the result's labels, into the result; a label that the result has twice fills a diagonal.
  void place(const Side& side, const Labels& output, const Shape& shape, std::byte* out) const {
    std::vector<int64_t> to(side.labels.size(), 0);
    int64_t step = 1;
    bool repeated = false;
    for (size_t i = output.size(); i-- > 0;) {
      if (side.has(output[i])) to[side.at(output[i])] += step;
      for (size_t j = 0; j < i; ++j) repeated |= output[j] == output[i];
      step *= shape[i];
    }
    if (repeated) std::memset(out, 0, static_cast<size_t>(*shape.num_elements()) * width_);
    move_strided(width_, side.lengths, side.data, side.steps, out, to);
  }

  Status one(Run& run, Side& side, const Labels& output, const Shape& shape, std::byte* out) const {
    FERRY_RETURN_IF_ERROR(reduce(run, side, output, dtype_));
    place(side, output, shape, out);
    return {};
  }

  Status two(Run& run, std::vector<Side>& sides, const Labels& output, const Shape& shape, std::byte* out) const {
    Side &a = sides[0], &b = sides[1];
    const auto in_output = [&](Label label) { return std::ranges::find(output, label) != output.end(); };
    Labels keep_a = output, keep_b = output;
    keep_a.insert(keep_a.end(), b.labels.begin(), b.labels.end());
    keep_b.insert(keep_b.end(), a.labels.begin(), a.labels.end());
    FERRY_RETURN_IF_ERROR(reduce(run, a, keep_a, dtype_));
    FERRY_RETURN_IF_ERROR(reduce(run, b, keep_b, dtype_));
    Labels batch, contract, free_a, free_b;
    for (const Label label : a.labels) {
      if (!b.has(label)) {
        free_a.push_back(label);
      } else {
        (in_output(label) ? batch : contract).push_back(label);
      }
    }
    for (const Label label : b.labels) {
      if (!a.has(label)) free_b.push_back(label);
    }
    const auto in_result = [&](Label x, Label y) { return std::ranges::find(output, x) < std::ranges::find(output, y); };
    std::ranges::sort(batch, in_result);
    std::ranges::sort(free_a, in_result);
    std::ranges::sort(free_b, in_result);
    const auto join = [](const Labels& x, const Labels& y, const Labels& z) {
      Labels all = x;
      all.insert(all.end(), y.begin(), y.end());
      all.insert(all.end(), z.begin(), z.end());
      return all;
    };
    const bool turn_a = !lies_as(a, join(batch, free_a, contract)) && lies_as(a, join(batch, contract, free_a));
    const bool turn_b = !lies_as(b, join(batch, contract, free_b)) && lies_as(b, join(batch, free_b, contract));
    FERRY_RETURN_IF_ERROR(lay(run, a, turn_a ? join(batch, contract, free_a) : join(batch, free_a, contract), width_));
    FERRY_RETURN_IF_ERROR(lay(run, b, turn_b ? join(batch, free_b, contract) : join(batch, contract, free_b), width_));
    const int64_t count = product_of(a, batch), m = product_of(a, free_a), k = product_of(a, contract), n = product_of(b, free_b);

    Side result;
    result.labels = join(batch, free_a, free_b);
    const bool in_place = result.labels == output;
    for (const Label label : result.labels) result.lengths.push_back(a.has(label) ? a.length(label) : b.length(label));
    result.steps.resize(result.labels.size());
    int64_t step = 1;
    for (size_t i = result.labels.size(); i-- > 0;) {
      result.steps[i] = step;
      step *= result.lengths[i];
    }
    if (!in_place) result.held.resize(static_cast<size_t>(step) * width_);
    void* const product = in_place ? static_cast<void*>(out) : result.held.data();
    FERRY_RETURN_IF_ERROR(gemm(run, dtype_, GemmBatch{count, m * k, k * n}, {a.data, turn_a}, {b.data, turn_b}, product, m, n, k));
    if (in_place) return {};
    result.data = product;
    place(result, output, shape, out);
    return {};
  }

  Equation equation_;
  DType dtype_;
  size_t width_;
};

Result<KernelRef> make_einsum(const NodeInfo& node) {
  const std::string text = node.text("equation");
  FERRY_ASSIGN_OR_RETURN(Equation equation, read_equation(text));
  if (equation.inputs.size() != node.input_dtypes().size()) {
    return invalid_argument(
        concat("Expecting ", equation.inputs.size(), " inputs for equation ", text, " but got: ", node.input_dtypes().size()));
  }
  const DType dtype = node.output_dtypes()[0];
  if (!with_type(dtype, EinsumTypes{}, [](auto) {})) return no_kernel(node.op(), dtype);
  return KernelRef(std::make_unique<EinsumKernel>(std::move(equation), dtype));
}

}  // namespace

extern const Op Einsum_op;
const Op Einsum_op{"Einsum", make_einsum};

}  // namespace ferry::ops
