#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "ferry/checked.h"
#include "formats/arrow/c_data.h"
#include "formats/arrow/c_format.h"
#include "formats/arrow/path.h"

namespace ferry::arrow {
namespace {

constexpr int kMaxDepth = 64;

// Takes a struct over from its producer; it is released with the last owner.
template <class Struct>
std::shared_ptr<Struct> take(Struct* given) {
  auto* moved = new Struct(*given);
  given->release = nullptr;
  return std::shared_ptr<Struct>(moved, [](Struct* exported) {
    if (exported->release != nullptr) exported->release(exported);
    delete exported;
  });
}

Result<Field> import_field(const ArrowSchema& schema, int depth) {
  if (depth > kMaxDepth) return limit_exceeded("an Arrow schema nested more than 64 deep");
  if (schema.format == nullptr || schema.n_children < 0) return data_loss("an Arrow schema without a format");
  Field out;
  if (schema.name != nullptr) out.name = schema.name;
  out.nullable = (schema.flags & ARROW_FLAG_NULLABLE) != 0;
  FERRY_ASSIGN_OR_RETURN(out.metadata, decode_metadata(schema.metadata));
  FERRY_ASSIGN_OR_RETURN(out.type, parse_format_string(schema.format));
  const ArrowSchema* values = &schema;
  if (schema.dictionary != nullptr) {
    if (!plain_dtype(out.type.id) || dtype_class(*plain_dtype(out.type.id)) == DTypeClass::kFloat) {
      return data_loss(concat("dictionary indices of Arrow type ", type_name(out.type)));
    }
    out.dictionary = Field::Dictionary{0, out.type.id};
    values = schema.dictionary;
    if (values->format == nullptr || values->n_children < 0) return data_loss("an Arrow dictionary schema without a format");
    FERRY_ASSIGN_OR_RETURN(out.type, parse_format_string(values->format));
  }
  const TypeId id = out.type.id;
  const bool one_child = id == TypeId::list || id == TypeId::large_list || id == TypeId::fixed_size_list || id == TypeId::map;
  if (one_child && values->n_children != 1)
    return data_loss(concat("an Arrow ", type_name(out.type), " with ", values->n_children, " children"));
  for (int64_t i = 0; i < values->n_children; ++i) {
    FERRY_ASSIGN_OR_RETURN(Field child, import_field(*values->children[i], depth + 1));
    out.children.push_back(std::move(child));
  }
  return out;
}

class ArrayImport {
 public:
  explicit ArrayImport(std::shared_ptr<const ArrowArray> owner) : owner_(std::move(owner)) {}

  Result<ArrayData> read(const Field& field, const ArrowArray& array) {
    const auto end = checked_add<int64_t>(array.length, array.offset);
    if (array.length < 0 || array.offset < 0 || !end || *end < 0) return data_loss(concat("an Arrow array of length ", array.length));
    ArrayData out;
    out.length = array.length;
    out.offset = array.offset;
    out.nulls = array.null_count;
    const TypeId id = field.dictionary ? field.dictionary->index : field.type.id;
    if (static_cast<size_t>(array.n_buffers) < buffer_count(id)) {
      return data_loss(concat("an Arrow ", type_name(Type(id)), " array with ", array.n_buffers, " buffers"));
    }
    FERRY_RETURN_IF_ERROR(add_buffers(field, id, array, static_cast<uint64_t>(*end), out));
    if (field.dictionary) {
      if (array.dictionary == nullptr) return data_loss("a dictionary-encoded Arrow array without a dictionary");
      Field values = field;
      values.dictionary.reset();
      FERRY_ASSIGN_OR_RETURN(ArrayData dictionary, read(values, *array.dictionary));
      out.dictionary = {std::make_shared<const ArrayData>(std::move(dictionary))};
      return out;
    }
    if (static_cast<size_t>(array.n_children) != field.children.size()) {
      return data_loss(concat("an Arrow array with ", array.n_children, " children, its schema has ", field.children.size()));
    }
    for (size_t i = 0; i < field.children.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(ArrayData child, read(field.children[i], *array.children[i]));
      out.children.push_back(std::move(child));
    }
    return out;
  }

 private:
  // The interface gives pointers without sizes; they follow from the lengths and the last offsets.
  void add(ArrayData& out, const void* data, uint64_t size) {
    out.buffers.push_back(data == nullptr || size == 0 ? LazyBuffer() : LazyBuffer(Buffer::adopt(data, size, owner_)));
  }

  template <class Offset>
  Status add_offsets(const ArrowArray& array, uint64_t end, ArrayData& out, bool strings) {
    add(out, array.buffers[1], (end + 1) * sizeof(Offset));
    Offset last = 0;
    if (array.buffers[1] != nullptr) {
      std::memcpy(&last, static_cast<const std::byte*>(array.buffers[1]) + end * sizeof(Offset), sizeof(Offset));
    } else if (end > 0) {
      return data_loss("an Arrow array without its offsets");
    }
    if (last < 0) return data_loss(concat("an Arrow array whose last offset is ", last));
    if (strings) add(out, array.buffers[2], static_cast<uint64_t>(last));
    return {};
  }

  Status add_buffers(const Field& field, TypeId id, const ArrowArray& array, uint64_t end, ArrayData& out) {
    if (array.n_buffers == 0) return {};
    if (end > (uint64_t{1} << 56)) return data_loss(concat("an Arrow array of ", end, " elements"));
    add(out, array.buffers[0], (end + 7) / 8);
    if (const auto plain = plain_dtype(id)) {
      add(out, array.buffers[1], end * dtype_size(*plain));
      return {};
    }
    switch (id) {
      case TypeId::boolean: add(out, array.buffers[1], (end + 7) / 8); return {};
      case TypeId::utf8:
      case TypeId::binary: return add_offsets<int32_t>(array, end, out, true);
      case TypeId::large_utf8:
      case TypeId::large_binary: return add_offsets<int64_t>(array, end, out, true);
      case TypeId::list:
      case TypeId::map: return add_offsets<int32_t>(array, end, out, false);
      case TypeId::large_list: return add_offsets<int64_t>(array, end, out, false);
      case TypeId::fixed_size_binary: add(out, array.buffers[1], end * static_cast<uint64_t>(field.type.size)); return {};
      case TypeId::utf8_view:
      case TypeId::binary_view: {
        add(out, array.buffers[1], 16 * end);
        const int64_t heaps = array.n_buffers - 3;  // the last buffer holds their sizes
        for (int64_t i = 0; i < heaps; ++i) {
          int64_t size;
          std::memcpy(&size, static_cast<const std::byte*>(array.buffers[array.n_buffers - 1]) + 8 * i, 8);
          if (size < 0) return data_loss(concat("an Arrow string heap of ", size, " bytes"));
          add(out, array.buffers[2 + i], static_cast<uint64_t>(size));
        }
        return {};
      }
      default: return {};  // no buffers but validity, or a type that reading refuses by name
    }
  }

  std::shared_ptr<const ArrowArray> owner_;
};

Result<TensorMap> build(const Field& field, std::vector<ArrayData> chunks, const ReadOptions& options) {
  std::vector<std::unique_ptr<ColumnTensor>> tensors;
  std::vector<std::vector<ArrayData>> columns;
  TensorMap out;
  std::vector<const ArrayData*> whole;
  for (const ArrayData& chunk : chunks) whole.push_back(&chunk);
  if (options.parts.enabled && field.type.id == TypeId::structure) {  // one sparse tensor, its descriptor lost or not
    FERRY_ASSIGN_OR_RETURN(auto sparse, sparse_tensor(field, whole, options));
    if (sparse) tensors.push_back(std::move(sparse));
  }
  const bool column = field.type.id != TypeId::structure || !field.extension().empty();
  if (tensors.empty() && column) {
    FERRY_RETURN_IF_ERROR(column_tensors(field, whole, options, tensors));
  } else if (tensors.empty()) {
    columns.resize(field.children.size());
    for (const ArrayData& chunk : chunks) {
      FERRY_ASSIGN_OR_RETURN(const int64_t nulls, count_nulls(chunk, chunk.offset, chunk.offset + chunk.length));
      if (nulls > 0) return unsupported(concat(nulls, " rows are null, and no tensor has a word for that; drop them first"));
      for (size_t i = 0; i < columns.size(); ++i) {  // the rows of the struct, not all of the child
        ArrayData child = chunk.children[i];
        if (child.length < chunk.offset + chunk.length) return data_loss("an Arrow struct longer than its fields");
        child.offset += chunk.offset;
        child.length = chunk.length;
        if (child.nulls > 0) child.nulls = -1;
        columns[i].push_back(std::move(child));
      }
    }
    out.metadata = field.metadata;
    for (size_t i = 0; i < columns.size(); ++i) {
      std::vector<const ArrayData*> pointers;
      for (const ArrayData& chunk : columns[i]) pointers.push_back(&chunk);
      if (Status status = column_tensors(field.children[i], pointers, options, tensors); !status.ok()) {
        return status.with_context(concat("column ", quoted(field.children[i].name)));
      }
    }
  }
  for (const auto& tensor : tensors) {
    FERRY_ASSIGN_OR_RETURN(Tensor read, tensor->read());
    FERRY_RETURN_IF_ERROR(out.add(tensor->info().name, std::move(read), tensor->info().metadata));
  }
  return out;
}

}  // namespace

Result<TensorMap> import_array(ArrowSchema* schema, ArrowArray* array, const ReadOptions& options) {
  const auto own_schema = take(schema);
  const auto own_array = take(array);
  if (own_schema->release == nullptr || own_array->release == nullptr)
    return invalid_argument("an Arrow array that was released or taken before");
  FERRY_ASSIGN_OR_RETURN(const Field field, import_field(*own_schema, 0));
  FERRY_ASSIGN_OR_RETURN(ArrayData data, ArrayImport(own_array).read(field, *own_array));
  std::vector<ArrayData> chunks;
  chunks.push_back(std::move(data));
  return build(field, std::move(chunks), options);
}

Result<TensorMap> import_stream(ArrowArrayStream* stream, const ReadOptions& options) {
  const auto own = take(stream);
  if (own->release == nullptr) return invalid_argument("an Arrow stream that was released or taken before");
  const auto failed = [&](int code) {
    const char* reason = own->get_last_error(own.get());
    return io_error(concat("the Arrow stream failed (", reason == nullptr ? std::strerror(code) : reason, ")"));
  };
  ArrowSchema given{};
  if (const int code = own->get_schema(own.get(), &given); code != 0) return failed(code);
  const auto schema = take(&given);
  FERRY_ASSIGN_OR_RETURN(const Field field, import_field(*schema, 0));
  std::vector<ArrayData> chunks;
  for (;;) {
    ArrowArray next{};
    if (const int code = own->get_next(own.get(), &next); code != 0) return failed(code);
    if (next.release == nullptr) break;
    const auto array = take(&next);
    FERRY_ASSIGN_OR_RETURN(ArrayData data, ArrayImport(array).read(field, *array));
    if (data.length > 0) chunks.push_back(std::move(data));
  }
  return build(field, std::move(chunks), options);
}

}  // namespace ferry::arrow
