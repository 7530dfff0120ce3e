// The format `example`: one tf.train.Example or SequenceExample. docs/formats/example.md
#include <array>

#include "ferry/format.h"
#include "records/columns.h"
#include "records/rows.h"
#include "records/tables.h"

namespace ferry::example {

extern const Format kFormat;

namespace {

constexpr std::array<std::string_view, 3> kExtensions = {".example", ".tfexample", ".sequence_example"};
constexpr OptionSpec kOptions[] = {
    {"marks", "true|false", "read and write NAME/shape and NAME/dtype for what an Example cannot say; default true"},
};

Result<records::TableOptions> table_options(const FormatOptions& format) {
  records::TableOptions out;
  out.rows = records::Rows::one;
  FERRY_ASSIGN_OR_RETURN(out.marks, format.get_bool("marks", true));
  return out;
}

// The first entry of the first map: 0a … 0a … 0a NAME 12 …, where the head may end before the lengths do.
Sniff sniff(std::span<const std::byte> head) {
  constexpr size_t kWhole = 4096;
  if (head.empty()) return Sniff::no;
  if (head.size() < kWhole) {
    return records::record_kind(head) == records::RecordKind::other ? Sniff::no : head.size() > 8 ? Sniff::likely : Sniff::maybe;
  }
  return records::starts_like_example(head) ? Sniff::likely : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(records::TableOptions table, table_options(options.format));
  table.parts = options.parts;
  table.validation = options.validation;
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  records::ColumnBuilder builder(options.limits);
  if (Status status = builder.add(bytes.bytes(), 0); !status.ok()) return status.with_context("not an Example");
  FERRY_ASSIGN_OR_RETURN(auto columns, std::move(builder).finish());
  FERRY_ASSIGN_OR_RETURN(TensorMap tensors, records::tensors_of(std::move(columns), 1, table));
  return reader_of(std::move(tensors));
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const records::TableOptions table_options_, table_options(options.format));
  FERRY_ASSIGN_OR_RETURN(records::Table table, records::table_of(tensors, table_options_));
  records::RowEncoder rows(std::move(table.columns));
  std::string out;
  rows.append(out, 0);
  return sink.write(out);
}

}  // namespace

const Format kFormat = {
    .id = "example",
    .summary = "one tf.train.Example or SequenceExample: a feature a tensor",
    .readers = "TensorFlow, TF Serving",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = records::kWritableDTypes, .max_rank = 250},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::example
