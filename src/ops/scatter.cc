#include "ops/scatter.h"

#include <cstring>

#include "ops/elementwise.h"

namespace ferry::ops {
namespace {

struct Added {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
  static bool apply(bool a, bool b) { return a || b; }
};
struct Subtracted {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
  static bool apply(bool a, bool b) { return a != b; }
};
struct Multiplied {
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Divided {
  template <class A>
  static A apply(A a, A b) {
    if constexpr (std::is_integral_v<A> && std::is_signed_v<A>) {
      if (b == A(-1)) return wrapping(A(0), a, [](auto x, auto y) { return x - y; });
    }
    return static_cast<A>(a / b);
  }
};
// As Eigen's: where one of them is NaN, the first stays.
struct Larger {
  template <class A>
  static A apply(A a, A b) {
    return a < b ? b : a;
  }
};
struct Smaller {
  template <class A>
  static A apply(A a, A b) {
    return b < a ? b : a;
  }
};

template <class F, class T>
void combine(const ScatterPlan& plan, const T* updates, T* elements) {
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    if (plan.rows[i] < 0) continue;
    T* const to = elements + plan.rows[i] * plan.below;
    const T* const from = plan.one_for_all ? updates : updates + static_cast<int64_t>(i) * plan.below;
    const int64_t step = plan.one_for_all ? 0 : 1;
    for (int64_t k = 0; k < plan.below; ++k) to[k] = store<T>(F::apply(load(to[k]), load(from[k * step])));
  }
}

template <class F, class List>
bool combine_as(const ScatterPlan& plan, const DenseTensor& updates, std::byte* elements) {
  return with_type(updates.dtype(), List{},
                   [&]<class T>(TypeTag<T>) { combine<F, T>(plan, updates.values<T>().data(), reinterpret_cast<T*>(elements)); });
}

}  // namespace

Result<ScatterPlan> plan_scatter_nd(const Call& call, size_t indices_at, size_t updates_at, const Shape& target, BadIndex bad) {
  const Shape &places = call.shape(indices_at), &updates = call.shape(updates_at);
  if (target.rank() < 1) return invalid_argument(concat("Output must be at least 1-D, got shape: ", target.to_string()));
  if (places.rank() < 1) return invalid_argument(concat("Indices shape must have rank at least one. Found: ", places.to_string()));
  if (updates.rank() < 1) return invalid_argument(concat("Updates shape must have rank at least one. Found: ", updates.to_string()));
  const size_t depth = places.rank() > 1 ? static_cast<size_t>(places[places.rank() - 1]) : 1;
  const size_t outer = places.rank() > 1 ? places.rank() - 1 : 1;
  bool fits = updates.rank() >= outer && updates.rank() - outer + depth == target.rank();
  for (size_t i = 0; fits && i < outer; ++i) fits = updates[i] == places[i];
  for (size_t i = outer; fits && i < updates.rank(); ++i) fits = updates[i] == target[i - outer + depth];
  if (!fits) {
    return invalid_argument(concat("Must have updates.shape = indices.shape[:batch_dim] + params_shape[slice_dim:], got updates.shape: ",
                                   updates.to_string(), ", indices.shape: ", places.to_string(), ", params_shape: ", target.to_string(),
                                   ", slice_dim: ", depth, ", and batch_dim: ", outer));
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> indices, call.integers(indices_at));
  if (*target.num_elements() == 0 && (!indices.empty() || *updates.num_elements() > 0)) {
    return invalid_argument(concat("Indices and updates specified for empty output. indices shape: ", places.to_string()));
  }
  ScatterPlan out;
  out.below = product(target, depth, target.rank());
  const size_t count = depth == 0 ? 0 : indices.size() / depth;
  out.rows.resize(count);
  for (size_t i = 0; i < count; ++i) {
    int64_t row = 0;
    bool inside = true;
    for (size_t k = 0; k < depth; ++k) {
      const int64_t index = indices[i * depth + k];
      inside &= index >= 0 && index < target[k];
      row = inside ? row * target[k] + index : 0;
    }
    if (!inside && bad == BadIndex::error) {
      return invalid_argument(concat("indices[", place_of(Shape(places.dims().first(outer)), static_cast<int64_t>(i)),
                                     "] = ", Shape(std::span(indices).subspan(i * depth, depth)).to_string(), " does not index into shape ",
                                     target.to_string()));
    }
    out.rows[i] = inside ? row : -1;
  }
  return out;
}

Result<ScatterPlan> plan_scatter_rows(const Call& call, size_t indices_at, size_t updates_at, const Shape& target) {
  const Shape &places = call.shape(indices_at), &updates = call.shape(updates_at);
  if (target.rank() < 1) return invalid_argument(concat("params must be at least 1-D, got shape ", target.to_string()));
  ScatterPlan out;
  out.one_for_all = updates.rank() == 0;
  bool fits = out.one_for_all || updates.rank() == places.rank() + target.rank() - 1;
  for (size_t i = 0; fits && i < updates.rank(); ++i) fits = updates[i] == (i < places.rank() ? places[i] : target[i - places.rank() + 1]);
  if (!fits) {
    return invalid_argument(concat("Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got updates.shape ",
                                   updates.to_string(), ", indices.shape ", places.to_string(), ", params.shape ", target.to_string()));
  }
  FERRY_ASSIGN_OR_RETURN(out.rows, call.integers(indices_at));
  for (size_t i = 0; i < out.rows.size(); ++i) {
    if (out.rows[i] < 0 || out.rows[i] >= target[0]) {
      return invalid_argument(
          concat("indices[", place_of(places, static_cast<int64_t>(i)), "] = ", out.rows[i], " is not in [0, ", target[0], ")"));
    }
  }
  out.below = product(target, 1, target.rank());
  if (*target.num_elements() == 0) out.rows.clear();
  return out;
}

Status scatter(Combine how, const ScatterPlan& plan, const DenseTensor& updates, std::byte* elements, std::string_view op) {
  bool known = true;
  switch (how) {
    case Combine::update: {
      const auto width = static_cast<int64_t>(dtype_size(updates.dtype())), row = plan.below * width;
      const auto* from = static_cast<const std::byte*>(updates.raw());
      for (size_t i = 0; i < plan.rows.size(); ++i) {
        if (plan.rows[i] < 0 || row == 0) continue;
        std::byte* const to = elements + plan.rows[i] * row;
        if (!plan.one_for_all) {
          std::memcpy(to, from + static_cast<int64_t>(i) * row, static_cast<size_t>(row));
        } else {
          for (int64_t k = 0; k < plan.below; ++k) std::memcpy(to + k * width, from, static_cast<size_t>(width));
        }
      }
      break;
    }
    case Combine::add: known = combine_as<Added, Join<Numbers, Types<bool>>>(plan, updates, elements); break;
    case Combine::subtract: known = combine_as<Subtracted, Join<Numbers, Types<bool>>>(plan, updates, elements); break;
    case Combine::multiply: known = combine_as<Multiplied, Numbers>(plan, updates, elements); break;
    case Combine::divide: {
      bool by_zero = false;
      with_type(updates.dtype(), Integers{}, [&]<class T>(TypeTag<T>) {
        for (T x : updates.values<T>()) by_zero |= x == 0;
      });
      if (by_zero) return invalid_argument("Integer division by zero");
      known = combine_as<Divided, Numbers>(plan, updates, elements);
      break;
    }
    case Combine::maximum: known = combine_as<Larger, Reals>(plan, updates, elements); break;
    case Combine::minimum: known = combine_as<Smaller, Reals>(plan, updates, elements); break;
  }
  return known ? Status() : no_kernel(op, updates.dtype());
}

Result<DenseTensor> scattered_strings(Call& call, Combine how, const ScatterPlan& plan, const Value* base, const Shape& shape,
                                      StringsView updates) {
  const int64_t count = *shape.num_elements(), rows = plan.below == 0 ? 0 : count / plan.below;
  // The updates of each row of the target as a list, or the last of them.
  std::vector<int64_t> first(static_cast<size_t>(rows), -1), last(first), next(plan.rows.size(), -1);
  for (size_t i = 0; i < plan.rows.size() && rows > 0; ++i) {
    if (plan.rows[i] < 0) continue;
    const auto row = static_cast<size_t>(plan.rows[i]);
    if (last[row] < 0 || how == Combine::update) {
      first[row] = static_cast<int64_t>(i);
    } else {
      next[static_cast<size_t>(last[row])] = static_cast<int64_t>(i);
    }
    last[row] = static_cast<int64_t>(i);
  }
  StringsBuilder out;
  std::string text;
  uint64_t bytes = 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < plan.below; ++k) {
      const int64_t begin = first[static_cast<size_t>(row)];
      text.clear();
      if (base != nullptr && (begin < 0 || how == Combine::add)) text = base->tensor().strings()[row * plan.below + k];
      for (int64_t i = begin; i >= 0; i = next[static_cast<size_t>(i)]) text += updates[plan.one_for_all ? 0 : i * plan.below + k];
      bytes += text.size();
      if (bytes > call.run().limits.max_tensor_bytes) return limit_exceeded("a result of strings is larger than max_tensor_bytes");
      FERRY_RETURN_IF_ERROR(out.append(text));
    }
  }
  return std::move(out).finish(shape);
}

Status give_scattered(Call& call, Combine how, const ScatterPlan& plan, const Value* base, const Shape& shape, const Value& updates) {
  const DType dtype = updates.dtype();
  if (dtype == DType::string) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, scattered_strings(call, how, plan, base, shape, updates.tensor().strings()));
    call.set(0, std::move(out));
    return {};
  }
  FERRY_ASSIGN_OR_RETURN(std::byte* const out, call.make(0, dtype, shape));
  const size_t bytes = static_cast<size_t>(*shape.num_elements()) * dtype_size(dtype);
  if (bytes == 0) return {};
  if (base == nullptr) {
    std::memset(out, 0, bytes);
  } else {
    std::memcpy(out, base->tensor().raw(), bytes);
  }
  return scatter(how, plan, updates.tensor(), out, call.node().op());
}

}  // namespace ferry::ops
