// Rows kept in a file: written beside it in the first pass that gets to the end, and renamed then; read from there later. The file is
// one of records: the first says what it holds, as JSON; each further one is a row behind a byte that is 1 for a damaged one.
#include <unistd.h>

#include "dataset/plan.h"
#include "ferry/records.h"
#include "wire/json.h"

namespace ferry::dataset {
namespace {

class CacheStage : public RowStage {
 public:
  CacheStage(RowStagePtr up, std::string path, std::string head, const Context& context)
      : up_(std::move(up)),
        path_(std::move(path)),
        head_(std::move(head)),
        place_(context.places->add(path_, "row")),
        stopped_(context.stopped),
        limits_(context.limits) {}

  // What comes from before is the same in every pass: its first.
  Status start(uint64_t) override {
    writer_.reset();
    number_ = 0;
    FERRY_RETURN_IF_ERROR(open_reader());
    if (reader_) return {};
    FERRY_RETURN_IF_ERROR(up_->start(0));
    auto writer = RecordWriter::open(path_, {.compression = RecordCompression::none, .level = 0});
    if (!writer.ok()) return told(writer.status());
    writer_.emplace(*std::move(writer));
    return told(writer_->write(head_));
  }

  Result<bool> next(Row& row) override {
    if (reader_) {
      if (!reader_->next()) {
        FERRY_RETURN_IF_ERROR(told(reader_->status()));
        return false;
      }
      return unpack(reader_->record(), row);
    }
    if (!writer_) return false;
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(row));
    if (!more) {
      FERRY_RETURN_IF_ERROR(told(writer_->close()));
      writer_.reset();
      return false;
    }
    packed_.assign(1, static_cast<std::byte>(row.damaged));
    packed_.insert(packed_.end(), row.bytes.begin(), row.bytes.end());
    FERRY_RETURN_IF_ERROR(told(writer_->write(packed_)));
    return true;
  }

  Result<uint64_t> skip(uint64_t count) override {
    if (!reader_) return RowStage::skip(count);  // all of them are written
    auto done = reader_->skip(count);
    if (!done.ok()) return told(done.status());
    number_ += *done;
    return done;
  }
  // Passing over rows that are there is cheap; the first time they are written besides, which is read again in no time.
  bool skips() const override { return true; }

  bool can_seek() const override { return true; }
  std::optional<uint64_t> size() const override {
    if (!index_) return std::nullopt;
    return index_->size() - 1;
  }
  // Where the file is not there yet it is written now.
  Status prepare_seek() override {
    if (index_) return {};
    if (!reader_) {
      Row row;
      for (;;) {
        if (stopped_->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "the iterator was stopped");
        FERRY_ASSIGN_OR_RETURN(const bool more, next(row));
        if (!more) break;
      }
      FERRY_RETURN_IF_ERROR(open_reader());
      if (!reader_) return data_loss(concat(path_, ": the cache is not there although it was just written"));
    }
    auto index = RecordIndex::build(path_);
    if (!index.ok()) return told(index.status());
    index_.emplace(*std::move(index));
    return {};
  }
  Result<bool> read(uint64_t number, Row& row) override {
    if (number + 1 >= index_->size()) return false;
    auto bytes = index_->read(number + 1, block_);
    if (!bytes.ok()) return told(bytes.status());
    number_ = number;
    return unpack(*bytes, row);
  }

 private:
  // Sets reader_ where the file is there and holds what it would be given.
  Status open_reader() {
    reader_.reset();
    if (::access(path_.c_str(), F_OK) != 0) return {};
    RecordReadOptions options;
    options.limits = limits_;
    auto reader = RecordReader::open(path_, std::move(options));
    if (!reader.ok()) return told(reader.status());
    if (!reader->next()) return {};
    if (reader->text() != head_) {
      if (reader->text().starts_with(kHead)) return {};  // it is of another time
      return invalid_argument(concat(path_, ": this file is no cache of a dataset; it is left as it is"));
    }
    reader_.emplace(*std::move(reader));
    return {};
  }
  Result<bool> unpack(std::span<const std::byte> record, Row& row) {
    if (record.empty() || record[0] > std::byte{1})
      return data_loss(concat(path_, ": row ", number_, " of the cache is damaged; delete the file"));
    row = {record.subspan(1), {place_, 0, number_++}, record[0] == std::byte{1}};
    return true;
  }
  Status told(const Status& status) const {
    if (status.ok()) return status;
    return Status(status.code(), concat(path_, ": ", status.message()), status.offset());
  }

 public:
  static constexpr std::string_view kHead = "{\"tensorferry_cache\":1,";

 private:
  RowStagePtr up_;
  std::string path_, head_;
  uint32_t place_;
  std::shared_ptr<std::atomic<bool>> stopped_;
  Limits limits_;
  std::optional<RecordReader> reader_;
  std::optional<RecordWriter> writer_;
  std::optional<RecordIndex> index_;
  MutableBuffer block_;
  std::vector<std::byte> packed_;
  uint64_t number_ = 0;
};

class CachePlan : public RowPlan {
 public:
  CachePlan(RowPlanPtr up, std::string path) : up_(std::move(up)), path_(std::move(path)) {}
  std::string describe() const override { return "cache"; }
  const RowPlan* upstream() const override { return up_.get(); }
  Result<RowStagePtr> open(Context& context) const override {
    std::string head(CacheStage::kHead);
    head += "\"stages\":[";
    std::vector<std::string> lines;
    for (const RowPlan* plan = up_.get(); plan != nullptr; plan = plan->upstream()) lines.push_back(plan->describe());
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (line != lines.rbegin()) head += ',';
      json::append_string(head, *line);
    }
    head += "],\"stamp\":";
    json::append_string(head, up_->stamp());
    head += concat(",\"skip\":", context.on_error == OnError::skip, "}");
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    return RowStagePtr(std::make_unique<CacheStage>(std::move(up), path_, std::move(head), context));
  }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  RowPlanPtr up_;
  std::string path_;
};

}  // namespace

RowPlanPtr plan_cache(RowPlanPtr up, std::string path) { return std::make_shared<CachePlan>(std::move(up), std::move(path)); }

}  // namespace ferry::dataset
