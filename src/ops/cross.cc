// Crosses of features, one from each column, joined as text or as a hash: SparseCross, SparseCrossV2, SparseCrossHashed, RaggedCross.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "ops/coo.h"
#include "ops/hash.h"
#include "ops/ragged_parts.h"

namespace ferry::ops {
namespace {

// The features of each row: values [starts[row], starts[row + 1]).
struct Column {
  const DenseTensor* values = nullptr;
  std::vector<int64_t> starts;
  bool dense = false;

  int64_t count(int64_t row) const { return starts[static_cast<size_t>(row) + 1] - starts[static_cast<size_t>(row)]; }
  int64_t at(int64_t row, int64_t n) const { return starts[static_cast<size_t>(row)] + n; }
};

Status check_dtype(const DenseTensor& values) {
  if (values.dtype() == DType::string || values.dtype() == DType::int64) return {};
  return invalid_argument(concat("crosses are made of int64 and string features, no ", dtype_name(values.dtype())));
}

Status check_rows(Call& call, int64_t rows) {
  if (rows < 0) return invalid_argument(concat("Expected batch size >= 0, got ", rows));
  if (static_cast<uint64_t>(rows) > call.run().limits.max_tensor_bytes / 64) return limit_exceeded(concat(rows, " rows"));
  return {};
}

// Entries of row 0, then of row 1, and so on; those that come too late are passed over, as in TensorFlow.
Result<Column> sparse_column(Call& call, size_t indices, size_t values, size_t shape, int64_t rows, bool skip) {
  FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, indices, values, shape));
  if (x.rank != 2) return invalid_argument("shape should imply a 2D tensor");
  if (x.shape[0] != rows) return invalid_argument(concat("Expected batch size ", rows, " got ", x.shape[0]));
  Column out;
  out.values = &call.in(values);
  FERRY_RETURN_IF_ERROR(check_dtype(*out.values));
  out.starts.reserve(static_cast<size_t>(rows) + 1);
  out.starts.push_back(0);
  int64_t at = 0;
  for (int64_t row = 0; row < rows; ++row) {
    while (at < x.nnz && (x.row(at)[0] == row || (skip && x.row(at)[0] < row))) ++at;
    out.starts.push_back(at);
  }
  return out;
}

Result<Column> dense_column(Call& call, size_t values, int64_t rows) {
  Column out;
  out.values = &call.in(values);
  out.dense = true;
  FERRY_RETURN_IF_ERROR(check_dtype(*out.values));
  const Shape& shape = out.values->shape();
  if (shape.rank() != 2) return invalid_argument(concat("Dense inputs should be a matrix but received shape ", shape.to_string()));
  if (shape[0] != rows) return invalid_argument(concat("Expected batch size ", rows, " got ", shape[0], " at dense tensor"));
  for (int64_t row = 0; row <= rows; ++row) out.starts.push_back(row * shape[1]);
  return out;
}

// How many crosses each row has, as row splits.
Result<std::vector<int64_t>> cross_splits(Call& call, std::span<const Column> columns, int64_t rows) {
  std::vector<int64_t> out{0};
  const auto most = static_cast<int64_t>(call.run().limits.max_tensor_bytes / sizeof(int64_t));
  for (int64_t row = 0; row < rows; ++row) {
    int64_t count = 1;
    for (const Column& column : columns) {
      if (__builtin_mul_overflow(count, column.count(row), &count))
        return limit_exceeded("the crosses of a row are more than 63 bits can count");
    }
    if (count > most - out.back()) return limit_exceeded(concat("more than ", most, " crosses (max_tensor_bytes)"));
    out.push_back(out.back() + count);
  }
  return out;
}

// Calls f(row, numbers of the values) for each cross, the last column the fastest.
template <class F>
Status for_each_cross(Call& call, std::span<const Column> columns, int64_t rows, F&& f) {
  std::vector<int64_t> chosen(columns.size()), places(columns.size());
  uint64_t done = 0;
  for (int64_t row = 0; row < rows; ++row) {
    if (std::ranges::any_of(columns, [&](const Column& column) { return column.count(row) == 0; })) continue;
    std::ranges::fill(chosen, 0);
    while (true) {
      if ((++done & 0xfff) == 0) FERRY_RETURN_IF_ERROR(call.run().check());
      for (size_t i = 0; i < columns.size(); ++i) places[i] = columns[i].at(row, chosen[i]);
      FERRY_RETURN_IF_ERROR(f(row, places));
      size_t i = columns.size();
      while (i > 0 && ++chosen[i - 1] == columns[i - 1].count(row)) chosen[--i] = 0;
      if (i == 0) break;
    }
  }
  return {};
}

void append_feature(std::string& out, const DenseTensor& values, int64_t i) {
  if (values.is_string()) {
    out += values.strings()[i];
    return;
  }
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), values.values<int64_t>()[static_cast<size_t>(i)]).ptr;
  out.append(digits, end);
}

Status put_texts(Call& call, size_t to, std::span<const Column> columns, int64_t rows, std::string_view separator) {
  StringsBuilder out;
  std::string text;
  uint64_t bytes = 0;
  FERRY_RETURN_IF_ERROR(for_each_cross(call, columns, rows, [&](int64_t, std::span<const int64_t> places) -> Status {
    text.clear();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) text += separator;
      append_feature(text, *columns[i].values, places[i]);
    }
    bytes += text.size();
    if (bytes > call.run().limits.max_tensor_bytes) return limit_exceeded("the crosses' text passes max_tensor_bytes");
    return out.append(text);
  }));
  const Shape shape{out.size()};
  FERRY_ASSIGN_OR_RETURN(DenseTensor made, std::move(out).finish(shape));
  call.set(to, std::move(made));
  return {};
}

int64_t bucket(uint64_t hash, int64_t buckets) {
  return static_cast<int64_t>(hash % (buckets > 0 ? static_cast<uint64_t>(buckets) : static_cast<uint64_t>(INT64_MAX)));
}

uint64_t plain_fingerprint(const Column& column, int64_t i) {
  if (column.values->is_string()) return fingerprint64(column.values->strings()[i]);
  return static_cast<uint64_t>(column.values->values<int64_t>()[static_cast<size_t>(i)]);
}

Status put_hashes(Call& call, size_t to, std::span<const Column> columns, int64_t rows, int64_t count, int64_t buckets, uint64_t key) {
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(to, DType::int64, Shape{count}));
  size_t at = 0;
  return for_each_cross(call, columns, rows, [&](int64_t, std::span<const int64_t> places) -> Status {
    uint64_t hash = key;
    for (size_t i = 0; i < columns.size(); ++i) hash = fingerprint_cat64(hash, plain_fingerprint(columns[i], places[i]));
    out[at++] = bucket(hash, buckets);
    return {};
  });
}

// Coordinates and shape of crosses that stand in rows.
Status put_places(Call& call, std::span<const int64_t> splits) {
  FERRY_ASSIGN_OR_RETURN(const auto indices, call.make<int64_t>(0, DType::int64, Shape{splits.back(), 2}));
  int64_t* to = indices.data();
  int64_t widest = 0;
  for (size_t row = 0; row + 1 < splits.size(); ++row) {
    const int64_t count = splits[row + 1] - splits[row];
    widest = std::max(widest, count);
    for (int64_t i = 0; i < count; ++i) {
      *to++ = static_cast<int64_t>(row);
      *to++ = i;
    }
  }
  const int64_t shape[] = {static_cast<int64_t>(splits.size()) - 1, widest};
  call.set(2, DenseTensor::vector<int64_t>(shape));
  return {};
}

enum class Form : uint8_t { v1, v2, hashed };

class SparseCrossKernel final : public Kernel {
 public:
  static Result<KernelRef> make(const NodeInfo& node, Form form) {
    auto out = std::make_unique<SparseCrossKernel>();
    out->form_ = form;
    if (form == Form::v1) {
      out->buckets_ = node.number("num_buckets");
      out->key_ = static_cast<uint64_t>(node.number("hash_key"));
      out->texts_ = node.type("out_type") == DType::string;
      out->strings_only_ = node.type("internal_type") == DType::string;
      if (!out->texts_ && out->strings_only_) return no_kernel_of(node);
    } else {
      out->texts_ = form == Form::v2;
    }
    if (node.input("values").count != node.input("indices").count) return invalid_argument("there must be as many values as indices");
    return KernelRef(std::move(out));
  }

  Status run(Call& call) const override {
    const NodeInfo& node = call.node();
    const ArgRange indices = node.input("indices"), values = node.input("values"), shapes = node.input("shapes"),
                   dense = node.input("dense_inputs");
    int64_t rows = 0;
    if (shapes.count > 0) {
      FERRY_ASSIGN_OR_RETURN(const Coo first, coo_input(call, indices.begin, shapes.begin));
      if (first.rank != 2) return invalid_argument(concat("Expected D2 of index to be 2 got ", first.rank, " at position 0"));
      rows = first.shape[0];
    } else if (dense.count > 0) {
      if (call.shape(dense.begin).rank() != 2) return invalid_argument("Dense inputs should be a matrix");
      rows = call.shape(dense.begin)[0];
    }
    FERRY_RETURN_IF_ERROR(check_rows(call, rows));
    std::vector<Column> columns;
    for (size_t i = 0; i < indices.count; ++i) {
      FERRY_ASSIGN_OR_RETURN(Column one, sparse_column(call, indices.begin + i, values.begin + i, shapes.begin + i, rows, false));
      columns.push_back(std::move(one));
    }
    for (size_t i = 0; i < dense.count; ++i) {
      FERRY_ASSIGN_OR_RETURN(Column one, dense_column(call, dense.begin + i, rows));
      columns.push_back(std::move(one));
    }
    for (const Column& column : columns) {
      if (strings_only_ && !column.values->is_string())
        return invalid_argument("Input values should be of internal type string but received int64");
    }
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> splits, cross_splits(call, columns, rows));
    FERRY_RETURN_IF_ERROR(put_places(call, splits));
    if (form_ == Form::v1) {
      if (texts_) return put_texts(call, 1, columns, rows, "_X_");
      return put_hashes(call, 1, columns, rows, splits.back(), buckets_, key_);
    }
    if (form_ == Form::v2) {
      const DenseTensor& separator = call.in(node.input("sep").begin);
      if (!is_scalar(separator.shape())) return invalid_argument("Input separator should be a scalar.");
      return put_texts(call, 1, columns, rows, separator.strings()[0]);
    }
    return put_keyed(call, columns, rows, splits.back());
  }

 private:
  static Status no_kernel_of(const NodeInfo& node) { return unsupported(concat(node.op(), ": hashes are made of internal_type int64")); }

  static Status put_keyed(Call& call, std::span<const Column> columns, int64_t rows, int64_t count) {
    const NodeInfo& node = call.node();
    const DenseTensor& strong = call.in(node.input("strong_hash").begin);
    const DenseTensor& salt = call.in(node.input("salt").begin);
    if (!is_scalar(call.shape(node.input("num_buckets").begin))) return invalid_argument("Input num_buckets should be a scalar.");
    FERRY_ASSIGN_OR_RETURN(const int64_t buckets, call.integer(node.input("num_buckets").begin));
    if (!is_scalar(strong.shape())) return invalid_argument("Input strong_hash should be a scalar.");
    if (!is_vector(salt.shape()) || salt.num_elements() != 2) return invalid_argument("Input salt should be a vector of 2 elements.");
    if (columns.empty()) return call.make(1, DType::int64, Shape{0}).status();
    const bool is_strong = strong.values<bool>()[0];
    const auto key0 = static_cast<uint64_t>(salt.values<int64_t>()[0]), key1 = static_cast<uint64_t>(salt.values<int64_t>()[1]);
    const auto hash_of = [&](const Column& column, int64_t i) {
      if (column.values->is_string()) {
        const std::string_view text = column.values->strings()[i];
        return is_strong ? siphash(key0, key1, text) : fingerprint64(text);
      }
      const int64_t value = column.values->values<int64_t>()[static_cast<size_t>(i)];
      if (!is_strong && column.dense) return static_cast<uint64_t>(value);
      // TensorFlow hashes the lower four bytes only.
      char bytes[4];
      std::memcpy(bytes, &value, sizeof(bytes));
      const std::string_view text(bytes, sizeof(bytes));
      return is_strong ? siphash(key0, key1, text) : fingerprint64(text);
    };
    FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(1, DType::int64, Shape{count}));
    size_t at = 0;
    return for_each_cross(call, columns, rows, [&](int64_t, std::span<const int64_t> places) -> Status {
      uint64_t hash = hash_of(columns[0], places[0]);
      for (size_t i = 1; i < columns.size(); ++i) hash = fingerprint_cat64(hash, hash_of(columns[i], places[i]));
      out[at++] = bucket(hash, buckets);
      return {};
    });
  }

  Form form_ = Form::v1;
  int64_t buckets_ = 0;
  uint64_t key_ = 0;
  bool texts_ = false, strings_only_ = false;
};

template <Form kForm>
Result<KernelRef> make_cross(const NodeInfo& node) {
  return SparseCrossKernel::make(node, kForm);
}

// ---- RaggedCross: columns in the order that input_order says, R, S and D each for the next one of its kind

class RaggedCrossKernel final : public Kernel {
 public:
  RaggedCrossKernel(std::string order, bool hashed, int64_t buckets, uint64_t key)
      : order_(std::move(order)), hashed_(hashed), buckets_(buckets), key_(key) {}

  Status run(Call& call) const override {
    const NodeInfo& node = call.node();
    const ArgRange values = node.input("ragged_values"), cuts = node.input("ragged_row_splits"), indices = node.input("sparse_indices"),
                   held = node.input("sparse_values"), shapes = node.input("sparse_shape"), dense = node.input("dense_inputs");
    int64_t rows = 0;
    if (cuts.count > 0) {
      rows = call.in(cuts.begin).num_elements() - 1;
    } else if (dense.count > 0) {
      if (call.shape(dense.begin).rank() != 2) return invalid_argument("tf.ragged.cross only supports inputs with rank=2.");
      rows = call.shape(dense.begin)[0];
    } else if (shapes.count > 0) {
      if (call.in(shapes.begin).num_elements() != 2) return invalid_argument("tf.ragged.cross only supports inputs with rank=2.");
      rows = call.values<int64_t>(shapes.begin)[0];
    }
    FERRY_RETURN_IF_ERROR(check_rows(call, rows));
    std::vector<Column> columns;
    size_t ragged = 0, sparse = 0, plain = 0;
    for (char kind : order_) {
      if (kind == 'R' && ragged < values.count) {
        Column one;
        one.values = &call.in(values.begin + ragged);
        FERRY_RETURN_IF_ERROR(check_dtype(*one.values));
        if (one.values->shape().rank() != 1) return invalid_argument("tf.ragged.cross only supports inputs with rank=2.");
        FERRY_ASSIGN_OR_RETURN(one.starts, splits_of(call.in(cuts.begin + ragged), one.values->num_elements()));
        if (static_cast<int64_t>(one.starts.size()) - 1 != rows)
          return invalid_argument("inputs must all have the same batch dimension size.");
        columns.push_back(std::move(one));
        ++ragged;
      } else if (kind == 'S' && sparse < indices.count) {
        FERRY_ASSIGN_OR_RETURN(Column one,
                               sparse_column(call, indices.begin + sparse, held.begin + sparse, shapes.begin + sparse, rows, true));
        columns.push_back(std::move(one));
        ++sparse;
      } else if (kind == 'D' && plain < dense.count) {
        FERRY_ASSIGN_OR_RETURN(Column one, dense_column(call, dense.begin + plain, rows));
        columns.push_back(std::move(one));
        ++plain;
      } else {
        return invalid_argument(concat("Unexpected input_order value ", quoted(order_)));
      }
    }
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> splits, cross_splits(call, columns, rows));
    FERRY_RETURN_IF_ERROR(put_integers(call, 1, node.output_dtypes()[1], splits));
    if (hashed_) return put_hashes(call, 0, columns, rows, splits.back(), buckets_, key_);
    return put_texts(call, 0, columns, rows, "_X_");
  }

 private:
  std::string order_;
  bool hashed_;
  int64_t buckets_;
  uint64_t key_;
};

Result<KernelRef> make_ragged_cross(const NodeInfo& node) {
  std::string order = node.text("input_order");
  const size_t ragged = node.input("ragged_values").count, sparse = node.input("sparse_indices").count;
  if (node.input("ragged_row_splits").count != ragged) return invalid_argument("ragged values and splits must have the same length");
  if (node.input("sparse_values").count != sparse) return invalid_argument("sparse indices and values must have the same length");
  if (order.size() != ragged + sparse + node.input("dense_inputs").count) return invalid_argument("Invalid length for input_order");
  const DType out = node.type("out_values_type");
  if (out != DType::int64 && out != DType::string) return unsupported(concat("RaggedCross gives int64 or string, no ", dtype_name(out)));
  return KernelRef(std::make_unique<RaggedCrossKernel>(std::move(order), out == DType::int64, node.number("num_buckets"),
                                                       static_cast<uint64_t>(node.number("hash_key"))));
}

}  // namespace

extern const Op SparseCross_op, SparseCrossV2_op, SparseCrossHashed_op, RaggedCross_op;
const Op SparseCross_op{"SparseCross", make_cross<Form::v1>};
const Op SparseCrossV2_op{"SparseCrossV2", make_cross<Form::v2>};
const Op SparseCrossHashed_op{"SparseCrossHashed", make_cross<Form::hashed>};
const Op RaggedCross_op{"RaggedCross", make_ragged_cross};

}  // namespace ferry::ops
