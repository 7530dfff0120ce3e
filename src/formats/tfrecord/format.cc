// The format `tfrecord`: a whole file of records as columns. docs/formats/tfrecord.md
#include <algorithm>
#include <array>
#include <cstring>

#include "ferry/format.h"
#include "ferry/records.h"
#include "formats/tensors/tensors.h"
#include "records/columns.h"
#include "records/compression.h"
#include "records/rows.h"
#include "records/tables.h"
#include "records/tfrecord.h"

namespace ferry::tfrecord {

extern const Format kFormat;

namespace {

using records::FrameReader;
using records::RecordKind;

constexpr std::array<std::string_view, 4> kExtensions = {".tfrecord", ".tfrecords", ".tfrec", ".record"};
constexpr OptionSpec kOptions[] = {
    {"records", "auto|example|tensor|bytes", "what a record is; default auto: read by content, written as one Example a row"},
    {"schema", "TEXT", "read these features as they are said to be: label:int64, ids:int64[*], x:float32[28,28], w:float32{1000}"},
    {"marks", "true|false", "read and write NAME/shape and NAME/dtype for what an Example cannot say; default true"},
    {"compression", "none|gzip|zlib|zstd", "of the file that is written, whatever its name; default none"},
};
constexpr std::string_view kColumn = "record";  // of records that are bytes

enum class Payload : uint8_t { automatic, example, tensor, bytes };

Result<Payload> payload_option(const FormatOptions& format) {
  const std::string_view text = format.get("records", "auto");
  if (text == "auto") return Payload::automatic;
  if (text == "example") return Payload::example;
  if (text == "tensor") return Payload::tensor;
  if (text == "bytes") return Payload::bytes;
  return invalid_argument(concat("option records is ", quoted(text), ", expected auto, example, tensor or bytes"));
}

Result<records::TableOptions> table_options(const FormatOptions& format) {
  records::TableOptions out;
  FERRY_ASSIGN_OR_RETURN(out.marks, format.get_bool("marks", true));
  if (const std::string_view schema = format.get("schema"); !schema.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.schema, schema_from_text(schema));
  }
  return out;
}

// Passes on what a compressor makes; the sink behind it is closed by its owner.
class Borrowed : public ByteSink {
 public:
  explicit Borrowed(ByteSink& sink) : sink_(sink) {}
  Status write(std::span<const std::byte> bytes) override { return sink_.write(bytes); }
  Status close() override { return {}; }

 private:
  ByteSink& sink_;
};

Sniff sniff_frame(std::span<const std::byte> head) {
  if (!records::starts_with_frame(head)) return Sniff::no;
  // TensorProtos are a stream of tensors.
  return tensors::looks_like_tensorproto(head.subspan(records::kHeaderBytes)) ? Sniff::likely : Sniff::certain;
}

Sniff sniff(std::span<const std::byte> head) {
  const RecordCompression packing = record_compression_of(head);
  if (packing == RecordCompression::none) return sniff_frame(head);
  // The first bytes of what is compressed; a sure answer costs one block.
  auto copy = Buffer::copy_of(head);
  if (!copy.ok()) return Sniff::no;
  const auto stream = records::expand(stream_of(memory_source(*std::move(copy))), packing);
  std::array<std::byte, 64> first;
  size_t used = 0;
  while (used < records::kHeaderBytes) {
    const auto got = stream->read(std::span(first).subspan(used));
    if (!got.ok() || *got == 0) return Sniff::no;
    used += *got;
  }
  return records::starts_with_frame(std::span(first).first(used)) ? Sniff::certain : Sniff::no;
}

// By the first record that is not empty.
Payload payload_of(std::span<const std::byte> file) {
  FrameReader in(file, FrameReader::Checksums::lengths);
  while (in.next()) {
    if (in.data().empty()) continue;
    if (tensors::looks_like_tensorproto(in.data())) return Payload::tensor;
    return records::record_kind(in.data()) == RecordKind::other ? Payload::bytes : Payload::example;
  }
  return in.count() == 0 ? Payload::example : Payload::bytes;
}

Result<TensorMap> read_bytes(std::span<const std::byte> file) {
  records::Growing<int64_t> ends;
  records::Growing<char> heap;
  FERRY_RETURN_IF_ERROR(ends.append(0));
  FrameReader in(file);
  while (in.next()) {
    FERRY_RETURN_IF_ERROR(heap.reserve(in.data().size()));
    if (!in.data().empty()) std::memcpy(heap.end(), in.data().data(), in.data().size());
    heap.commit(in.data().size());
    FERRY_RETURN_IF_ERROR(ends.append(static_cast<int64_t>(heap.size())));
  }
  FERRY_RETURN_IF_ERROR(in.status());
  TensorMap out;
  FERRY_ASSIGN_OR_RETURN(DenseTensor strings, DenseTensor::make_strings(Shape{static_cast<int64_t>(in.count())}, std::move(ends).freeze(),
                                                                        std::move(heap).freeze()));
  FERRY_RETURN_IF_ERROR(out.add(std::string(kColumn), std::move(strings)));
  return out;
}

Result<TensorMap> read_examples(std::span<const std::byte> file, const records::TableOptions& table, const Limits& limits, bool guessed) {
  records::ColumnBuilder builder(limits);
  FrameReader in(file);
  while (in.next()) {
    const Status status = builder.add(in.data(), in.data_offset());
    if (!status.ok()) [[unlikely]] {
      const bool other = guessed && in.number() > 0 && records::record_kind(in.data()) == RecordKind::other;
      return Status(
          status.code(),
          concat("record ", in.number(), ": ", status.message(), other ? "; to read the records as they are: --set records=bytes" : ""),
          status.offset());
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  const int64_t records = builder.records();
  FERRY_ASSIGN_OR_RETURN(auto columns, std::move(builder).finish());
  return records::tensors_of(std::move(columns), records, table);
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Payload payload, payload_option(options.format));
  FERRY_ASSIGN_OR_RETURN(records::TableOptions table, table_options(options.format));
  table.parts = options.parts;
  table.validation = options.validation;
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source->view(0, std::min<uint64_t>(source->size(), 16)));
  if (const RecordCompression packing = record_compression_of(head.bytes()); packing != RecordCompression::none) {
    const std::string name(source->name());
    FERRY_ASSIGN_OR_RETURN(Buffer data, records::expand_all(std::move(source), packing, options.limits));
    source = memory_source(std::move(data), name);
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer file, source->view(0, source->size()));
  const bool guessed = payload == Payload::automatic;
  if (guessed) payload = table.schema.empty() ? payload_of(file.bytes()) : Payload::example;
  switch (payload) {
    case Payload::tensor: return tensors::open_stream(std::move(source), options);
    case Payload::bytes: {
      FERRY_ASSIGN_OR_RETURN(TensorMap tensors, read_bytes(file.bytes()));
      return reader_of(std::move(tensors));
    }
    case Payload::example:
    case Payload::automatic: break;
  }
  FERRY_ASSIGN_OR_RETURN(TensorMap tensors, read_examples(file.bytes(), table, options.limits, guessed));
  return reader_of(std::move(tensors));
}

Status write_examples(const TensorMap& tensors, ByteSink& sink, const records::TableOptions& options) {
  FERRY_ASSIGN_OR_RETURN(records::Table table, records::table_of(tensors, options));
  if (table.rows == 0 && !tensors.empty()) {
    return unsupported(concat("a TFRecord file of no records cannot say which features it has, and ", quoted(tensors[0].name),
                              " has no rows; use tensors, npz or arrow"));
  }
  constexpr size_t kBlock = size_t{1} << 20, kMost = 0x7fffffff, kAround = records::kFrameBytes + records::RowEncoder::kSlack;
  records::RowEncoder rows(std::move(table.columns));
  MutableBuffer block;
  size_t used = 0;
  for (int64_t row = 0; row < table.rows; ++row) {
    const size_t size = rows.measure(row);
    if (size > kMost) return unsupported(concat("row ", row, " would be an Example of ", size, " bytes; protobuf holds less than 2 GiB"));
    if (block.size() - used < size + kAround) {
      FERRY_RETURN_IF_ERROR(sink.write(std::span<const std::byte>(block.data(), used)));
      used = 0;
      if (block.size() < size + kAround) FERRY_RETURN_IF_ERROR(block.resize(std::max(kBlock, size + kAround)));
    }
    char* const at = reinterpret_cast<char*>(block.data()) + used;
    records::put_header(at, size);
    rows.put(at + records::kHeaderBytes);
    records::put_footer(at + records::kHeaderBytes + size, {block.data() + used + records::kHeaderBytes, size});
    used += records::kFrameBytes + size;
  }
  return sink.write(std::span<const std::byte>(block.data(), used));
}

Status write_bytes(const TensorMap& tensors, ByteSink& sink) {
  const auto* strings = tensors.size() == 1 ? std::get_if<DenseTensor>(&tensors[0].tensor) : nullptr;
  if (strings == nullptr || !strings->is_string() || strings->shape().rank() != 1) {
    return invalid_argument("records=bytes writes the elements of one string tensor of one axis; choose it with --select");
  }
  for (int64_t i = 0; i < strings->num_elements(); ++i) {
    FERRY_RETURN_IF_ERROR(records::write_record(sink, std::as_bytes(std::span(strings->strings()[i]))));
  }
  return {};
}

Status write_payload(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Payload payload, payload_option(options.format));
  switch (payload) {
    case Payload::automatic:
    case Payload::example: {
      FERRY_ASSIGN_OR_RETURN(const records::TableOptions table, table_options(options.format));
      return write_examples(tensors, sink, table);
    }
    case Payload::tensor: return tensors::write_stream(tensors, sink, true);
    case Payload::bytes: return write_bytes(tensors, sink);
  }
  __builtin_unreachable();
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const std::string_view text = options.format.get("compression", "none");
  const auto compression = record_compression_from_name(text);
  if (!compression) return invalid_argument(concat("option compression is ", quoted(text), ", expected none, gzip, zlib or zstd"));
  if (*compression == RecordCompression::none) return write_payload(tensors, sink, options);
  const auto compressed = records::compress(std::make_unique<Borrowed>(sink), *compression);
  FERRY_RETURN_IF_ERROR(write_payload(tensors, *compressed, options));
  return compressed->close();
}

}  // namespace

const Format kFormat = {
    .id = "tfrecord",
    .summary = "a file of records: tf.train.Examples or SequenceExamples as columns, TensorProtos, or bytes",
    .readers = "TensorFlow, tf.data, PyPI tfrecord",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = records::kWritableDTypes, .max_rank = 250},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::tfrecord
