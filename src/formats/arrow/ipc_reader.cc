#include "formats/arrow/ipc_reader.h"

#include <algorithm>
#include <unordered_map>

namespace ferry::arrow {
namespace {

using flatbuffers::Table;
using flatbuffers::Vector;

constexpr std::string_view kMagic = "ARROW1";
constexpr uint32_t kContinuation = 0xFFFFFFFF;
constexpr size_t kMaxDeltas = 1024;

struct Span {
  int64_t offset, length;
};

using Dictionaries = std::unordered_map<int64_t, std::vector<std::shared_ptr<const ArrayData>>>;

// Nothing where the stream ends here.
Result<std::optional<Message>> read_message(const std::shared_ptr<const ByteSource>& source, uint64_t offset, const Limits& limits) {
  using Out = std::optional<Message>;
  const uint64_t size = source->size();
  if (offset == size) return Out();
  const auto word = [&](uint64_t at) -> Result<int32_t> {
    if (at > size || size - at < 4) return data_loss_at(at, "an Arrow message needs 4 bytes for its length; the data is cut here");
    int32_t out;
    FERRY_RETURN_IF_ERROR(source->read_at(at, {reinterpret_cast<std::byte*>(&out), 4}));
    return out;
  };
  uint64_t at = offset;
  FERRY_ASSIGN_OR_RETURN(int32_t length, word(at));
  at += 4;
  if (static_cast<uint32_t>(length) == kContinuation) {  // absent before Arrow 0.15
    FERRY_ASSIGN_OR_RETURN(length, word(at));
    at += 4;
  }
  if (length == 0) return Out();
  if (length < 0 || static_cast<uint64_t>(length) > size - at) {
    return data_loss_at(at - 4, concat("an Arrow message announces ", length, " bytes of metadata, ", size - at, " remain"));
  }
  Message out;
  out.offset = offset;
  FERRY_ASSIGN_OR_RETURN(out.metadata, source->view(at, static_cast<uint64_t>(length)));
  out.bytes = std::make_shared<flatbuffers::Bytes>(out.metadata.bytes(), at);
  FERRY_ASSIGN_OR_RETURN(const Table root, Table::root(*out.bytes));
  FERRY_ASSIGN_OR_RETURN(const int16_t version, root.scalar<int16_t>(0, 0));
  if (version < 3 || version > 4) {
    return unsupported(concat("Arrow metadata version V", version + 1, ", expected V4 or V5; rewrite the file with a current Arrow"));
  }
  out.version4 = version == 3;
  FERRY_ASSIGN_OR_RETURN(out.kind, root.scalar<uint8_t>(1, 0));
  FERRY_ASSIGN_OR_RETURN(out.header, root.table(2));
  if (!out.header) return data_loss_at(at, "an Arrow message without a header");
  FERRY_ASSIGN_OR_RETURN(const int64_t body, root.scalar<int64_t>(3, 0));
  FERRY_ASSIGN_OR_RETURN(out.custom, read_metadata(root, 4));
  const uint64_t start = at + static_cast<uint64_t>(length);
  if (body < 0 || static_cast<uint64_t>(body) > size - start) {
    return data_loss_at(start, concat("an Arrow message announces a body of ", body, " bytes, ", size - start, " remain"));
  }
  out.body = std::make_shared<Body>(Body{source, start, static_cast<uint64_t>(body), std::nullopt, limits});
  out.end = start + static_cast<uint64_t>(body);
  return Out(std::move(out));
}

// Deals the field nodes and buffers of one record batch out to the arrays of a schema, depth first.
class BatchReader {
 public:
  BatchReader(const Message& message, const Table& batch, const Dictionaries& dictionaries)
      : message_(message), batch_(batch), dictionaries_(dictionaries) {}

  Result<ArrayData> read(const std::vector<Field>& fields) {
    FERRY_ASSIGN_OR_RETURN(const int64_t length, batch_.scalar<int64_t>(0, 0));
    if (length < 0) return fail(concat("a record batch of ", length, " rows"));
    FERRY_ASSIGN_OR_RETURN(nodes_, batch_.vector(1, 16));
    FERRY_ASSIGN_OR_RETURN(buffers_, batch_.vector(2, 16));
    FERRY_ASSIGN_OR_RETURN(variadic_, batch_.vector(4, 8));
    FERRY_RETURN_IF_ERROR(read_compression());
    FERRY_RETURN_IF_ERROR(check_buffers());
    ArrayData out;
    out.length = length;
    for (const Field& field : fields) {
      FERRY_ASSIGN_OR_RETURN(ArrayData column, read_array(field));
      if (column.length != length) {
        return fail(concat("column ", quoted(field.name), " has ", column.length, " rows in a record batch of ", length));
      }
      out.children.push_back(std::move(column));
    }
    return out;
  }

 private:
  Status fail(std::string message) const { return data_loss_at(message_.offset, std::move(message)); }

  Status read_compression() {
    body_ = message_.body;
    FERRY_ASSIGN_OR_RETURN(const auto compression, batch_.table(3));
    if (!compression) return {};
    FERRY_ASSIGN_OR_RETURN(const int8_t codec, compression->scalar<int8_t>(0, 0));
    FERRY_ASSIGN_OR_RETURN(const int8_t method, compression->scalar<int8_t>(1, 0));
    if (codec < 0 || codec > 1 || method != 0) {
      return unsupported(concat("Arrow compression codec ", codec, " by method ", method, "; lz4 and zstd of whole buffers are read"));
    }
    body_ = std::make_shared<Body>(*message_.body);
    body_->codec = codec == 0 ? BlockCodec::lz4_frame : BlockCodec::zstd;
    return {};
  }

  // Each lies within the body, and together they are no larger: many buffers over the same bytes would let a small file
  // expand without end.
  Status check_buffers() const {
    uint64_t total = 0;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const Span span = span_at(buffers_, i);
      const uint64_t size = body_->size;
      if (span.offset < 0 || span.length < 0 || static_cast<uint64_t>(span.offset) > size ||
          static_cast<uint64_t>(span.length) > size - static_cast<uint64_t>(span.offset)) {
        return fail(concat("buffer ", i, " is at [", span.offset, ", +", span.length, ") of a message body of ", size, " bytes"));
      }
      total += static_cast<uint64_t>(span.length);
      if (total > size) return fail(concat("the buffers of a record batch overlap: they add up to more than its body of ", size, " bytes"));
    }
    return {};
  }

  static Span span_at(const Vector& vector, size_t i) {
    Span out;
    std::memcpy(&out, vector.bytes().data() + 16 * i, 16);
    return out;
  }

  Result<ArrayData> read_array(const Field& field) {
    if (next_node_ >= nodes_.size()) {
      return fail(concat("a record batch has ", nodes_.size(), " field nodes, too few for its schema (at ", quoted(field.name), ")"));
    }
    const Span node = span_at(nodes_, next_node_++);  // length, null count
    ArrayData out;
    out.length = node.offset;
    out.nulls = node.length;
    if (out.length < 0 || out.nulls < 0 || out.nulls > out.length) {
      return fail(concat("field ", quoted(field.name), " has ", out.length, " elements, ", out.nulls, " of them null"));
    }
    const TypeId id = field.dictionary ? field.dictionary->index : field.type.id;
    size_t count = buffer_count(id, message_.version4);
    if (id == TypeId::utf8_view || id == TypeId::binary_view) {
      if (next_variadic_ >= variadic_.size()) return fail(concat("field ", quoted(field.name), " has no variadic buffer count"));
      const int64_t more = variadic_.get<int64_t>(next_variadic_++);
      if (more < 0 || static_cast<uint64_t>(more) > buffers_.size()) return fail(concat("a variadic buffer count of ", more));
      count += static_cast<size_t>(more);
    }
    if (count > buffers_.size() - next_buffer_) {
      return fail(concat("a record batch has ", buffers_.size(), " buffers, too few for its schema (at ", quoted(field.name), ")"));
    }
    for (size_t i = 0; i < count; ++i) {
      const Span span = span_at(buffers_, next_buffer_++);
      out.buffers.emplace_back(body_, static_cast<uint64_t>(span.offset), static_cast<uint64_t>(span.length));
    }
    if (field.dictionary) {
      const auto found = dictionaries_.find(field.dictionary->id);
      if (found == dictionaries_.end()) {
        if (out.length > out.nulls) {
          return fail(concat("field ", quoted(field.name), " uses dictionary ", field.dictionary->id, ", which has not been given"));
        }
      } else {
        out.dictionary = found->second;
      }
      return out;
    }
    for (const Field& child : field.children) {
      FERRY_ASSIGN_OR_RETURN(ArrayData array, read_array(child));
      out.children.push_back(std::move(array));
    }
    return out;
  }

  const Message& message_;
  const Table& batch_;
  const Dictionaries& dictionaries_;
  std::shared_ptr<Body> body_;
  Vector nodes_, buffers_, variadic_;
  size_t next_node_ = 0, next_buffer_ = 0, next_variadic_ = 0;
};

// The values field of each dictionary id that the schema names.
void collect_dictionaries(const std::vector<Field>& fields, std::unordered_map<int64_t, Field>& out) {
  for (const Field& field : fields) {
    if (field.dictionary) {
      Field values = field;
      values.dictionary.reset();
      out.emplace(field.dictionary->id, std::move(values));
    }
    collect_dictionaries(field.children, out);
  }
}

class Contents {
 public:
  explicit Contents(const Limits& limits) : limits_(limits) {}

  Status set_schema(const Table& table) {
    FERRY_ASSIGN_OR_RETURN(out_.schema, read_schema(table, limits_));
    collect_dictionaries(out_.schema.fields, values_);
    has_schema_ = true;
    return {};
  }
  bool has_schema() const { return has_schema_; }

  Status add(Message message) {
    switch (message.kind) {
      case Message::kSchema: return data_loss_at(message.offset, "a second schema in one Arrow stream; split the stream where it starts");
      case Message::kRecordBatch: {
        if (!has_schema_) return data_loss_at(message.offset, "an Arrow record batch before any schema");
        FERRY_ASSIGN_OR_RETURN(ArrayData batch, BatchReader(message, *message.header, dictionaries_).read(out_.schema.fields));
        out_.batches.push_back(std::move(batch));
        return {};
      }
      case Message::kDictionaryBatch: return add_dictionary(message);
      case Message::kTensor:
      case Message::kSparseTensor:
        if (out_.tensors.size() >= limits_.max_tensors) {
          return limit_exceeded(concat("more than ", limits_.max_tensors, " tensor messages (max_tensors)"));
        }
        out_.tensors.push_back(std::move(message));
        return {};
      default: return data_loss_at(message.offset, concat("Arrow message type ", message.kind, " is not known"));
    }
  }

  IpcContents take() && { return std::move(out_); }

 private:
  Status add_dictionary(const Message& message) {
    FERRY_ASSIGN_OR_RETURN(const int64_t id, message.header->scalar<int64_t>(0, 0));
    FERRY_ASSIGN_OR_RETURN(const auto data, message.header->table(1));
    FERRY_ASSIGN_OR_RETURN(const uint8_t delta, message.header->scalar<uint8_t>(2, 0));
    const auto values = values_.find(id);
    if (!data || values == values_.end())
      return data_loss_at(message.offset, concat("dictionary ", id, " belongs to no field of the schema"));
    FERRY_ASSIGN_OR_RETURN(ArrayData batch, BatchReader(message, *data, dictionaries_).read({values->second}));
    auto& pieces = dictionaries_[id];
    if (!delta) pieces.clear();  // a replacement holds from here on
    // Each batch keeps the list of pieces it was written against.
    if (pieces.size() >= kMaxDeltas) {
      return limit_exceeded(concat("dictionary ", id, " comes in more than ", kMaxDeltas, " deltas; rewrite the file, which unites them"));
    }
    pieces.push_back(std::make_shared<const ArrayData>(std::move(batch.children.front())));
    return {};
  }

  const Limits& limits_;
  IpcContents out_;
  bool has_schema_ = false;
  std::unordered_map<int64_t, Field> values_;
  Dictionaries dictionaries_;
};

Result<IpcContents> read_stream(const std::shared_ptr<const ByteSource>& source, const Limits& limits) {
  Contents contents(limits);
  uint64_t at = 0;
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(auto message, read_message(source, at, limits));
    if (!message) {
      if (at == 0) return data_loss_at(0, "no Arrow message in these bytes");
      return std::move(contents).take();
    }
    const uint64_t end = message->end;
    if (message->kind == Message::kSchema && !contents.has_schema()) {
      FERRY_RETURN_IF_ERROR(contents.set_schema(*message->header));
    } else {
      FERRY_RETURN_IF_ERROR(contents.add(*std::move(message)));
    }
    // Messages start at multiples of 8; Tensor messages may end between.
    at = end % 8 != 0 ? std::min(end + 8 - end % 8, source->size()) : end;
  }
}

Status add_blocks(Contents& contents, const Vector& blocks, uint8_t kind, const std::shared_ptr<const ByteSource>& source,
                  const Limits& limits, uint64_t& total) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    int64_t offset;
    std::memcpy(&offset, blocks.bytes().data() + 24 * i, 8);
    if (offset < 8 || static_cast<uint64_t>(offset) >= source->size()) {
      return data_loss(concat("the footer places a message at byte ", offset, " of a file of ", source->size()));
    }
    FERRY_ASSIGN_OR_RETURN(auto message, read_message(source, static_cast<uint64_t>(offset), limits));
    if (!message || message->kind != kind) {
      return data_loss_at(
          static_cast<uint64_t>(offset),
          concat("the footer announces a ", kind == Message::kRecordBatch ? "record" : "dictionary", " batch here, found another message"));
    }
    total += message->end - message->offset;
    if (total > source->size()) return data_loss("the footer lists the same messages more than once");
    FERRY_RETURN_IF_ERROR(contents.add(*std::move(message)));
  }
  return {};
}

Result<IpcContents> read_file(const std::shared_ptr<const ByteSource>& source, const Limits& limits) {
  const uint64_t size = source->size();
  constexpr uint64_t kTail = 10;  // footer length and magic
  std::byte tail[kTail] = {};
  if (size >= 8 + kTail) FERRY_RETURN_IF_ERROR(source->read_at(size - kTail, tail));
  if (std::memcmp(tail + 4, kMagic.data(), kMagic.size()) != 0) {
    return data_loss_at(size, "the Arrow file does not end with ARROW1: it is cut, or was never closed by its writer");
  }
  int32_t length;
  std::memcpy(&length, tail, 4);
  if (length <= 0 || static_cast<uint64_t>(length) > size - kTail - 8) {
    return data_loss_at(size - kTail, concat("the Arrow footer announces ", length, " bytes in a file of ", size));
  }
  const uint64_t at = size - kTail - static_cast<uint64_t>(length);
  FERRY_ASSIGN_OR_RETURN(const Buffer footer, source->view(at, static_cast<uint64_t>(length)));
  flatbuffers::Bytes bytes(footer.bytes(), at);
  FERRY_ASSIGN_OR_RETURN(const Table root, Table::root(bytes));
  FERRY_ASSIGN_OR_RETURN(const auto schema, root.table(1));
  if (!schema) return data_loss_at(at, "the Arrow footer has no schema");
  Contents contents(limits);
  FERRY_RETURN_IF_ERROR(contents.set_schema(*schema));
  FERRY_ASSIGN_OR_RETURN(const Vector dictionaries, root.vector(2, 24));
  FERRY_ASSIGN_OR_RETURN(const Vector batches, root.vector(3, 24));
  FERRY_ASSIGN_OR_RETURN(const Metadata custom, read_metadata(root, 4));
  uint64_t total = 0;
  FERRY_RETURN_IF_ERROR(add_blocks(contents, dictionaries, Message::kDictionaryBatch, source, limits, total));
  FERRY_RETURN_IF_ERROR(add_blocks(contents, batches, Message::kRecordBatch, source, limits, total));
  IpcContents out = std::move(contents).take();
  for (const auto& [key, value] : custom) {
    if (out.schema.metadata.find(key) == nullptr) out.schema.metadata.set(key, value);
  }
  return out;
}

}  // namespace

Result<IpcContents> read_ipc(const std::shared_ptr<const ByteSource>& source, const Limits& limits) {
  std::byte head[8] = {};
  const uint64_t size = std::min<uint64_t>(source->size(), sizeof head);
  FERRY_RETURN_IF_ERROR(source->read_at(0, {head, size}));
  const std::string_view magic(reinterpret_cast<const char*>(head), size);
  if (magic.starts_with(kMagic)) return read_file(source, limits);
  if (magic.starts_with("FEA1")) {
    return unsupported("a Feather file of version 1; rewrite it with pyarrow.feather.write_feather(..., version=2)");
  }
  return read_stream(source, limits);
}

}  // namespace ferry::arrow
