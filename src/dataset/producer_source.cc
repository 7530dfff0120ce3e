// Rows and tables that someone else makes, in the row code.
#include "dataset/plan.h"
#include "dataset/table.h"

namespace ferry::dataset {
namespace {

using Open = std::function<Result<std::unique_ptr<RowProducer>>(uint64_t pass)>;

class ProducerStage : public RowStage {
 public:
  ProducerStage(Open open, std::vector<Column> columns, bool tables, const std::string& name, Context& context)
      : open_(std::move(open)),
        columns_(std::move(columns)),
        tables_(tables),
        place_(context.places->add(name, tables ? "table" : "row")),
        places_(context.places),
        on_error_(context.on_error) {}
  Status start(uint64_t pass) override {
    number_ = 0;
    table_.reset();
    in_table_ = 0;
    FERRY_ASSIGN_OR_RETURN(producer_, open_(pass));
    return {};
  }
  Result<bool> next(Row& row) override {
    while (!tables_ || table_ == nullptr || in_table_ == table_->rows()) {
      FERRY_ASSIGN_OR_RETURN(const bool more, pull());
      if (!more) return false;
      if (!tables_ || bad_) return give(row);
    }
    code_.clear();
    append_row(*table_, in_table_++, code_);
    return give(row);
  }
  Result<uint64_t> skip(uint64_t count) override {
    uint64_t done = 0;
    while (done < count) {
      if (tables_ && table_ != nullptr && in_table_ < table_->rows()) {
        const uint64_t some = std::min(count - done, static_cast<uint64_t>(table_->rows() - in_table_));
        in_table_ += static_cast<int64_t>(some);
        done += some;
        continue;
      }
      FERRY_ASSIGN_OR_RETURN(const bool more, pull());
      if (!more) break;
      done += !tables_ || bad_;
    }
    return done;
  }

 private:
  // The next row in code_, or the next table in table_.
  Result<bool> pull() {
    bad_ = false;
    TensorMap tensors;
    FERRY_ASSIGN_OR_RETURN(const bool more, producer_->next(tensors));
    if (!more) return false;
    origin_ = {place_, 0, number_++};
    code_.clear();
    Status status;
    if (tables_) {
      in_table_ = 0;
      table_ = nullptr;
      auto table = Table::make(tensors);
      status = table.status();
      if (status.ok()) status = check_columns(**table);
      if (status.ok()) table_ = *std::move(table);
    } else {
      status = append_row(columns_, tensors, code_);
    }
    if (status.ok()) return true;
    const Status told = places_->at(origin_, status);
    if (on_error_ == OnError::stop) return Status(told.code(), std::string(told.message()));
    const auto reason = std::as_bytes(std::span(told.message()));
    code_.assign(reason.begin(), reason.end());
    bad_ = true;
    return true;
  }
  Status check_columns(const Table& table) const {
    const auto theirs = batch_spec(table.columns()), ours = batch_spec(columns_);
    if (theirs == ours) return {};
    for (size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i) {
      if (theirs[i] == ours[i]) continue;
      return invalid_argument(concat("column ", i, " is ", quoted(theirs[i].name), ", ", kind_name(theirs[i].kind), " ",
                                     dtype_name(theirs[i].dtype), " ", theirs[i].shape.to_string(), ", expected ", quoted(ours[i].name),
                                     ", ", kind_name(ours[i].kind), " ", dtype_name(ours[i].dtype), " ", ours[i].shape.to_string()));
    }
    return invalid_argument(concat("a table of ", theirs.size(), " columns, expected ", ours.size()));
  }
  bool give(Row& row) {
    row = {code_, origin_, bad_};
    return true;
  }
  Open open_;
  std::vector<Column> columns_;
  bool tables_;
  uint32_t place_;
  std::shared_ptr<Places> places_;
  OnError on_error_;
  std::unique_ptr<RowProducer> producer_;
  std::shared_ptr<const Table> table_;
  int64_t in_table_ = 0;
  uint64_t number_ = 0;
  Origin origin_;
  bool bad_ = false;
  std::vector<std::byte> code_;
};

class ProducerPlan : public RowPlan {
 public:
  ProducerPlan(Open open, std::vector<Column> columns, bool tables, std::string name)
      : open_(std::move(open)),
        columns_(std::move(columns)),
        decoder_(row_code_decoder(columns_)),
        tables_(tables),
        name_(std::move(name)) {}
  std::string describe() const override {
    std::string out = concat(tables_ ? "tables " : "rows ", name_);
    for (const ElementSpec& spec : decoder_->spec()) {
      out += concat(" ", quoted(spec.name), ":", kind_name(spec.kind), ":", dtype_name(spec.dtype), spec.shape.to_string());
    }
    return out;
  }
  Result<RowStagePtr> open(Context& context) const override {
    return RowStagePtr(std::make_unique<ProducerStage>(open_, columns_, tables_, name_, context));
  }
  Result<std::shared_ptr<const RowDecoder>> decoder() const override { return decoder_; }
  std::optional<uint64_t> size() const override { return std::nullopt; }

 private:
  Open open_;
  std::vector<Column> columns_;
  std::shared_ptr<const RowDecoder> decoder_;
  bool tables_;
  std::string name_;
};

Dataset make(Open open, const std::vector<ElementSpec>& spec, bool tables, std::string name) {
  auto columns = columns_of(spec);
  if (!columns.ok()) return Dataset(columns.status());
  return Dataset::of(std::make_shared<ProducerPlan>(std::move(open), *std::move(columns), tables, std::move(name)));
}

}  // namespace
}  // namespace ferry::dataset

namespace ferry {

Dataset Dataset::rows(std::function<Result<std::unique_ptr<RowProducer>>(uint64_t pass)> open, std::vector<ElementSpec> spec,
                      std::string name) {
  return dataset::make(std::move(open), spec, false, std::move(name));
}
Dataset Dataset::tables(std::function<Result<std::unique_ptr<TableProducer>>(uint64_t pass)> open, std::vector<ElementSpec> spec,
                        std::string name) {
  return dataset::make(std::move(open), spec, true, std::move(name));
}

}  // namespace ferry
