// JSON text → TensorMap.
#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_set>

#include "ferry/ragged.h"
#include "ferry/sparse.h"
#include "formats/json/json.h"

namespace ferry::json {
namespace {

struct Member;

// A value as read: a list (or scalar), or an object of further values.
struct Value {
  uint64_t offset = 0;
  bool is_object = false;
  ListBuilder list;
  std::vector<Member> members;

  const Value* find(std::string_view key) const;
  Value* find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
};

struct Member {
  std::string key;
  Value value;
};

const Value* Value::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

bool is_splits_key(std::string_view key) { return key.starts_with("row_splits") || key.starts_with("nested_row_splits"); }

// The words that objects of composite tensors are made of.
bool is_tensor_key(std::string_view key) {
  for (std::string_view known :
       {"indices", "values", "data", "dense_shape", "shape", "indptr", "dtype", "layout", "index_dtype", "metadata", "flat_values"}) {
    if (key == known) return true;
  }
  return is_splits_key(key);
}

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options) : text_(text), options_(options), in_(text, options.limits.max_nesting) {}

  Result<TensorMap> run() {
    TensorMap out;
    if (in_.peek() == Token::end) return data_loss_at(in_.offset(), "the JSON text is empty, expected a value");
    const Status status = root(out);
    if (!in_.ok()) return in_.status();
    FERRY_RETURN_IF_ERROR(status);
    in_.finish();
    if (!in_.ok()) return in_.status();
    return out;
  }

 private:
  // ---- Reading

  Value read_value(std::optional<DType> hint = std::nullopt) {
    Value out;
    if (in_.peek() == Token::object) {
      out.offset = in_.offset();
      read_object(out);
      return out;
    }
    out.offset = in_.offset();
    out.list = ListBuilder(options_.numbers, hint);
    out.list.read(in_);
    return out;
  }

  void read_object(Value& out) {
    {
      // {"b64": …} alone is a string.
      Reader ahead = in_;
      std::string key;
      ahead.open();
      bool first = true;
      if (ahead.next_member(first, key) && key == "b64" && ahead.peek() == Token::string) {
        ahead.read_string(key);
        if (ahead.ok() && !ahead.next_member(first, key)) {
          out.list.read(in_);
          return;
        }
      }
    }
    out.is_object = true;
    std::optional<DType> hint;
    in_.open();
    std::string key;
    std::unordered_set<std::string> seen;
    for (bool first = true; in_.next_member(first, key);) {
      if (!seen.insert(key).second) return in_.fail(concat("the name ", quoted(key), " stands twice in one object"));
      if (out.members.size() >= options_.limits.max_tensors) return in_.fail("an object has more members than max_tensors");
      if (key.size() > options_.limits.max_name_bytes) return in_.fail(concat("a name of ", key.size(), " bytes exceeds max_name_bytes"));
      const bool values = key == "values" || key == "data" || key == "flat_values";
      Value value = read_value(values ? hint : std::nullopt);
      if (!in_.ok()) return;
      if (key == "dtype") {
        if (const auto name = value.list.scalar_string()) hint = dtype_from_name(*name);
      }
      out.members.push_back({key, std::move(value)});
    }
  }

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

  template <class T>
  static Result<T> at(Result<T> result, const Value& value) {
    if (result.ok() || result.status().offset()) return result;
    return Status(result.status().code(), std::string(result.status().message()), value.offset);
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

  // ---- Composite objects

  static bool is_list(const Value* value) { return value != nullptr && !value->is_object && !value->list.scalar_string(); }
  static const Value* values_of(const Value& object) {
    for (std::string_view key : {"values", "data", "flat_values"}) {
      if (const Value* found = object.find(key)) return found;
    }
    return nullptr;
  }

  // Whether an object spells one tensor; else it names several.
  static bool is_tensor(const Value& object) {
    if (!object.is_object || values_of(object) == nullptr) return false;
    if (!std::ranges::all_of(object.members, is_tensor_key, &Member::key)) return false;
    const auto text = [&](std::string_view key) {
      return object.find(key) == nullptr || object.find(key)->list.scalar_string().has_value();
    };
    if (!text("dtype") || !text("layout") || !text("index_dtype")) return false;
    const Value* shape = object.find("dense_shape") != nullptr ? object.find("dense_shape") : object.find("shape");
    if (object.find("indices") != nullptr) return is_list(object.find("indices")) && is_list(shape);
    for (const Member& member : object.members) {
      if (is_splits_key(member.key)) return is_list(&member.value);
    }
    return object.find("dtype") != nullptr || is_list(object.find("shape"));
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

  Result<Tensor> to_tensor(Value& value) {
    if (!value.is_object) return finish(value, std::nullopt);
    if (is_tensor(value)) return composite(value);
    return data_loss_at(
        value.offset,
        "this object spells no tensor; expected indices, values and dense_shape (indptr for CSR), or values and row_splits, "
        "or dtype, shape and values, with lists in them");
  }

  // ---- Files and bodies

  Status read_metadata(Value& value, Metadata& out) {
    if (!value.is_object) return data_loss_at(value.offset, "metadata is an object of strings");
    for (Member& member : value.members) {
      const auto text = member.value.list.scalar_string();
      if (member.value.is_object || !text)
        return data_loss_at(member.value.offset, concat("metadata ", quoted(member.key), " is no string"));
      out.set(member.key, *text);
    }
    return {};
  }

  Status add(TensorMap& out, std::string name, Value& value) {
    Metadata metadata;
    if (Value* given = value.is_object && is_tensor(value) ? value.find("metadata") : nullptr) {
      FERRY_RETURN_IF_ERROR(read_metadata(*given, metadata));
    }
    auto tensor = to_tensor(value);
    if (!tensor.ok()) return tensor.status().with_context(quoted(name));
    return out.add(std::move(name), *std::move(tensor), std::move(metadata));
  }

  // {"name": value, …}, or one tensor.
  Status add_all(TensorMap& out, Value& value) {
    if (!value.is_object || is_tensor(value)) return add(out, "", value);
    for (Member& member : value.members) FERRY_RETURN_IF_ERROR(add(out, member.key, member.value));
    return {};
  }

  Status root(TensorMap& out) {
    if (in_.peek() != Token::object) {
      Value value = read_value();
      return in_.ok() ? add_all(out, value) : Status();
    }
    // Which of the shapes of a file this is shows in the names, so these are looked at before the rows of `instances`.
    bool inputs = false, instances = false, others = false;
    uint64_t rows_at = 0;
    {
      Reader ahead = in_;
      std::string key;
      ahead.open();
      for (bool first = true; ahead.next_member(first, key);) {
        if (key == "instances" && ahead.peek() == Token::array) {
          rows_at = ahead.offset();
          instances = true;
        } else if (key == "inputs") {
          inputs = true;
        } else if (key != "signature_name" && key != "__metadata__") {
          others = true;
        }
        if (!inputs && !instances && others && key != "__metadata__") break;  // named tensors: no need to look on
        ahead.skip_value();
      }
    }
    if (instances && !others && !inputs) return body_of_rows(out, rows_at);
    Value value;
    value.offset = in_.offset();
    read_object(value);
    if (!in_.ok()) return {};
    if (Value* map = value.find("__metadata__"); map != nullptr && value.is_object && map->is_object && !is_tensor(*map)) {
      FERRY_RETURN_IF_ERROR(read_metadata(*map, out.metadata));
      std::erase_if(value.members, [](const Member& m) { return m.key == "__metadata__"; });
    }
    if (!inputs || others || instances || !value.is_object) return add_all(out, value);
    FERRY_RETURN_IF_ERROR(signature_name(value, out));
    return add_all(out, *value.find("inputs"));
  }

  Status signature_name(Value& body, TensorMap& out) {
    Value* name = body.find("signature_name");
    if (name == nullptr) return {};
    const auto text = name->list.scalar_string();
    if (!text) return data_loss_at(name->offset, "signature_name is no string");
    out.metadata.set("signature_name", *text);
    return {};
  }

  // One input over all rows: lists side by side, or one composite tensor a row.
  struct Column {
    std::string name;
    ListBuilder list;
    std::vector<Tensor> composites;
    uint64_t offset;
    size_t rows = 0;
  };

  Status body_of_rows(TensorMap& out, uint64_t rows_at) {
    Value body;
    body.is_object = true;
    std::string key;
    std::vector<Column> columns;
    Status failed;
    in_.open();
    for (bool first = true; in_.next_member(first, key);) {
      in_.peek();
      if (key == "instances" && in_.offset() == rows_at) {
        failed = rows(columns);
        if (!failed.ok()) return failed;
      } else {
        body.members.push_back({key, read_value()});
      }
    }
    if (!in_.ok()) return {};
    if (Value* map = body.find("__metadata__")) FERRY_RETURN_IF_ERROR(read_metadata(*map, out.metadata));
    FERRY_RETURN_IF_ERROR(signature_name(body, out));
    for (Column& column : columns) {
      auto tensor = stack(column);
      if (!tensor.ok()) return tensor.status().with_context(concat("instances, input ", quoted(column.name)));
      FERRY_RETURN_IF_ERROR(out.add(std::move(column.name), *std::move(tensor)));
    }
    return {};
  }

  Column& column_of(std::vector<Column>& columns, std::string_view name) {
    for (Column& column : columns) {
      if (column.name == name) return column;
    }
    columns.push_back({std::string(name), ListBuilder(options_.numbers), {}, in_.offset()});
    columns.back().list.open_list(in_);
    return columns.back();
  }

  // Whether the object that stands next is one tensor by its keys alone.
  bool row_is_tensor() const {
    Reader ahead = in_;
    std::string key;
    bool values = false, rest = false, b64 = false;
    ahead.open();
    size_t members = 0;
    for (bool first = true; ahead.next_member(first, key); ++members) {
      values |= key == "values" || key == "data";
      rest |= key == "indices" || is_splits_key(key) || key == "dtype";
      b64 |= key == "b64" && ahead.peek() == Token::string;
      if (!is_tensor_key(key) && key != "b64") return false;
      ahead.skip_value();
    }
    return (b64 && members == 1) || (values && rest);
  }

  Status cell(Column& column, size_t row) {
    if (column.rows++ != row)
      return data_loss_at(in_.offset(),
                          concat("row ", row, " names the input ", quoted(column.name), ", which is not in every row before it"));
    if (in_.peek() != Token::object) {
      column.list.read(in_);
      return in_.status();
    }
    Value value = read_value();
    if (!in_.ok()) return in_.status();
    if (!value.is_object) {
      column.list.add_string(in_, *value.list.scalar_string());
      return in_.status();
    }
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(value));
    column.composites.push_back(std::move(tensor));
    return {};
  }

  Status rows(std::vector<Column>& columns) {
    in_.open();
    size_t row = 0;
    bool named = false;
    std::string key;
    for (bool first = true; in_.next_element(first); ++row) {
      const bool is_named = in_.peek() == Token::object && !row_is_tensor();
      if (row == 0) named = is_named;
      if (named != is_named) {
        return data_loss_at(in_.offset(), concat("row ", row, " of instances is ", is_named ? "an object of named inputs" : "a plain value",
                                                 ", the rows before it are not"));
      }
      if (!named) {
        FERRY_RETURN_IF_ERROR(cell(column_of(columns, ""), row));
        continue;
      }
      in_.open();
      size_t members = 0;
      for (bool inner = true; in_.next_member(inner, key); ++members) {
        if (row > 0 && std::ranges::none_of(columns, [&](const Column& c) { return c.name == key; })) {
          return data_loss_at(in_.offset(), concat("row ", row, " names the input ", quoted(key), ", which the rows before it have not"));
        }
        if (columns.size() > options_.limits.max_tensors) return limit_exceeded("more inputs than max_tensors");
        FERRY_RETURN_IF_ERROR(cell(column_of(columns, key), row));
      }
      if (in_.ok() && members != columns.size())
        return data_loss_at(in_.offset(), concat("row ", row, " has ", members, " inputs, expected ", columns.size()));
    }
    if (row == 0 && in_.ok()) return data_loss_at(in_.offset(), "instances holds no row");
    return in_.status();
  }

  Result<Tensor> stack(Column& column) {
    if (column.composites.empty()) {
      column.list.close_list();
      Value place;
      place.offset = column.offset;
      return at(std::move(column.list).finish(), place);
    }
    if (column.composites.size() != column.rows) return data_loss_at(column.offset, "some rows are objects and some are plain values");
    if (std::holds_alternative<SparseTensor>(column.composites[0])) return stack_sparse(column);
    if (std::holds_alternative<RaggedTensor>(column.composites[0])) return stack_ragged(column);
    return data_loss_at(column.offset, "rows of instances are plain lists, sparse or ragged objects");
  }

  // As deserialize_many_sparse: the shape takes the maximum over the rows, and a batch axis in front.
  static Result<Tensor> stack_sparse(Column& column) {
    std::vector<SparseTensor> rows;
    Shape shape;
    for (Tensor& tensor : column.composites) {
      auto* sparse = std::get_if<SparseTensor>(&tensor);
      if (sparse == nullptr) return data_loss_at(column.offset, "some rows are sparse and some are not");
      if (!rows.empty() && (sparse->rank() != shape.rank() || sparse->dtype() != rows[0].dtype())) {
        return data_loss_at(column.offset, concat("row ", rows.size(), " is ", dtype_name(sparse->dtype()), " of rank ", sparse->rank(),
                                                  ", the rows before it ", dtype_name(rows[0].dtype()), " of rank ", shape.rank()));
      }
      if (rows.empty()) shape = sparse->shape();
      for (size_t axis = 0; axis < shape.rank(); ++axis) shape[axis] = std::max(shape[axis], sparse->shape()[axis]);
      if (sparse->layout() == Layout::coo) {
        rows.push_back(*sparse);
      } else {
        FERRY_ASSIGN_OR_RETURN(SparseTensor coo, to_layout(*sparse, Layout::coo));
        rows.push_back(std::move(coo));
      }
    }
    const size_t rank = shape.rank();
    std::vector<int64_t> indices;
    std::vector<DenseTensor> values;
    for (size_t row = 0; row < rows.size(); ++row) {
      const int64_t* from = rows[row].coordinates();
      for (int64_t i = 0; i < rows[row].nnz(); ++i, from += rank) {
        indices.push_back(static_cast<int64_t>(row));
        indices.insert(indices.end(), from, from + rank);
      }
      values.push_back(rows[row].values());
    }
    Shape whole{static_cast<int64_t>(rows.size())};
    for (int64_t dim : shape) whole.append(dim);
    FERRY_ASSIGN_OR_RETURN(DenseTensor all, join(values));
    const int64_t count = all.num_elements();
    FERRY_ASSIGN_OR_RETURN(
        SparseTensor out,
        SparseTensor::coo(std::move(whole), DenseTensor::of<int64_t>(Shape{count, static_cast<int64_t>(rank) + 1}, indices),
                          std::move(all)));
    return Tensor(std::move(out));
  }

  static Result<Tensor> stack_ragged(Column& column) {
    std::vector<RaggedTensor> rows;
    std::vector<int64_t> splits{0};
    for (Tensor& tensor : column.composites) {
      auto* ragged = std::get_if<RaggedTensor>(&tensor);
      if (ragged == nullptr) return data_loss_at(column.offset, "some rows are ragged and some are not");
      splits.push_back(splits.back() + ragged->rows());
      rows.push_back(*ragged);
    }
    FERRY_ASSIGN_OR_RETURN(RaggedTensor inner, concat_rows(rows));
    std::vector<DenseTensor> levels;
    levels.push_back(DenseTensor::vector<int64_t>(splits));
    if (inner.splits_dtype() != DType::int64) return unsupported("rows of instances need int64 row_splits");
    for (const DenseTensor& level : inner.nested_row_splits()) levels.push_back(level);
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(levels), inner.flat_values()));
    return Tensor(std::move(out));
  }

  static Result<DenseTensor> join(std::span<const DenseTensor> parts) {
    int64_t count = 0;
    for (const DenseTensor& part : parts) count += part.num_elements();
    if (parts[0].is_string()) {
      StringsBuilder builder;
      for (const DenseTensor& part : parts) {
        for (int64_t i = 0; i < part.num_elements(); ++i) FERRY_RETURN_IF_ERROR(builder.append(part.strings()[i]));
      }
      return std::move(builder).finish(Shape{count});
    }
    const DType dtype = parts[0].dtype();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer data, MutableBuffer::allocate(static_cast<size_t>(count) * dtype_size(dtype)));
    std::byte* at = data.data();
    for (const DenseTensor& part : parts) {
      if (!part.buffer().empty()) std::memcpy(at, part.raw(), part.buffer().size());
      at += part.buffer().size();
    }
    return DenseTensor::make(dtype, Shape{count}, std::move(data).freeze());
  }

  std::string_view text_;
  const ParseOptions& options_;
  Reader in_;
};

}  // namespace

Result<TensorMap> parse_tensors(std::string_view text, const ParseOptions& options) { return Parser(text, options).run(); }

}  // namespace ferry::json
