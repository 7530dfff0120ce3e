#include "ferry/dataset.h"

#include <algorithm>
#include <thread>

#include "dataset/plan.h"
#include "dataset/state.h"
#include "dataset/table.h"

namespace ferry {

using namespace dataset;

namespace {

void describe(const RowPlan* plan, std::vector<std::string>& lines) {
  if (plan == nullptr) return;
  describe(plan->upstream(), lines);
  lines.push_back(plan->describe());
}
void describe(const BatchPlan* plan, std::vector<std::string>& lines) {
  if (plan == nullptr) return;
  describe(plan->upstream(), lines);
  lines.push_back(plan->describe());
}

std::vector<std::string> stages_of(const Dataset& dataset) {
  std::vector<std::string> lines;
  if (dataset.batch_plan() != nullptr) {
    describe(dataset.batch_plan()->rows(), lines);
    describe(dataset.batch_plan().get(), lines);
  } else {
    describe(dataset.row_plan().get(), lines);
  }
  return lines;
}

class Iterator : public DatasetIterator {
 public:
  ~Iterator() override {
    context_.stopped->store(true);
    stage_.reset();
  }
  static Result<std::unique_ptr<DatasetIterator>> make(BatchPlanPtr plan, std::vector<std::string> stages, const IterateOptions& options) {
    auto out = std::make_unique<Iterator>();
    FERRY_RETURN_IF_ERROR(out->open(std::move(plan), std::move(stages), options));
    return std::unique_ptr<DatasetIterator>(std::move(out));
  }

  Result<bool> next(TensorMap& out) override {
    if (!status_.ok()) return status_;
    if (state_.ended) return false;
    std::swap(out, element_.tensors);
    auto more = stage_->next(element_);
    std::swap(out, element_.tensors);
    if (!more.ok()) {
      out = {};
      return status_ = more.status();
    }
    state_.begun |= *more;
    state_.ended = !*more;
    return *more;
  }

  Result<std::string> state() const override {
    if (!status_.ok()) return status_.with_context("the stream ended with an error, behind which there is no state");
    State state = state_;
    state.position = element_.position;
    state.drawn = context_.drawn;
    for (const auto& size : context_.sizes) state.sizes.push_back(size->load());
    return state_text(state);
  }
  uint64_t skipped() const override { return element_.position[kLeftOutPosition]; }
  Result<std::vector<ElementSpec>> element_spec() const override { return plan_->spec(); }

 private:
  Status open(BatchPlanPtr plan, std::vector<std::string> stages, const IterateOptions& options) {
    plan_ = std::move(plan);
    context_.limits = options.limits;
    context_.on_error = options.on_error;
    context_.threads = options.threads > 0 ? options.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    context_.log = options.log;
    // How far ahead batches are made changes none of them.
    std::erase_if(stages, [](const std::string& stage) { return stage.starts_with("prefetch "); });
    if (options.on_error == OnError::skip) stages.emplace_back("on_error skip");
    state_.stages = std::move(stages);
    state_.epoch = options.epoch;
    std::optional<State> given;
    if (!options.state.empty()) {
      FERRY_ASSIGN_OR_RETURN(given, state_from_text(options.state));
      FERRY_RETURN_IF_ERROR(check_same_stages(*given, state_));
      context_.drawn = given->drawn;
      for (const uint64_t size : given->sizes) context_.sizes.push_back(std::make_shared<std::atomic<uint64_t>>(size));
    }
    FERRY_ASSIGN_OR_RETURN(stage_, plan_->open(context_));
    element_.position.assign(context_.positions, 0);
    if (!given) return stage_->start(state_.epoch);
    state_.epoch = given->epoch;
    state_.begun = given->begun;
    state_.ended = given->ended;
    if (given->position.size() != context_.positions || context_.sizes_used != context_.sizes.size() ||
        context_.drawn_used != context_.drawn.size()) {
      return invalid_argument("the state does not fit the stages it names; it was changed or cut");
    }
    element_.position = given->position;
    if (state_.ended) return {};
    return state_.begun ? stage_->restore(element_.position) : stage_->start(state_.epoch);
  }

  BatchPlanPtr plan_;
  BatchContext context_;
  BatchStagePtr stage_;
  Element element_;
  State state_;
  Status status_;
};

Status check_shard(uint64_t index, uint64_t count) {
  if (index < count) return {};
  return invalid_argument(concat("shard ", index, " of ", count, ": the index counts from 0 and is less than the count"));
}

}  // namespace

Dataset Dataset::of(std::shared_ptr<const RowPlan> rows) {
  Dataset out;
  out.rows_ = std::move(rows);
  return out;
}

Dataset Dataset::with(std::shared_ptr<const RowPlan> rows) const { return of(std::move(rows)); }
Dataset Dataset::with(std::shared_ptr<const BatchPlan> batches) const {
  Dataset out = *this;
  out.batches_ = std::move(batches);
  return out;
}
Dataset Dataset::failed(Status status) const { return Dataset(std::move(status)); }

#define FERRY_DATASET_CHECK()      \
  if (!status_.ok()) return *this; \
  if (rows_ == nullptr) return failed(invalid_argument("a Dataset without a source has nothing to stage"))
#define FERRY_DATASET_NEED_ROWS(stage) \
  FERRY_DATASET_CHECK();               \
  if (batches_ != nullptr) return failed(invalid_argument(concat(stage, " works on rows: it stands before batch()")))

Dataset Dataset::shuffle(uint64_t buffer, std::optional<uint64_t> seed, bool reshuffle) const {
  FERRY_DATASET_NEED_ROWS("shuffle");
  return with(plan_shuffle(rows_, buffer, seed, reshuffle));
}
Dataset Dataset::interleave(uint64_t cycle, uint64_t block) const {
  FERRY_DATASET_NEED_ROWS("interleave");
  if (cycle == 0 || block == 0) return failed(invalid_argument("interleave takes at least one row of at least one file"));
  auto plan = rows_->interleaved(cycle, block);
  if (!plan.ok()) return failed(plan.status());
  return with(*std::move(plan));
}
Dataset Dataset::batch(int64_t size, BatchOptions options) const {
  FERRY_DATASET_NEED_ROWS("batch");
  if (size < 1) return failed(invalid_argument(concat("batches of ", size, " rows were asked for, expected at least 1")));
  if (options.sparse == Layout::csc) return failed(unsupported("a batch of rows is COO or CSR; CSC has columns"));
  return with(plan_batch(rows_, size, std::move(options)));
}

Dataset Dataset::bucket_by_length(std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes,
                                  BatchOptions options) const {
  FERRY_DATASET_NEED_ROWS("bucket_by_length");
  if (sizes.size() != boundaries.size() + 1) {
    return failed(invalid_argument(
        concat(boundaries.size(), " boundaries make ", boundaries.size() + 1, " buckets, ", sizes.size(), " batch sizes are given")));
  }
  if (!std::ranges::is_sorted(boundaries, std::less_equal<>())) return failed(invalid_argument("the boundaries of buckets rise"));
  for (const int64_t size : sizes) {
    if (size < 1) return failed(invalid_argument(concat("batches of ", size, " rows were asked for, expected at least 1")));
  }
  if (options.sparse == Layout::csc) return failed(unsupported("a batch of rows is COO or CSR; CSC has columns"));
  return with(plan_buckets(rows_, std::move(feature), std::move(boundaries), std::move(sizes), std::move(options)));
}
Dataset Dataset::cache(std::string path) const {
  FERRY_DATASET_NEED_ROWS("cache");
  return with(plan_cache(rows_, std::move(path)));
}

Dataset Dataset::map(MapFunction function, std::string name) const {
  FERRY_DATASET_CHECK();
  return batches_ != nullptr ? with(plan_map(batches_, std::move(function), std::move(name)))
                             : with(plan_map(rows_, std::move(function), std::move(name)));
}
Dataset Dataset::filter(FilterFunction function, std::string name) const {
  FERRY_DATASET_CHECK();
  return batches_ != nullptr ? with(plan_filter(batches_, std::move(function), std::move(name)))
                             : with(plan_filter(rows_, std::move(function), std::move(name)));
}
Dataset Dataset::repeat(std::optional<uint64_t> count) const {
  FERRY_DATASET_CHECK();
  return batches_ != nullptr ? with(plan_repeat(batches_, count)) : with(plan_repeat(rows_, count));
}
Dataset Dataset::shard(uint64_t index, uint64_t count) const {
  FERRY_DATASET_CHECK();
  if (Status status = check_shard(index, count); !status.ok()) return failed(std::move(status));
  return batches_ != nullptr ? with(plan_shard(batches_, index, count)) : with(plan_shard(rows_, index, count));
}
Dataset Dataset::skip(uint64_t count) const {
  FERRY_DATASET_CHECK();
  return batches_ != nullptr ? with(plan_skip(batches_, count)) : with(plan_skip(rows_, count));
}
Dataset Dataset::take(uint64_t count) const {
  FERRY_DATASET_CHECK();
  return batches_ != nullptr ? with(plan_take(batches_, count)) : with(plan_take(rows_, count));
}
Dataset Dataset::prefetch(uint64_t count) const {
  FERRY_DATASET_CHECK();
  return with(plan_prefetch(batches_ != nullptr ? batches_ : plan_single_rows(rows_), count));
}

Result<std::vector<ElementSpec>> Dataset::element_spec() const {
  FERRY_RETURN_IF_ERROR(status_);
  if (rows_ == nullptr) return std::vector<ElementSpec>();
  if (batches_ != nullptr) return batches_->spec();
  return plan_single_rows(rows_)->spec();
}

std::optional<uint64_t> Dataset::size() const {
  if (!status_.ok() || rows_ == nullptr) return std::nullopt;
  return batches_ != nullptr ? batches_->size() : rows_->size();
}

std::string Dataset::describe() const {
  std::string out;
  for (const std::string& line : stages_of(*this)) out += line + "\n";
  return out;
}

Result<std::unique_ptr<DatasetIterator>> Dataset::iterate(const IterateOptions& options) const {
  FERRY_RETURN_IF_ERROR(status_);
  if (rows_ == nullptr) return invalid_argument("a Dataset without a source has nothing to iterate over");
  const BatchPlanPtr plan = batches_ != nullptr ? batches_ : plan_single_rows(rows_);
  return Iterator::make(plan, stages_of(*this), options);
}

}  // namespace ferry
