// Layout: "ARROW1" and padding, then messages (0xFFFFFFFF, int32 metadata length, flatbuffer, padding, body), the mark of
// the end, the footer flatbuffer, its int32 length, "ARROW1". A stream is the messages and the mark alone.
// Bodies and the buffers in them start at multiples of 64 bytes of the file, so that a mapped file is used where it lies.
#include "formats/arrow/ipc_writer.h"

#include "formats/arrow/ipc_reader.h"
#include "formats/arrow/schema.h"

namespace ferry::arrow {
namespace {

using flatbuffers::TableWriter;

constexpr uint64_t kAlign = 64;
constexpr std::string_view kZeros(
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 64);

constexpr uint64_t padding(uint64_t at, uint64_t alignment = kAlign) { return (alignment - at % alignment) % alignment; }

template <class T>
std::string_view raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

struct Pair {
  int64_t first, second;
};

// A record batch laid out: what its flatbuffer says, and the buffers to follow.
struct Batch {
  std::string nodes, buffers;
  std::vector<Buffer> bodies;
  uint64_t size = 0;
};

Status add_array(const ArrayData& array, const IpcOptions& options, Batch& out) {
  out.nodes += raw(Pair{array.length, 0});
  for (const LazyBuffer& lazy : array.buffers) {
    FERRY_ASSIGN_OR_RETURN(Buffer body, lazy.load());
    if (options.codec && !body.empty()) {
      // int64 of the length, then the compressed bytes; or -1 and the bytes as they are, where that is shorter.
      FERRY_ASSIGN_OR_RETURN(const Buffer packed, compress_block(*options.codec, body.bytes(), options.level));
      const bool shrinks = packed.size() < body.size();
      const int64_t prefix = shrinks ? static_cast<int64_t>(body.size()) : -1;
      const Buffer& content = shrinks ? packed : body;
      FERRY_ASSIGN_OR_RETURN(MutableBuffer whole, MutableBuffer::allocate(8 + content.size()));
      std::memcpy(whole.data(), &prefix, 8);
      std::memcpy(whole.data() + 8, content.data(), content.size());
      body = std::move(whole).freeze();
    }
    out.buffers += raw(Pair{static_cast<int64_t>(out.size), static_cast<int64_t>(body.size())});
    out.size += body.size() + padding(body.size());
    out.bodies.push_back(std::move(body));
  }
  for (const ArrayData& child : array.children) FERRY_RETURN_IF_ERROR(add_array(child, options, out));
  return {};
}

class Writer {
 public:
  explicit Writer(ByteSink& sink) : sink_(sink) {}
  uint64_t at() const { return at_; }

  Status write(std::string_view bytes) {
    at_ += bytes.size();
    return sink_.write(bytes);
  }
  Status pad(uint64_t alignment = kAlign) { return write(kZeros.substr(0, padding(at_, alignment))); }

  // The message up to its body; gives the length of all that, as the footer wants it.
  Result<int32_t> message(Message::Kind kind, TableWriter header, uint64_t body_size) {
    TableWriter root;
    root.scalar<int16_t>(0, 4).scalar<uint8_t>(1, kind).table(2, std::move(header)).scalar<int64_t>(3, static_cast<int64_t>(body_size));
    const std::string metadata = root.finish();
    const uint64_t start = at_;
    const uint64_t length = metadata.size() + padding(at_ + 8 + metadata.size());
    if (length > INT32_MAX - 8)
      return unsupported(concat("Arrow metadata of ", length, " bytes, more than an IPC message can hold; write fewer tensors to a file"));
    FERRY_RETURN_IF_ERROR(write(raw(uint32_t{0xFFFFFFFF})));
    FERRY_RETURN_IF_ERROR(write(raw(static_cast<int32_t>(length))));
    FERRY_RETURN_IF_ERROR(write(metadata));
    FERRY_RETURN_IF_ERROR(pad());
    return static_cast<int32_t>(at_ - start);
  }

 private:
  ByteSink& sink_;
  uint64_t at_ = 0;
};

// Block of File.fbs: int64 offset, int32 metadata length, padding, int64 body length.
std::string block(uint64_t offset, int32_t metadata, uint64_t body) {
  std::string out;
  out += raw(static_cast<int64_t>(offset));
  out += raw(metadata);
  out += kZeros.substr(0, 4);
  out += raw(static_cast<int64_t>(body));
  return out;
}

}  // namespace

Status write_ipc(const Table& table, ByteSink& sink, const IpcOptions& options) {
  Writer out(sink);
  if (!options.stream) {
    FERRY_RETURN_IF_ERROR(out.write("ARROW1"));
    FERRY_RETURN_IF_ERROR(out.pad(8));
  }
  FERRY_ASSIGN_OR_RETURN([[maybe_unused]] const int32_t schema, out.message(Message::kSchema, schema_table(table.schema), 0));
  Batch batch;
  for (const ArrayData& column : table.columns) FERRY_RETURN_IF_ERROR(add_array(column, options, batch));
  TableWriter header;
  header.scalar<int64_t>(0, table.rows).vector(1, batch.nodes, 16, 8).vector(2, batch.buffers, 16, 8);
  if (options.codec) {
    TableWriter compression;
    compression.scalar<int8_t>(0, static_cast<int8_t>(*options.codec == BlockCodec::lz4_frame ? 0 : 1)).scalar<int8_t>(1, 0);
    header.table(3, std::move(compression));
  }
  const uint64_t start = out.at();
  FERRY_ASSIGN_OR_RETURN(const int32_t length, out.message(Message::kRecordBatch, std::move(header), batch.size));
  for (const Buffer& body : batch.bodies) {
    FERRY_RETURN_IF_ERROR(out.write(body.text()));
    FERRY_RETURN_IF_ERROR(out.pad());
  }
  FERRY_RETURN_IF_ERROR(out.write(raw(uint64_t{0x00000000FFFFFFFF})));  // the end: continuation mark, length 0
  if (options.stream) return {};
  TableWriter footer;
  footer.scalar<int16_t>(0, 4).table(1, schema_table(table.schema)).vector(2, "", 24, 8).vector(3, block(start, length, batch.size), 24, 8);
  const std::string bytes = footer.finish();
  FERRY_RETURN_IF_ERROR(out.write(bytes));
  FERRY_RETURN_IF_ERROR(out.write(raw(static_cast<int32_t>(bytes.size()))));
  return out.write("ARROW1");
}

}  // namespace ferry::arrow
