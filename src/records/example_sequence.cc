// SequenceExamples, by the letter of TensorFlow's parser: the bytes of each feature asked for are found first (the last of one
// key counts), then read. What it reads within a feature list it reads from one stream, so that what a Feature has behind its
// first list is taken for the next step, and is an error where it is none.
#include <algorithm>
#include <cstring>

#include "ferry/features.h"
#include "records/example_build.h"
#include "records/example_plan.h"
#include "records/example_rows.h"

namespace ferry {
namespace {

using records::BuiltColumn;
using records::CodedInput;
using records::ColumnRows;
using records::ExampleBuilder;
using records::ExampleColumn;
using records::ExamplePlan;
using records::FeatureKind;
using records::KeyTable;

// int64 offsets that grow: where each row ends.
struct Ends {
  PooledBuffer block;
  size_t count = 0;

  Status start(size_t room, BufferPool& pool) {
    FERRY_ASSIGN_OR_RETURN(block, pool.allocate((room + 1) * 8));
    block.as<int64_t>()[0] = 0;
    count = 1;
    return {};
  }
  Status add(size_t end) {
    if ((count + 1) * 8 > block.size()) FERRY_RETURN_IF_ERROR(block.resize(block.size() + block.size() / 2 + 64));
    block.as<int64_t>()[count++] = static_cast<int64_t>(end);
    return {};
  }
  Buffer take() {
    block.truncate(count * 8);
    return std::move(block).freeze();
  }
};

// One key of the context, or of the lists.
struct SequenceColumn {
  ColumnRows rows;
  Ends splits;  // of a context column: by record; of a list: by step
  Ends steps;   // of a list: by record
  std::string_view found;
  bool present = false;
};

class Reader {
 public:
  Reader(const ExamplePlan& context, const ExamplePlan& lists, BufferPool& pool, const ParseOptions& options)
      : context_(context), lists_(lists), pool_(pool), options_(options) {}

  Status start(size_t records) {
    const auto start_all = [&](const ExamplePlan& plan, std::vector<SequenceColumn>& columns, bool list) -> Status {
      columns.resize(plan.columns.size());
      for (size_t i = 0; i < columns.size(); ++i) {
        FERRY_RETURN_IF_ERROR(columns[i].rows.restart(plan.columns[i], records, 64, pool_));
        FERRY_RETURN_IF_ERROR(columns[i].splits.start(records, pool_));
        if (list) FERRY_RETURN_IF_ERROR(columns[i].steps.start(records, pool_));
      }
      return {};
    };
    FERRY_RETURN_IF_ERROR(start_all(context_, context_columns, false));
    return start_all(lists_, list_columns, true);
  }

  Status add(RecordBytes record, int64_t index) {
    index_ = index;
    for (SequenceColumn& column : context_columns) column.present = false;
    for (SequenceColumn& column : list_columns) column.present = false;
    FERRY_RETURN_IF_ERROR(scan(record));
    for (size_t i = 0; i < context_columns.size(); ++i) FERRY_RETURN_IF_ERROR(add_context(context_.columns[i], context_columns[i]));
    for (size_t i = 0; i < list_columns.size(); ++i) FERRY_RETURN_IF_ERROR(add_list(lists_.columns[i], list_columns[i]));
    return {};
  }

  std::vector<SequenceColumn> context_columns, list_columns;

 private:
  template <class... Pieces>
  Status wrong(const Pieces&... pieces) const {
    const std::string_view name = options_.names.empty() ? std::string_view() : options_.names[static_cast<size_t>(index_)];
    return invalid_argument(concat("record ", index_, name.empty() ? std::string() : concat(" (", quoted(name), ")"), ": ", pieces...));
  }

  Status scan(RecordBytes record) {
    CodedInput in({reinterpret_cast<const char*>(record.data()), record.size()});
    const auto broken = [&] {
      const auto at = static_cast<uint64_t>(in.at() - reinterpret_cast<const uint8_t*>(record.data()));
      return wrong("no tf.train.SequenceExample: its byte ", at, " of ", record.size(), " cannot be read");
    };
    while (!in.at_end()) {
      const bool context = in.expect(0x0a);
      if (!context && !in.expect(0x12)) {
        if (!in.skip_unknown()) return broken();
        continue;
      }
      const ExamplePlan& plan = context ? context_ : lists_;
      uint32_t size;
      if (!in.varint32(size)) return broken();
      const uint8_t* const whole = in.push(size);
      while (!in.at_end()) {
        if (!in.expect(0x0a) || !in.varint32(size)) return broken();
        const uint8_t* const map = in.push(size);
        std::string_view key, value;
        if (!in.expect(0x0a) || !in.string(key) || !in.expect(0x12) || !in.string(value) || !in.at_end()) return broken();
        in.pop(map);
        const uint32_t which = plan.table.find(key);
        if (which == KeyTable::kNone) continue;
        SequenceColumn& column = (context ? context_columns : list_columns)[which];
        column.found = value;
        column.present = true;
      }
      in.pop(whole);
    }
    return {};
  }

  // The list of a Feature, appended; -1 where it is none of the column's kind or malformed.
  int64_t read_values(CodedInput& in, const ExampleColumn& column, ColumnRows& rows) {
    uint32_t size;
    if (!in.expect(column.tag) || !in.varint32(size)) return -1;
    if (size == 0) return 0;
    const uint8_t* const list = in.push(size);
    const size_t before = rows.count;
    switch (column.kind) {
      case FeatureKind::bytes:
        while (!in.at_end()) {
          std::string_view text;
          if (!in.expect(0x0a) || !in.string(text)) return -1;
          if (status_ = rows.reserve(column, 1, pool_); !status_.ok()) return -1;
          if (status_ = rows.reserve_heap(text.size(), pool_); !status_.ok()) return -1;
          if (!text.empty()) std::memcpy(rows.heap + rows.heap_size, text.data(), text.size());
          rows.heap_size += text.size();
          rows.ints()[rows.count++] = static_cast<int64_t>(rows.heap_size);
        }
        break;
      case FeatureKind::floats:
        if (in.peek() == 0x0a) {
          in.expect(0x0a);
          if (!in.varint32(size)) return -1;
          const uint8_t* const packed = in.push(size);
          const size_t bytes = in.left();
          if (bytes % 4 != 0) return -1;
          if (status_ = rows.reserve(column, bytes / 4, pool_); !status_.ok()) return -1;
          if (bytes > 0) std::memcpy(rows.floats() + rows.count, in.at(), bytes);
          rows.count += bytes / 4;
          in.skip(static_cast<uint32_t>(bytes));
          in.pop(packed);
        } else if (in.peek() == 0x0d) {
          while (!in.at_end()) {
            uint32_t bits;
            if (!in.expect(0x0d) || !in.fixed32(bits)) return -1;
            if (status_ = rows.reserve(column, 1, pool_); !status_.ok()) return -1;
            std::memcpy(rows.floats() + rows.count++, &bits, 4);
          }
        } else {
          return -1;
        }
        break;
      case FeatureKind::ints: {
        const bool packed = in.peek() == 0x0a;
        if (!packed && in.peek() != 0x08) return -1;
        const uint8_t* block = nullptr;
        if (packed) {
          in.expect(0x0a);
          if (!in.varint32(size)) return -1;
          block = in.push(size);
          if (status_ = rows.reserve(column, in.left(), pool_); !status_.ok()) return -1;
        }
        while (!in.at_end()) {
          uint64_t value;
          if ((!packed && !in.expect(0x08)) || !in.varint64(value)) return -1;
          if (!packed) {
            if (status_ = rows.reserve(column, 1, pool_); !status_.ok()) return -1;
          }
          rows.ints()[rows.count++] = static_cast<int64_t>(value);
        }
        if (packed) in.pop(block);
        break;
      }
      case FeatureKind::none: break;
    }
    in.pop(list);
    return static_cast<int64_t>(rows.count - before);
  }

  Status mismatch(const ExampleColumn& column, std::string_view where) {
    if (!status_.ok()) return std::exchange(status_, Status());
    return wrong(where, quoted(column.key), ": data types don't match, or it is malformed; expected ", kind_name(column.kind), " (",
                 dtype_name(column.dtype), ")");
  }

  Status add_default(const ExampleColumn& column, ColumnRows& rows) {
    const DenseTensor& value = column.default_value;
    const auto width = static_cast<size_t>(value.num_elements());
    FERRY_RETURN_IF_ERROR(rows.reserve(column, width, pool_));
    if (!column.is_string()) {
      std::memcpy(rows.values + rows.count * dtype_size(column.dtype), value.raw(), width * dtype_size(column.dtype));
      rows.count += width;
      return {};
    }
    for (size_t i = 0; i < width; ++i) {
      const std::string_view text = value.strings()[static_cast<int64_t>(i)];
      FERRY_RETURN_IF_ERROR(rows.reserve_heap(text.size(), pool_));
      if (!text.empty()) std::memcpy(rows.heap + rows.heap_size, text.data(), text.size());
      rows.heap_size += text.size();
      rows.ints()[rows.count++] = static_cast<int64_t>(rows.heap_size);
    }
    return {};
  }

  Status add_context(const ExampleColumn& column, SequenceColumn& to) {
    int64_t added = 0;
    if (to.present && !to.found.empty()) {
      CodedInput in(to.found);
      added = read_values(in, column, to.rows);
      if (added < 0) return mismatch(column, "context feature ");
    }
    if (column.is_fixed()) {
      if (!to.present) {
        if (column.default_value.num_elements() == 0) {
          return wrong("feature ", quoted(column.key), " (", dtype_name(column.dtype), ") is required but could not be found");
        }
        FERRY_RETURN_IF_ERROR(add_default(column, to.rows));
      } else if (added != column.width) {
        return wrong("context feature ", quoted(column.key), ": found ", added, " values, expected ", column.width, " for shape ",
                     column.shape.to_string());
      }
    }
    return to.splits.add(to.rows.count);
  }

  Status add_list(const ExampleColumn& column, SequenceColumn& to) {
    const bool dense = column.store == ExampleColumn::Store::sequence;
    if (!to.present) {
      if (dense && !column.allow_missing) {
        return wrong("feature list ", quoted(column.key), " is required but could not be found; allow_missing = true takes it for empty");
      }
    } else {
      CodedInput in(to.found);
      for (int64_t step = 0; !in.at_end(); ++step) {
        uint32_t size;
        if (!in.expect(0x0a) || !in.varint32(size)) return wrong("feature list ", quoted(column.key), ", step ", step, ": is malformed");
        int64_t added = 0;
        if (size > 2) {
          const uint8_t* const list = in.push(size);
          added = read_values(in, column, to.rows);
          if (added < 0) return mismatch(column, concat("step ", step, " of feature list "));
          in.pop(list);
        } else if (size == 2) {
          uint32_t empty;
          if (!in.expect(column.tag) || !in.varint32(empty) || empty != 0)
            return mismatch(column, concat("step ", step, " of feature list "));
        } else if (size == 1) {
          return wrong("feature list ", quoted(column.key), ", step ", step, ": is malformed");
        }
        if (dense && added != column.width) {
          return wrong("feature list ", quoted(column.key), ", step ", step, ": found ", added, " values, expected ", column.width,
                       " for shape ", column.shape.to_string());
        }
        FERRY_RETURN_IF_ERROR(to.splits.add(to.rows.count));
      }
    }
    return to.steps.add(to.splits.count - 1);
  }

  const ExamplePlan& context_;
  const ExamplePlan& lists_;
  BufferPool& pool_;
  const ParseOptions& options_;
  int64_t index_ = 0;
  Status status_;
};

Result<BuiltColumn> built(const ExampleColumn& column, SequenceColumn& from) {
  BuiltColumn out;
  const auto count = static_cast<int64_t>(from.rows.count);
  from.rows.value_block.truncate((from.rows.count + (column.is_string() ? 1 : 0)) * (column.dtype == DType::float32 ? 4 : 8));
  if (column.is_string()) {
    from.rows.heap_block.truncate(from.rows.heap_size);
    FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make_strings(Shape{count}, std::move(from.rows.value_block).freeze(),
                                                                 std::move(from.rows.heap_block).freeze()));
  } else {
    FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make(column.dtype, Shape{count}, std::move(from.rows.value_block).freeze()));
  }
  out.rows = static_cast<int64_t>(from.splits.count) - 1;
  out.splits = from.splits.take();
  return out;
}

}  // namespace

struct SequenceExampleParser::Impl {
  std::unique_ptr<ExamplePlan> context, lists;
  Limits limits;
  BufferPool pool;

  Result<ParsedSequences> parse(std::span<const RecordBytes> records, bool single, const ParseOptions& options, int64_t& failed);
};

SequenceExampleParser::SequenceExampleParser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SequenceExampleParser::SequenceExampleParser(SequenceExampleParser&&) noexcept = default;
SequenceExampleParser& SequenceExampleParser::operator=(SequenceExampleParser&&) noexcept = default;
SequenceExampleParser::~SequenceExampleParser() = default;

Result<SequenceExampleParser> SequenceExampleParser::make(std::vector<FeatureSpec> context, std::vector<FeatureSpec> lists,
                                                          const Limits& limits) {
  if (context.empty() && lists.empty()) return invalid_argument("no features are asked for");
  auto impl = std::make_unique<Impl>();
  impl->limits = limits;
  FERRY_ASSIGN_OR_RETURN(impl->context, ExamplePlan::make(std::move(context), ExamplePlan::Of::context, limits));
  FERRY_ASSIGN_OR_RETURN(impl->lists, ExamplePlan::make(std::move(lists), ExamplePlan::Of::lists, limits));
  return SequenceExampleParser(std::move(impl));
}

const std::vector<FeatureSpec>& SequenceExampleParser::context() const { return impl_->context->features; }
const std::vector<FeatureSpec>& SequenceExampleParser::lists() const { return impl_->lists->features; }

Result<ParsedSequences> SequenceExampleParser::Impl::parse(std::span<const RecordBytes> records, bool single, const ParseOptions& options,
                                                           int64_t& failed) {
  if (!options.names.empty() && options.names.size() != records.size()) {
    return invalid_argument(concat(options.names.size(), " names for ", records.size(), " records"));
  }
  const auto rows = static_cast<int64_t>(records.size());
  Reader reader(*context, *lists, pool, options);
  FERRY_RETURN_IF_ERROR(reader.start(records.size()));
  for (failed = 0; failed < rows; ++failed) FERRY_RETURN_IF_ERROR(reader.add(records[static_cast<size_t>(failed)], failed));
  failed = -1;
  for (const ExampleColumn& column : context->columns) {
    // TensorFlow's words for a batch of none: what no record has cannot fill a row.
    if (rows == 0 && column.is_fixed() && column.width != column.default_value.num_elements()) {
      return invalid_argument(
          concat("feature ", quoted(column.key), ": no record has it, and there is no default of its ", column.width, " values"));
    }
  }
  ParsedSequences out;
  std::vector<BuiltColumn> columns;
  for (size_t i = 0; i < context->columns.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(BuiltColumn column, built(context->columns[i], reader.context_columns[i]));
    columns.push_back(std::move(column));
  }
  {
    ExampleBuilder builder(*context, columns, rows, single, limits, pool);
    for (size_t i = 0; i < context->features.size(); ++i) {
      auto tensor = builder.build(i, {});
      if (!tensor.ok()) {
        failed = builder.failed();
        return failed >= 0 ? tensor.status() : tensor.status().with_context(concat("feature ", quoted(context->features[i].name)));
      }
      FERRY_RETURN_IF_ERROR(out.context.add(context->features[i].name, *std::move(tensor)));
    }
  }
  columns.clear();
  std::vector<Buffer> steps;
  for (size_t i = 0; i < lists->columns.size(); ++i) {
    steps.push_back(reader.list_columns[i].steps.take());
    FERRY_ASSIGN_OR_RETURN(BuiltColumn column, built(lists->columns[i], reader.list_columns[i]));
    columns.push_back(std::move(column));
  }
  ExampleBuilder builder(*lists, columns, rows, single, limits, pool);
  for (size_t i = 0; i < lists->features.size(); ++i) {
    const std::string& name = lists->features[i].name;
    auto tensor = builder.build_list(i, steps);
    if (!tensor.ok()) {
      failed = builder.failed();
      return failed >= 0 ? tensor.status() : tensor.status().with_context(concat("feature list ", quoted(name)));
    }
    FERRY_RETURN_IF_ERROR(out.lists.add(name, *std::move(tensor)));
    if (lists->features[i].kind != FeatureSpec::Kind::fixed_len_sequence) continue;
    const auto ends = steps[lists->plans[i].values].as<int64_t>();
    FERRY_ASSIGN_OR_RETURN(PooledBuffer lengths, pool.allocate(static_cast<size_t>(rows) * 8));
    for (size_t row = 0; row < records.size(); ++row) lengths.as<int64_t>()[row] = ends[row + 1] - ends[row];
    FERRY_ASSIGN_OR_RETURN(DenseTensor dense, DenseTensor::make(DType::int64, single ? Shape{} : Shape{rows}, std::move(lengths).freeze()));
    FERRY_RETURN_IF_ERROR(out.lengths.add(name, std::move(dense)));
  }
  return out;
}

Result<ParsedSequences> SequenceExampleParser::parse(std::span<const RecordBytes> records, const ParseOptions& options) const {
  int64_t failed = -1;
  auto out = impl_->parse(records, false, options, failed);
  if (options.failed != nullptr) *options.failed = out.ok() ? -1 : failed;
  return out;
}
Result<ParsedSequences> SequenceExampleParser::parse_single(RecordBytes record, const ParseOptions& options) const {
  int64_t failed = -1;
  auto out = impl_->parse(std::span(&record, 1), true, options, failed);
  if (options.failed != nullptr) *options.failed = out.ok() ? -1 : failed;
  return out;
}

}  // namespace ferry
