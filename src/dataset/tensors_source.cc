// Rows of tensors in memory: a row is its number.
#include <cstring>

#include "dataset/plan.h"
#include "dataset/table.h"
#include "ferry/sparse.h"

namespace ferry::dataset {
namespace {

class TensorRows : public RowStage {
 public:
  TensorRows(uint64_t rows, uint32_t place) : rows_(rows), place_(place) {}
  Status start(uint64_t) override {
    at_ = 0;
    return {};
  }
  Result<bool> next(Row& row) override {
    if (at_ == rows_) return false;
    return read(at_++, row);
  }
  Result<uint64_t> skip(uint64_t count) override {
    const uint64_t done = std::min(count, rows_ - at_);
    at_ += done;
    return done;
  }
  bool skips() const override { return true; }
  std::optional<uint64_t> size() const override { return rows_; }
  bool can_seek() const override { return true; }
  Result<bool> read(uint64_t index, Row& row) override {
    if (index >= rows_) return false;
    number_ = index;
    row = {std::as_bytes(std::span(&number_, 1)), {place_, 0, index}, false};
    return true;
  }

 private:
  uint64_t rows_, at_ = 0, number_ = 0;
  uint32_t place_;
};

class TensorsPlan : public RowPlan {
 public:
  explicit TensorsPlan(std::shared_ptr<const Table> table) : table_(std::move(table)), decoder_(decoder_of(table_)) {}
  std::string describe() const override {
    std::string out = concat("tensors rows=", table_->rows());
    for (const ElementSpec& spec : decoder_->spec()) {
      out += concat(" ", quoted(spec.name), ":", dtype_name(spec.dtype), spec.shape.to_string());
    }
    return out;
  }
  Result<RowStagePtr> open(Context& context) const override {
    return RowStagePtr(std::make_unique<TensorRows>(static_cast<uint64_t>(table_->rows()), context.places->add("tensors", "row")));
  }
  Result<std::shared_ptr<const RowDecoder>> decoder() const override { return decoder_; }
  std::optional<uint64_t> size() const override { return static_cast<uint64_t>(table_->rows()); }

 private:
  std::shared_ptr<const Table> table_;
  std::shared_ptr<const RowDecoder> decoder_;
};

}  // namespace

RowPlanPtr plan_tensors(std::shared_ptr<const Table> table) { return std::make_shared<TensorsPlan>(std::move(table)); }

}  // namespace ferry::dataset

namespace ferry {

Dataset Dataset::tensors(TensorMap tensors) {
  auto table = dataset::Table::make(tensors);
  if (!table.ok()) return Dataset(table.status());
  return of(dataset::plan_tensors(*std::move(table)));
}

}  // namespace ferry
