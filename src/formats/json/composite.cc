#include "formats/json/composite.h"

#include <algorithm>

#include "ferry/ragged.h"
#include "ferry/sparse.h"

namespace ferry::json {
namespace {

bool is_list(const Value* value) { return value != nullptr && !value->is_object && !value->list.scalar_string(); }
const Value* values_of(const Value& object) {
  for (std::string_view key : {"values", "data", "flat_values"}) {
    if (const Value* found = object.find(key)) return found;
  }
  return nullptr;
}

class Composer {
 public:
  explicit Composer(const Text& text) : text_(text.all), options_(text.options) {}

  Result<Tensor> to_tensor(Value& value) {
    if (!value.is_object) return finish(value, std::nullopt);
    if (is_tensor(value)) return composite(value);
    return data_loss_at(
        value.offset,
        "this object spells no tensor; expected indices, values and dense_shape (indptr for CSR), or values and row_splits, "
        "or dtype, shape and values, with lists in them");
  }

 private:
  // A list under a dtype: converted where that is exact, else read again from the text.
  Result<Tensor> finish(Value& value, std::optional<DType> dtype, std::optional<Shape> shape = std::nullopt) {
    if (value.is_object) return data_loss_at(value.offset, "found an object, expected a list of values");
    if (dtype && value.list.was_base64() && *dtype != DType::string && value.list.is_scalar()) return raw_bytes(value, *dtype, shape);
    if (!dtype || value.list.suits(*dtype)) return at(std::move(value.list).finish(dtype, std::move(shape)), value);
    Reader again(text_, options_.limits.max_nesting);
    again.move_to(text_.data() + value.offset);
    ListBuilder list(options_.numbers, dtype);
    list.read(again);
    if (!again.ok()) return again.status();
    return at(std::move(list).finish(dtype, std::move(shape)), value);
  }

  // The elements themselves, little endian, as {"b64": …}: what no number can say (a NaN with a payload).
  Result<Tensor> raw_bytes(const Value& value, DType dtype, const std::optional<Shape>& shape) {
    const std::string_view bytes = *value.list.scalar_string();
    const size_t size = dtype_size(dtype);
    if (size == 0 || bytes.size() % size != 0) {
      return data_loss_at(value.offset, concat(bytes.size(), " bytes are no whole number of ", dtype_name(dtype), " elements"));
    }
    if (dtype == DType::bool_ && std::ranges::any_of(bytes, [](char c) { return static_cast<uint8_t>(c) > 1; })) {
      return data_loss_at(value.offset, "a bool is stored as neither 0 nor 1");
    }
    FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(bytes));
    FERRY_ASSIGN_OR_RETURN(
        DenseTensor tensor,
        at(DenseTensor::make(dtype, shape ? *shape : Shape{static_cast<int64_t>(bytes.size() / size)}, std::move(data)), value));
    return Tensor(std::move(tensor));
  }

  Result<DenseTensor> dense(Value& value, std::optional<DType> dtype, std::string_view what) {
    Result<Tensor> tensor = value.is_object && is_tensor(value) ? composite(value) : finish(value, dtype);
    FERRY_RETURN_IF_ERROR(tensor.status());
    auto* out = std::get_if<DenseTensor>(&*tensor);
    if (out == nullptr) return data_loss_at(value.offset, concat(what, " must be rectangular lists"));
    return std::move(*out);
  }

  Result<std::optional<DType>> named_dtype(const Value& object, std::string_view key) {
    const Value* named = object.find(key);
    if (named == nullptr) return std::optional<DType>();
    const std::string_view name = named->list.scalar_string().value_or("");
    const auto dtype = dtype_from_name(name);
    if (!dtype || *dtype == DType::resource || *dtype == DType::variant) {
      return data_loss_at(named->offset,
                          concat(quoted(name), " is no dtype; names are TensorFlow's (float32, int64, bfloat16, string, …)"));
    }
    return std::optional<DType>(*dtype);
  }

  Result<Shape> read_shape(Value& value) {
    FERRY_ASSIGN_OR_RETURN(const DenseTensor dims, dense(value, DType::int64, "a shape"));
    if (dims.shape().rank() != 1) return data_loss_at(value.offset, "a shape is one list of integers");
    if (static_cast<uint64_t>(dims.num_elements()) > options_.limits.max_rank) {
      return limit_exceeded(concat("rank ", dims.num_elements(), " exceeds the limit of ", options_.limits.max_rank, " (max_rank)"));
    }
    for (int64_t dim : dims.values<int64_t>()) {
      if (dim < 0) return data_loss_at(value.offset, concat("shape ", Shape(dims.values<int64_t>()).to_string(), " has a negative axis"));
    }
    return Shape(dims.values<int64_t>());
  }

  Result<Tensor> composite(Value& object) {
    auto tensor = composite_unchecked(object);
    if (!tensor.ok()) return at(std::move(tensor), object);
    const Status valid = validate(*tensor, options_.validation);
    if (!valid.ok()) return Status(valid.code(), std::string(valid.message()), object.offset);
    return tensor;
  }

  Result<Tensor> composite_unchecked(Value& object) {
    FERRY_ASSIGN_OR_RETURN(const auto dtype, named_dtype(object, "dtype"));
    auto& values = const_cast<Value&>(*values_of(object));
    if (object.find("indices") != nullptr) return sparse(object, values, dtype);
    for (const Member& member : object.members) {
      if (is_splits_key(member.key)) return ragged(object, values, dtype);
    }
    std::optional<Shape> shape;
    if (Value* given = object.find("shape")) {
      FERRY_ASSIGN_OR_RETURN(Shape checked, read_shape(*given));
      shape = std::move(checked);
    }
    return finish(values, dtype, std::move(shape));
  }

  Result<Tensor> sparse(Value& object, Value& values_value, std::optional<DType> dtype) {
    FERRY_ASSIGN_OR_RETURN(const auto index, named_dtype(object, "index_dtype"));
    const DType index_dtype = index.value_or(DType::int64);
    Value* shape_value = object.find("dense_shape") != nullptr ? object.find("dense_shape") : object.find("shape");
    FERRY_ASSIGN_OR_RETURN(Shape shape, read_shape(*shape_value));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, dense(values_value, dtype, "values"));
    Value& indices_value = *object.find("indices");
    if (Value* indptr_value = object.find("indptr")) {
      const std::string_view layout = object.find("layout") != nullptr ? *object.find("layout")->list.scalar_string() : "csr";
      if (layout != "csr" && layout != "csc")
        return data_loss_at(object.find("layout")->offset, concat("the layout is ", quoted(layout), ", expected csr or csc"));
      FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, dense(*indptr_value, index_dtype, "indptr"));
      FERRY_ASSIGN_OR_RETURN(DenseTensor indices, dense(indices_value, index_dtype, "indices"));
      FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::compressed(layout == "csr" ? Layout::csr : Layout::csc, std::move(shape),
                                                                        std::move(indptr), std::move(indices), std::move(values)));
      return Tensor(std::move(out));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, dense(indices_value, DType::int64, "indices"));
    // No entries: the lists cannot say how wide they are. Rank 1: plain positions will do.
    const auto rank = static_cast<int64_t>(shape.rank());
    if (indices.num_elements() == 0 && (values.num_elements() == 0 || rank == 0)) {
      FERRY_ASSIGN_OR_RETURN(indices, indices.reshaped(Shape{values.num_elements(), values.num_elements() == 0 ? rank : 0}));
    } else if (rank == 1 && indices.shape().rank() == 1) {
      FERRY_ASSIGN_OR_RETURN(indices, indices.reshaped(Shape{indices.num_elements(), 1}));
    }
    FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(std::move(shape), std::move(indices), std::move(values)));
    return Tensor(std::move(out));
  }

  Result<Tensor> ragged(Value& object, Value& values_value, std::optional<DType> dtype) {
    FERRY_ASSIGN_OR_RETURN(const auto index, named_dtype(object, "index_dtype"));
    const DType split_dtype = index.value_or(DType::int64);
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, dense(values_value, dtype, "values"));
    std::vector<DenseTensor> splits;
    std::vector<std::pair<std::string, Value*>> found;
    for (Member& member : object.members) {
      if (is_splits_key(member.key)) found.emplace_back(member.key, &member.value);
    }
    // row_splits_0, row_splits_1, … in any order, outermost first.
    std::ranges::sort(found, [](const auto& a, const auto& b) {
      return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first < b.first;
    });
    for (auto& [key, value] : found) {
      FERRY_ASSIGN_OR_RETURN(Tensor lists, finish(*value, split_dtype));
      if (auto* nested = std::get_if<RaggedTensor>(&lists);
          nested != nullptr && nested->ragged_rank() == 1 && nested->flat_values().shape().rank() == 1) {
        const auto rows = nested->row_splits(0).values<int64_t>();
        for (size_t i = 0; i + 1 < rows.size(); ++i) {
          FERRY_ASSIGN_OR_RETURN(DenseTensor level, nested->flat_values().slice_rows(rows[i], rows[i + 1]));
          splits.push_back(std::move(level));
        }
        continue;
      }
      auto* plain = std::get_if<DenseTensor>(&lists);
      if (plain == nullptr || plain->shape().rank() < 1 || plain->shape().rank() > 2) {
        return data_loss_at(value->offset, "row_splits are a list of integers, or a list of such lists, the outermost first");
      }
      if (plain->shape().rank() == 1) {
        splits.push_back(std::move(*plain));
        continue;
      }
      for (int64_t i = 0; i < plain->shape()[0]; ++i) {
        FERRY_ASSIGN_OR_RETURN(DenseTensor row, plain->slice_rows(i, i + 1));
        FERRY_ASSIGN_OR_RETURN(row, row.reshaped(Shape{plain->shape()[1]}));
        splits.push_back(std::move(row));
      }
    }
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(values)));
    return Tensor(std::move(out));
  }

  std::string_view text_;
  const ParseOptions& options_;
};

}  // namespace

bool is_tensor(const Value& object) {
  if (!object.is_object || values_of(object) == nullptr) return false;
  if (!std::ranges::all_of(object.members, is_tensor_key, &Member::key)) return false;
  const auto text = [&](std::string_view key) { return object.find(key) == nullptr || object.find(key)->list.scalar_string().has_value(); };
  if (!text("dtype") || !text("layout") || !text("index_dtype")) return false;
  const Value* shape = object.find("dense_shape") != nullptr ? object.find("dense_shape") : object.find("shape");
  if (object.find("indices") != nullptr) return is_list(object.find("indices")) && is_list(shape);
  for (const Member& member : object.members) {
    if (is_splits_key(member.key)) return is_list(&member.value);
  }
  return object.find("dtype") != nullptr || is_list(object.find("shape"));
}

Result<Tensor> to_tensor(const Text& text, Value& value) { return Composer(text).to_tensor(value); }

Status read_metadata(Value& value, Metadata& out) {
  if (!value.is_object) return data_loss_at(value.offset, "metadata is an object of strings");
  for (Member& member : value.members) {
    const auto text = member.value.list.scalar_string();
    if (member.value.is_object || !text) return data_loss_at(member.value.offset, concat("metadata ", quoted(member.key), " is no string"));
    out.set(member.key, *text);
  }
  return {};
}

}  // namespace ferry::json
