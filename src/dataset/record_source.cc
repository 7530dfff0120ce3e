// Files of records: Examples, SequenceExamples, or bytes as they are.
#include <algorithm>
#include <cstring>

#include "dataset/files.h"
#include "ferry/features.h"
#include "ferry/records.h"

namespace ferry::dataset {
namespace {

// ---- Decoding

struct SpanScratch : DecoderScratch {
  std::vector<RecordBytes> records;
};

class ExampleDecoder : public RowDecoder {
 public:
  explicit ExampleDecoder(ExampleParser parser) : parser_(std::move(parser)) {
    for (const FeatureSpec& feature : parser_.features()) {
      const FeatureOutput output = output_of(feature, true);
      spec_.push_back({feature.name, output.kind, output.dtype, output.shape, output.ragged_rank});
    }
  }
  std::span<const ElementSpec> spec() const override { return spec_; }
  std::unique_ptr<DecoderScratch> new_scratch() const override { return std::make_unique<SpanScratch>(); }
  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions&, BufferPool&, DecoderScratch* given,
                TensorMap& out, BadRow& bad) const override {
    auto& records = static_cast<SpanScratch&>(*given).records;
    records.clear();
    for (const uint32_t i : which) records.push_back(rows.row(i).bytes);
    int64_t failed = -1;
    ParseOptions options;
    options.failed = &failed;
    Status status = parser_.parse(records, out, options);
    if (failed >= 0) bad.row = static_cast<size_t>(failed);
    return status;
  }
  Result<int64_t> length(const Row& row, size_t feature) const override {
    TensorMap out;
    FERRY_RETURN_IF_ERROR(parser_.parse_single(row.bytes, out));
    return nnz_of(out[feature].tensor);
  }

 private:
  ExampleParser parser_;
  std::vector<ElementSpec> spec_;
};

// One string tensor of the records as they are.
class BytesDecoder : public RowDecoder {
 public:
  std::span<const ElementSpec> spec() const override { return spec_; }
  Status decode(const RowBlock& rows, std::span<const uint32_t> which, const BatchOptions&, BufferPool& pool, DecoderScratch*,
                TensorMap& out, BadRow&) const override {
    size_t bytes = 0;
    for (const uint32_t i : which) bytes += rows.entry(i).size;
    const size_t count = which.size();
    FERRY_ASSIGN_OR_RETURN(PooledBuffer offsets, pool.allocate((count + 1) * 8));
    FERRY_ASSIGN_OR_RETURN(PooledBuffer heap, pool.allocate(bytes));
    int64_t at = 0;
    for (size_t i = 0; i < count; ++i) {
      const Row row = rows.row(which[i]);
      offsets.as<int64_t>()[i] = at;
      if (!row.bytes.empty()) std::memcpy(heap.data() + at, row.bytes.data(), row.bytes.size());
      at += static_cast<int64_t>(row.bytes.size());
    }
    offsets.as<int64_t>()[count] = at;
    FERRY_ASSIGN_OR_RETURN(DenseTensor strings,
                           DenseTensor::make_strings(Shape{static_cast<int64_t>(count)}, frozen(std::move(offsets), (count + 1) * 8),
                                                     frozen(std::move(heap), bytes)));
    return set_tensor(out, 0, spec_[0].name, std::move(strings));
  }

 private:
  std::vector<ElementSpec> spec_ = {{"record", TensorKind::dense, DType::string, Shape{-1}, 0}};
};

// ---- Reading

// Records of one file. With OnError::skip each record that was lost is a damaged row, so that rows are numbered as frames are.
class RecordRows : public FileRows {
 public:
  static Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) {
    auto out = std::make_unique<RecordRows>();
    RecordReadOptions options;
    options.limits = context.limits;
    if (context.on_error == OnError::skip) {
      options.on_damage = [rows = out.get()](const SkippedRegion& region) {
        rows->lost_.push_back({std::max<uint64_t>(1, region.records.value_or(1)), std::string(region.reason.message())});
        return true;
      };
    }
    FERRY_ASSIGN_OR_RETURN(auto reader, RecordReader::open(path, std::move(options)));
    out->reader_.emplace(std::move(reader));
    return std::unique_ptr<FileRows>(std::move(out));
  }

  Result<bool> next(Row& row) override {
    if (!waiting_ && lost_.empty()) waiting_ = reader_->next() || !reader_->status().ok();
    if (!lost_.empty()) {
      Lost& lost = lost_.front();
      reason_ = lost.reason;
      row = {std::as_bytes(std::span(reason_)), {0, reader_->offset(), 0}, true};
      lost.reason = "lost with the record before it";
      if (--lost.records == 0) lost_.erase(lost_.begin());
      return true;
    }
    if (!waiting_) return false;
    waiting_ = false;
    FERRY_RETURN_IF_ERROR(reader_->status());
    row = {reader_->record(), {0, reader_->offset(), reader_->number()}, false};
    return true;
  }

  // By lengths alone. Where the file is damaged on the way, as it was read: rows that were lost count too.
  Status skip(uint64_t count, uint64_t& done) override {
    done = 0;
    Row row;
    if (!waiting_ && lost_.empty() && count > 0) {
      const RecordPlace from = reader_->place();
      auto passed = reader_->skip(count);
      if (lost_.empty()) {
        if (!passed.ok()) return passed.status();
        done = *passed;
        return {};
      }
      lost_.clear();
      FERRY_RETURN_IF_ERROR(reader_->seek(from));
    }
    for (; done < count; ++done) {
      FERRY_ASSIGN_OR_RETURN(const bool more, next(row));
      if (!more) break;
    }
    return {};
  }

 private:
  struct Lost {
    uint64_t records;
    std::string reason;
  };
  std::optional<RecordReader> reader_;
  std::vector<Lost> lost_;  // before the record that waits, or the end
  bool waiting_ = false;    // the reader stands at a record that was not given, or an error
  std::string reason_;
};

class IndexedRecords : public FileIndex {
 public:
  explicit IndexedRecords(RecordIndex index) : index_(std::move(index)) {}
  uint64_t rows() const override { return index_.size(); }
  Status read(uint64_t number, MutableBuffer& block, Row& row) const override {
    row.origin.offset = index_.extent(number).offset;
    FERRY_ASSIGN_OR_RETURN(row.bytes, index_.read(number, block));
    return {};
  }

 private:
  RecordIndex index_;
};

class RecordKind : public FileKind {
 public:
  RecordKind(std::vector<FeatureSpec> features, bool bytes) : features_(std::move(features)), bytes_(bytes) {}
  std::string_view unit() const override { return "record"; }
  std::string describe() const override {
    if (bytes_) return "records of bytes";
    std::string out = "records";
    for (const FeatureSpec& feature : features_) {
      out += concat(" ", quoted(feature.name), ":", kind_name(feature.kind), ":", dtype_name(feature.dtype), feature.shape.to_string());
      for (const std::string& key : feature.index_keys) out += concat(" indices ", quoted(key));
      if (!feature.value_key.empty()) out += concat(" values ", quoted(feature.value_key));
    }
    return out;
  }
  Result<std::unique_ptr<FileRows>> open(const std::string& path, const Context& context) const override {
    return RecordRows::open(path, context);
  }
  Result<std::shared_ptr<const FileIndex>> index(const std::string& path, const Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(const RecordReader reader, RecordReader::open(path));
    if (reader.compression() != RecordCompression::none || !reader.file_bytes()) return std::shared_ptr<const FileIndex>();
    RecordIndexOptions options;
    options.limits = context.limits;
    if (context.on_error == OnError::skip) options.on_damage = [](const SkippedRegion&) { return true; };
    FERRY_ASSIGN_OR_RETURN(RecordIndex made, RecordIndex::open_or_build(path, options));
    return std::shared_ptr<const FileIndex>(std::make_shared<IndexedRecords>(std::move(made)));
  }

  Result<std::shared_ptr<const RowDecoder>> decoder(std::span<const std::string> paths) const override {
    if (bytes_) return std::shared_ptr<const RowDecoder>(std::make_shared<BytesDecoder>());
    std::vector<FeatureSpec> features = features_;
    if (features.empty()) {
      FERRY_ASSIGN_OR_RETURN(features, look(paths));
    }
    for (FeatureSpec& feature : features) feature.row_splits_dtype = DType::int64;  // as all ragged tensors of a dataset
    FERRY_ASSIGN_OR_RETURN(ExampleParser parser, ExampleParser::make(std::move(features)));
    return std::shared_ptr<const RowDecoder>(std::make_shared<ExampleDecoder>(std::move(parser)));
  }

 private:
  // What the first records say of all.
  static Result<std::vector<FeatureSpec>> look(std::span<const std::string> paths) {
    constexpr int64_t kLooked = 1000;
    FeatureInference inference;
    int64_t seen = 0;
    for (const std::string& path : paths) {
      const auto told = [&](const Status& status) { return Status(status.code(), concat(path, ": ", status.message()), status.offset()); };
      RecordReadOptions options;
      options.on_damage = [](const SkippedRegion&) { return true; };
      auto reader = RecordReader::open(path, std::move(options));
      if (!reader.ok()) return told(reader.status());
      while (seen < kLooked && reader->next()) {
        if (Status status = inference.add(reader->record()); !status.ok()) {
          return told(status.with_context(concat("record ", reader->number())))
              .with_context("the records do not say by themselves what is in them; give spec=");
        }
        ++seen;
      }
      if (seen == kLooked) break;
      if (!reader->status().ok()) return told(reader->status());
    }
    if (seen == 0) return invalid_argument("there are no records to tell what is in them; give spec=");
    const InferredFeatures found = inference.finish();
    if (found.content != RecordContent::example) {
      return unsupported(concat("the records are ", content_name(found.content),
                                "s; a dataset reads Examples, or with spec=\"bytes\" records as they are"));
    }
    for (const InferredFeature& feature : found.features) {
      if (!feature.conflict.empty())
        return invalid_argument(concat("feature ", quoted(feature.spec.name), ": ", feature.conflict, "; give spec="));
    }
    return found.specs();
  }

  std::vector<FeatureSpec> features_;
  bool bytes_;
};

Dataset of_records(const std::vector<std::string>& patterns, std::vector<FeatureSpec> features, bool bytes) {
  auto paths = expand_paths(patterns);
  if (!paths.ok()) return Dataset(paths.status());
  return Dataset::of(plan_files(*std::move(paths), std::make_shared<RecordKind>(std::move(features), bytes)));
}

}  // namespace
}  // namespace ferry::dataset

namespace ferry {

Dataset Dataset::records(const std::vector<std::string>& paths, std::vector<FeatureSpec> features) {
  return dataset::of_records(paths, std::move(features), false);
}
Dataset Dataset::record_bytes(const std::vector<std::string>& paths) { return dataset::of_records(paths, {}, true); }

}  // namespace ferry
