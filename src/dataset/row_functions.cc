// map and filter of rows: each is decoded to a TensorMap of its own, and what map gives is written in the row code.
#include <mutex>

#include "dataset/plan.h"
#include "dataset/table.h"

namespace ferry::dataset {
namespace {

// Decodes one row at a time.
class OneRow {
 public:
  explicit OneRow(std::shared_ptr<const RowDecoder> decoder) : decoder_(std::move(decoder)), scratch_(decoder_->new_scratch()) {}
  Result<TensorMap> decode(const Row& row) {
    rows_.clear();
    rows_.append(row, 0);
    TensorMap out;
    BadRow bad;
    const uint32_t first[1] = {0};
    FERRY_RETURN_IF_ERROR(decoder_->decode(rows_, first, {}, pool_, scratch_.get(), out, bad));
    return only_row(std::move(out));
  }

 private:
  std::shared_ptr<const RowDecoder> decoder_;
  std::unique_ptr<DecoderScratch> scratch_;
  RowBlock rows_;
  BufferPool pool_;
};

class FunctionStage : public RowStage {
 public:
  FunctionStage(RowStagePtr up, std::shared_ptr<const RowDecoder> decoder, const Context& context)
      : up_(std::move(up)), one_(std::move(decoder)), places_(context.places), stopped_(context.stopped), on_error_(context.on_error) {}
  Status start(uint64_t pass) override { return up_->start(pass); }

 protected:
  // The next row decoded. A row that cannot be is given as a damaged one, or is the error.
  Result<bool> pull(Row& row, TensorMap& tensors) {
    if (stopped_->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "the iterator was stopped");
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(row));
    if (!more || row.damaged) return more;
    auto decoded = one_.decode(row);
    if (decoded.ok()) {
      tensors = *std::move(decoded);
      return true;
    }
    FERRY_RETURN_IF_ERROR(spoil(row, decoded.status()));
    return true;
  }
  Status spoil(Row& row, const Status& status) {
    const Status told = places_->at(row.origin, status);
    if (on_error_ == OnError::stop) return told;
    reason_ = told.message();
    row.bytes = std::as_bytes(std::span(reason_));
    row.damaged = true;
    return {};
  }

  RowStagePtr up_;
  OneRow one_;
  std::shared_ptr<Places> places_;
  std::shared_ptr<std::atomic<bool>> stopped_;
  OnError on_error_;
  std::string reason_;
};

class FilterStage : public FunctionStage {
 public:
  FilterStage(RowStagePtr up, std::shared_ptr<const RowDecoder> decoder, const Context& context, Dataset::FilterFunction function)
      : FunctionStage(std::move(up), std::move(decoder), context), function_(std::move(function)) {}
  Result<bool> next(Row& row) override {
    TensorMap tensors;
    for (;;) {
      FERRY_ASSIGN_OR_RETURN(const bool more, pull(row, tensors));
      if (!more || row.damaged) return more;
      FERRY_ASSIGN_OR_RETURN(const bool keep, function_(tensors));
      if (keep) return true;
    }
  }

 private:
  Dataset::FilterFunction function_;
};

class MapStage : public FunctionStage {
 public:
  MapStage(RowStagePtr up, std::shared_ptr<const RowDecoder> decoder, const Context& context, Dataset::MapFunction function,
           std::vector<Column> columns)
      : FunctionStage(std::move(up), std::move(decoder), context), function_(std::move(function)), columns_(std::move(columns)) {}
  Result<bool> next(Row& row) override {
    TensorMap tensors;
    FERRY_ASSIGN_OR_RETURN(const bool more, pull(row, tensors));
    if (!more || row.damaged) return more;
    FERRY_ASSIGN_OR_RETURN(tensors, function_(std::move(tensors)));
    code_.clear();
    if (Status status = append_row(columns_, tensors, code_); !status.ok()) {
      FERRY_RETURN_IF_ERROR(spoil(row, status.with_context("what map gave")));
      return true;
    }
    row.bytes = code_;
    return true;
  }
  Result<uint64_t> skip(uint64_t count) override { return up_->skip(count); }
  bool skips() const override { return up_->skips(); }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  Dataset::MapFunction function_;
  std::vector<Column> columns_;
  std::vector<std::byte> code_;
};

class FilterPlan : public RowPlan {
 public:
  FilterPlan(RowPlanPtr up, Dataset::FilterFunction function, std::string name)
      : up_(std::move(up)), function_(std::move(function)), name_(std::move(name)) {}
  std::string describe() const override { return concat("filter rows ", name_); }
  const RowPlan* upstream() const override { return up_.get(); }
  Result<RowStagePtr> open(Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto decoder, up_->decoder());
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    return RowStagePtr(std::make_unique<FilterStage>(std::move(up), std::move(decoder), context, function_));
  }
  std::optional<uint64_t> size() const override { return std::nullopt; }

 private:
  RowPlanPtr up_;
  Dataset::FilterFunction function_;
  std::string name_;
};

class MapPlan : public RowPlan {
 public:
  MapPlan(RowPlanPtr up, Dataset::MapFunction function, std::string name)
      : up_(std::move(up)), function_(std::move(function)), name_(std::move(name)) {}
  std::string describe() const override { return concat("map rows ", name_); }
  const RowPlan* upstream() const override { return up_.get(); }
  Result<RowStagePtr> open(Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto before, up_->decoder());
    FERRY_ASSIGN_OR_RETURN(auto columns, columns_given());
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    return RowStagePtr(std::make_unique<MapStage>(std::move(up), std::move(before), context, function_, std::move(columns)));
  }
  Result<std::shared_ptr<const RowDecoder>> decoder() const override {
    FERRY_ASSIGN_OR_RETURN(auto columns, columns_given());
    return row_code_decoder(std::move(columns));
  }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  // What the function makes of the first rows: a length that differs among them is that of a list.
  Result<std::vector<Column>> columns_given() const {
    constexpr int kLooked = 16;
    std::lock_guard lock(mutex_);
    if (columns_) return *columns_;
    FERRY_ASSIGN_OR_RETURN(auto decoder, up_->decoder());
    Context context;
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    FERRY_RETURN_IF_ERROR(up->start(0));
    OneRow one(std::move(decoder));
    std::optional<std::vector<ElementSpec>> spec;
    Row row;
    for (int i = 0; i < kLooked; ++i) {
      FERRY_ASSIGN_OR_RETURN(const bool more, up->next(row));
      if (!more) break;
      FERRY_ASSIGN_OR_RETURN(TensorMap tensors, one.decode(row));
      FERRY_ASSIGN_OR_RETURN(tensors, function_(std::move(tensors)));
      auto found = spec_of(tensors);
      for (ElementSpec& each : found) {
        if (each.kind == TensorKind::csr || each.kind == TensorKind::csc) each.kind = TensorKind::coo;
      }
      if (!spec) {
        spec = std::move(found);
      } else {
        FERRY_RETURN_IF_ERROR(widen_spec(*spec, found));
      }
    }
    if (!spec) return invalid_argument(concat("what ", name_, " gives cannot be found out: there are no rows to give it"));
    FERRY_ASSIGN_OR_RETURN(columns_, columns_of(*spec));
    return *columns_;
  }
  RowPlanPtr up_;
  Dataset::MapFunction function_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::optional<std::vector<Column>> columns_;
};

}  // namespace

RowPlanPtr plan_map(RowPlanPtr up, Dataset::MapFunction function, std::string name) {
  return std::make_shared<MapPlan>(std::move(up), std::move(function), std::move(name));
}
RowPlanPtr plan_filter(RowPlanPtr up, Dataset::FilterFunction function, std::string name) {
  return std::make_shared<FilterPlan>(std::move(up), std::move(function), std::move(name));
}

}  // namespace ferry::dataset
