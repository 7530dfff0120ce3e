#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "formats/arrow/c_data.h"
#include "formats/arrow/c_format.h"
#include "formats/arrow/encode.h"

namespace ferry::arrow {
namespace {

// What one node of an exported tree keeps alive. Each node is released on its own, since receivers may move children away.
struct SchemaNode {
  std::string format, name, metadata;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

struct ArrayNode {
  std::vector<Buffer> owners;
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

template <class Node, class Struct>
void release_node(Struct* exported) {
  auto* node = static_cast<Node*>(exported->private_data);
  for (Struct& child : node->children) {
    if (child.release != nullptr) child.release(&child);
  }
  delete node;
  exported->release = nullptr;
  exported->private_data = nullptr;
}

// Readers want a pointer even where nothing is behind it.
alignas(64) constexpr std::array<std::byte, 64> kNothing{};

void fill_schema(const Field& field, ArrowSchema* out) {
  auto node = std::make_unique<SchemaNode>();
  node->format = format_string(field.type);
  node->name = field.name;
  if (!field.metadata.empty()) node->metadata = encode_metadata(field.metadata);
  node->children.resize(field.children.size());
  for (size_t i = 0; i < field.children.size(); ++i) {
    fill_schema(field.children[i], &node->children[i]);
    node->pointers.push_back(&node->children[i]);
  }
  *out = ArrowSchema{.format = node->format.c_str(),
                     .name = node->name.c_str(),
                     .metadata = node->metadata.empty() ? nullptr : node->metadata.data(),
                     .flags = field.nullable ? ARROW_FLAG_NULLABLE : 0,
                     .n_children = static_cast<int64_t>(node->children.size()),
                     .children = node->pointers.data(),
                     .dictionary = nullptr,
                     .release = release_node<SchemaNode, ArrowSchema>,
                     .private_data = node.get()};
  (void)node.release();
}

Status fill_array(const ArrayData& array, ArrowArray* out) {
  auto node = std::make_unique<ArrayNode>();
  for (size_t i = 0; i < array.buffers.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(Buffer buffer, array.buffers[i].load());
    const bool validity = i == 0;
    node->buffers.push_back(!buffer.empty() ? static_cast<const void*>(buffer.data()) : validity ? nullptr : kNothing.data());
    node->owners.push_back(std::move(buffer));
  }
  node->children.resize(array.children.size());
  for (size_t i = 0; i < array.children.size(); ++i) {
    if (Status status = fill_array(array.children[i], &node->children[i]); !status.ok()) {
      for (size_t done = 0; done < i; ++done) node->children[done].release(&node->children[done]);
      return status;
    }
    node->pointers.push_back(&node->children[i]);
  }
  *out = ArrowArray{.length = array.length,
                    .null_count = 0,
                    .offset = array.offset,
                    .n_buffers = static_cast<int64_t>(node->buffers.size()),
                    .n_children = static_cast<int64_t>(node->children.size()),
                    .buffers = node->buffers.data(),
                    .children = node->pointers.data(),
                    .dictionary = nullptr,
                    .release = release_node<ArrayNode, ArrowArray>,
                    .private_data = node.get()};
  (void)node.release();
  return {};
}

Field table_field(const Table& table) {
  Field out;
  out.type.id = TypeId::structure;
  out.nullable = false;
  out.children = table.schema.fields;
  out.metadata = table.schema.metadata;
  return out;
}

ArrayData table_array(const Table& table) {
  ArrayData out;
  out.length = table.rows;
  out.buffers = {LazyBuffer()};
  out.children = table.columns;
  return out;
}

// A stream of one batch.
struct StreamNode {
  Table table;
  bool done = false;
  std::string error;
};

int get_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  fill_schema(table_field(static_cast<StreamNode*>(stream->private_data)->table), out);
  return 0;
}

int get_next(ArrowArrayStream* stream, ArrowArray* out) {
  auto* node = static_cast<StreamNode*>(stream->private_data);
  *out = ArrowArray{};  // released: the end
  if (node->done) return 0;
  if (const Status status = fill_array(table_array(node->table), out); !status.ok()) {
    node->error = status.to_string();
    return EIO;
  }
  node->done = true;
  return 0;
}

const char* get_last_error(ArrowArrayStream* stream) {
  const auto* node = static_cast<StreamNode*>(stream->private_data);
  return node->error.empty() ? nullptr : node->error.c_str();
}

void release_stream(ArrowArrayStream* stream) {
  delete static_cast<StreamNode*>(stream->private_data);
  stream->release = nullptr;
  stream->private_data = nullptr;
}

}  // namespace

Status export_tensor(std::string_view name, const Tensor& tensor, const Metadata& metadata, ArrowSchema* schema, ArrowArray* array) {
  FERRY_ASSIGN_OR_RETURN(const Column column, encode_column(name, tensor, metadata, has_rows(tensor)));
  FERRY_RETURN_IF_ERROR(fill_array(column.array, array));
  fill_schema(column.field, schema);
  return {};
}

Status export_map(const TensorMap& tensors, ArrowSchema* schema, ArrowArray* array) {
  FERRY_ASSIGN_OR_RETURN(const Table table, encode_table(tensors));
  FERRY_RETURN_IF_ERROR(fill_array(table_array(table), array));
  fill_schema(table_field(table), schema);
  return {};
}

Status export_stream(const TensorMap& tensors, ArrowArrayStream* stream) {
  FERRY_ASSIGN_OR_RETURN(Table table, encode_table(tensors));
  *stream = ArrowArrayStream{.get_schema = get_schema,
                             .get_next = get_next,
                             .get_last_error = get_last_error,
                             .release = release_stream,
                             .private_data = new StreamNode{std::move(table), false, {}}};
  return {};
}

}  // namespace ferry::arrow
