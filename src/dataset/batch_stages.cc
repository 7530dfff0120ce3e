// What happens to batches, and to rows seen as TensorMaps: map, filter, repeat, shard, skip, take, prefetch.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "dataset/batcher.h"
#include "dataset/plan.h"
#include "dataset/table.h"

namespace ferry {
namespace dataset {
namespace {

class Wrapped : public BatchPlan {
 public:
  explicit Wrapped(BatchPlanPtr up) : up_(std::move(up)) {}
  const BatchPlan* upstream() const override { return up_.get(); }

 protected:
  BatchPlanPtr up_;
};

// ---- batch

std::string options_text(const BatchOptions& options) {
  std::string out;
  if (options.drop_remainder) out += " drop_remainder";
  if (options.sparse != Layout::coo) out += concat(" sparse=", layout_name(options.sparse));
  if (options.pad) out += concat(" pad=", options.padding);
  for (const auto& [name, width] : options.widths) out += concat(" width of ", quoted(name), "=", width);
  return out;
}

class RowsBatchPlan : public BatchPlan {
 public:
  RowsBatchPlan(RowPlanPtr rows, int64_t size, BatchOptions options) : rows_(std::move(rows)), size_(size), options_(std::move(options)) {}
  std::string describe() const override { return concat("batch ", size_, options_text(options_)); }
  const RowPlan* rows() const override { return rows_.get(); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto decoder, rows_->decoder());
    FERRY_ASSIGN_OR_RETURN(auto fitted, fit_spec(decoder->spec(), options_));
    FERRY_ASSIGN_OR_RETURN(RowStagePtr rows, rows_->open(context));
    std::vector<ElementSpec> plain(decoder->spec().begin(), decoder->spec().end());
    return BatchStagePtr(std::make_unique<Batcher>(std::move(rows), std::move(decoder), std::move(plain), size_, options_, context));
  }
  Result<std::vector<ElementSpec>> spec() const override {
    FERRY_ASSIGN_OR_RETURN(auto decoder, rows_->decoder());
    FERRY_ASSIGN_OR_RETURN(auto out, fit_spec(decoder->spec(), options_));
    if (options_.drop_remainder) {
      for (ElementSpec& one : out) one.shape[0] = size_;
    }
    return out;
  }
  std::optional<uint64_t> size() const override {
    const auto rows = rows_->size();
    if (!rows) return std::nullopt;
    const auto size = static_cast<uint64_t>(size_);
    return options_.drop_remainder ? *rows / size : *rows / size + (*rows % size != 0);
  }

 private:
  RowPlanPtr rows_;
  int64_t size_;
  BatchOptions options_;
};

// ---- bucket by length

class BucketsPlan : public BatchPlan {
 public:
  BucketsPlan(RowPlanPtr rows, std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes, BatchOptions options)
      : rows_(std::move(rows)),
        feature_(std::move(feature)),
        boundaries_(std::move(boundaries)),
        sizes_(std::move(sizes)),
        options_(std::move(options)) {}
  std::string describe() const override {
    std::string out = concat("bucket by length of ", quoted(feature_));
    for (size_t i = 0; i < sizes_.size(); ++i) {
      out += i < boundaries_.size() ? concat(" to ", boundaries_[i], ":", sizes_[i]) : concat(" rest:", sizes_[i]);
    }
    return out + options_text(options_);
  }
  const RowPlan* rows() const override { return rows_.get(); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(auto decoder, rows_->decoder());
    FERRY_ASSIGN_OR_RETURN(auto fitted, fit_spec(decoder->spec(), options_));
    std::vector<ElementSpec> plain(decoder->spec().begin(), decoder->spec().end());
    const auto found = std::ranges::find(plain, feature_, &ElementSpec::name);
    if (found == plain.end()) return invalid_argument(concat("there is no tensor ", quoted(feature_), " to bucket by"));
    Buckets buckets{static_cast<size_t>(found - plain.begin()), boundaries_, {}};
    for (const int64_t size : sizes_) buckets.sizes.push_back(static_cast<size_t>(size));
    FERRY_ASSIGN_OR_RETURN(RowStagePtr rows, rows_->open(context));
    return BatchStagePtr(
        std::make_unique<Batcher>(std::move(rows), std::move(decoder), std::move(plain), 1, options_, context, std::move(buckets)));
  }
  Result<std::vector<ElementSpec>> spec() const override {
    FERRY_ASSIGN_OR_RETURN(auto decoder, rows_->decoder());
    return fit_spec(decoder->spec(), options_);
  }
  std::optional<uint64_t> size() const override { return std::nullopt; }

 private:
  RowPlanPtr rows_;
  std::string feature_;
  std::vector<int64_t> boundaries_, sizes_;
  BatchOptions options_;
};

// ---- rows that were not batched

class SingleRows : public BatchStage {
 public:
  explicit SingleRows(BatchStagePtr up) : up_(std::move(up)) {}
  Status start(uint64_t pass) override { return up_->start(pass); }
  Status restore(std::span<const uint64_t> position) override { return up_->restore(position); }
  Result<bool> next(Element& element) override {
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
    if (!more) return false;
    FERRY_ASSIGN_OR_RETURN(element.tensors, only_row(std::move(element.tensors)));
    return true;
  }

 private:
  BatchStagePtr up_;
};

class SingleRowsPlan : public Wrapped {
 public:
  explicit SingleRowsPlan(RowPlanPtr rows) : Wrapped(plan_batch(rows, 1, {})), rows_(std::move(rows)) {}
  std::string describe() const override { return "rows"; }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(BatchStagePtr up, up_->open(context));
    return BatchStagePtr(std::make_unique<SingleRows>(std::move(up)));
  }
  Result<std::vector<ElementSpec>> spec() const override {
    FERRY_ASSIGN_OR_RETURN(auto batch, up_->spec());
    return row_spec(batch);
  }
  std::optional<uint64_t> size() const override { return rows_->size(); }

 private:
  RowPlanPtr rows_;
};

// ---- map and filter

class BatchMap : public BatchStage {
 public:
  BatchMap(BatchStagePtr up, Dataset::MapFunction function) : up_(std::move(up)), function_(std::move(function)) {}
  Status start(uint64_t pass) override { return up_->start(pass); }
  Status restore(std::span<const uint64_t> position) override { return up_->restore(position); }
  Result<bool> next(Element& element) override {
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
    if (!more) return false;
    FERRY_ASSIGN_OR_RETURN(element.tensors, function_(std::move(element.tensors)));
    return true;
  }

 private:
  BatchStagePtr up_;
  Dataset::MapFunction function_;
};

class BatchFilter : public BatchStage {
 public:
  BatchFilter(BatchStagePtr up, Dataset::FilterFunction function, std::shared_ptr<std::atomic<bool>> stopped)
      : up_(std::move(up)), function_(std::move(function)), stopped_(std::move(stopped)) {}
  Status start(uint64_t pass) override { return up_->start(pass); }
  Status restore(std::span<const uint64_t> position) override { return up_->restore(position); }
  Result<bool> next(Element& element) override {
    for (;;) {
      if (stopped_->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "the iterator was stopped");
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
      if (!more) return false;
      FERRY_ASSIGN_OR_RETURN(const bool keep, function_(element.tensors));
      if (keep) return true;
    }
  }

 private:
  BatchStagePtr up_;
  Dataset::FilterFunction function_;
  std::shared_ptr<std::atomic<bool>> stopped_;
};

// Goes through elements for as long as `use` says.
Status look_at(const BatchPlan& plan, const std::function<Result<bool>(const TensorMap&)>& use) {
  BatchContext context;
  FERRY_ASSIGN_OR_RETURN(BatchStagePtr stage, plan.open(context));
  Element element;
  element.position.resize(context.positions);
  FERRY_RETURN_IF_ERROR(stage->start(0));
  for (;;) {
    FERRY_ASSIGN_OR_RETURN(const bool more, stage->next(element));
    if (!more) return {};
    FERRY_ASSIGN_OR_RETURN(const bool again, use(element.tensors));
    if (!again) return {};
  }
}

class MapPlan : public Wrapped {
 public:
  MapPlan(BatchPlanPtr up, Dataset::MapFunction function, std::string name)
      : Wrapped(std::move(up)), function_(std::move(function)), name_(std::move(name)) {}
  std::string describe() const override { return concat("map ", name_); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(BatchStagePtr up, up_->open(context));
    return BatchStagePtr(std::make_unique<BatchMap>(std::move(up), function_));
  }
  // Only the function knows: it is asked with the first two elements, whose lengths may differ.
  Result<std::vector<ElementSpec>> spec() const override {
    std::lock_guard lock(mutex_);
    if (spec_) return *spec_;
    std::optional<std::vector<ElementSpec>> found;
    int seen = 0;
    const Status looked = look_at(*this, [&](const TensorMap& element) -> Result<bool> {
      const auto one = spec_of(element);
      if (!found) {
        found = one;
      } else {
        FERRY_RETURN_IF_ERROR(widen_spec(*found, one));
      }
      return ++seen < 2;
    });
    if (!looked.ok()) return looked;
    if (!found) return invalid_argument(concat("what ", name_, " gives cannot be found out: there is nothing to give it"));
    // The last batch is smaller where the one that went in may be.
    FERRY_ASSIGN_OR_RETURN(const auto before, up_->spec());
    const bool varies = std::ranges::any_of(before, [](const ElementSpec& one) { return one.shape.rank() > 0 && one.shape[0] < 0; });
    for (ElementSpec& one : *found) {
      if (varies && one.shape.rank() > 0) one.shape[0] = -1;
    }
    spec_ = std::move(found);
    return *spec_;
  }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  Dataset::MapFunction function_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::optional<std::vector<ElementSpec>> spec_;
};

class FilterPlan : public Wrapped {
 public:
  FilterPlan(BatchPlanPtr up, Dataset::FilterFunction function, std::string name)
      : Wrapped(std::move(up)), function_(std::move(function)), name_(std::move(name)) {}
  std::string describe() const override { return concat("filter ", name_); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(BatchStagePtr up, up_->open(context));
    return BatchStagePtr(std::make_unique<BatchFilter>(std::move(up), function_, context.stopped));
  }
  std::optional<uint64_t> size() const override { return std::nullopt; }

 private:
  Dataset::FilterFunction function_;
  std::string name_;
};

// ---- repeat

class BatchRepeat : public BatchStage {
 public:
  BatchRepeat(BatchStagePtr up, std::optional<uint64_t> count, BatchContext& context)
      : up_(std::move(up)), count_(count), position_(context.positions++), outer_(context.positions++) {}
  Status start(uint64_t pass) override {
    pass_ = pass;
    turn_ = 0;
    any_ = false;
    if (count_ == 0) return {};
    return up_->start(inner_pass(pass_, count_, turn_));
  }
  Status restore(std::span<const uint64_t> position) override {
    turn_ = position[position_];
    pass_ = position[outer_];
    any_ = true;
    return up_->restore(position);
  }
  Result<bool> next(Element& element) override {
    while (!count_ || turn_ < *count_) {
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
      if (more) {
        any_ = true;
        element.position[position_] = turn_;
        element.position[outer_] = pass_;
        return true;
      }
      if (!any_) return false;
      if (count_ && turn_ + 1 >= *count_) return false;
      any_ = false;
      FERRY_RETURN_IF_ERROR(up_->start(inner_pass(pass_, count_, ++turn_)));
    }
    return false;
  }

 private:
  BatchStagePtr up_;
  std::optional<uint64_t> count_;
  size_t position_, outer_;
  uint64_t pass_ = 0, turn_ = 0;
  bool any_ = false;  // in this turn
};

class RepeatPlan : public Wrapped {
 public:
  RepeatPlan(BatchPlanPtr up, std::optional<uint64_t> count) : Wrapped(std::move(up)), count_(count) {}
  std::string describe() const override { return count_ ? concat("repeat ", *count_) : std::string("repeat"); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(BatchStagePtr up, up_->open(context));
    return BatchStagePtr(std::make_unique<BatchRepeat>(std::move(up), count_, context));
  }
  std::optional<uint64_t> size() const override { return repeated_size(up_->size(), count_); }

 private:
  std::optional<uint64_t> count_;
};

// ---- shard, skip, take: every step-th from begin on, at most limit

class BatchRange : public BatchStage {
 public:
  BatchRange(BatchStagePtr up, uint64_t begin, uint64_t step, uint64_t limit, BatchContext& context)
      : up_(std::move(up)), begin_(begin), step_(step), limit_(limit), position_(context.positions++) {}
  Status start(uint64_t pass) override {
    given_ = 0;
    return up_->start(pass);
  }
  Status restore(std::span<const uint64_t> position) override {
    given_ = position[position_];
    return up_->restore(position);
  }
  Result<bool> next(Element& element) override {
    if (given_ == limit_) return false;
    for (uint64_t left = given_ == 0 ? begin_ : step_ - 1; left > 0; --left) {
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
      if (!more) return false;
    }
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(element));
    if (!more) return false;
    element.position[position_] = ++given_;
    return true;
  }

 private:
  BatchStagePtr up_;
  uint64_t begin_, step_, limit_;
  size_t position_;
  uint64_t given_ = 0;
};

class RangePlan : public Wrapped {
 public:
  RangePlan(BatchPlanPtr up, std::string words, uint64_t begin, uint64_t step, uint64_t limit)
      : Wrapped(std::move(up)), words_(std::move(words)), begin_(begin), step_(step), limit_(limit) {}
  std::string describe() const override { return words_; }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    FERRY_ASSIGN_OR_RETURN(BatchStagePtr up, up_->open(context));
    return BatchStagePtr(std::make_unique<BatchRange>(std::move(up), begin_, step_, limit_, context));
  }
  std::optional<uint64_t> size() const override {
    const auto all = up_->size();
    if (!all) return std::nullopt;
    return *all <= begin_ ? 0 : std::min(limit_, (*all - begin_ - 1) / step_ + 1);
  }

 private:
  std::string words_;
  uint64_t begin_, step_, limit_;
};

// ---- prefetch

// One thread that pulls what comes before, where that is more than a Batcher, which has threads of its own.
class Prefetch : public BatchStage {
 public:
  Prefetch(BatchStagePtr up, uint64_t count, size_t positions) : up_(std::move(up)), slots_(count) {
    for (Slot& slot : slots_) slot.element.position.resize(positions);
  }
  ~Prefetch() override { stop(); }
  Status start(uint64_t pass) override {
    stop();
    return up_->start(pass);
  }
  Status restore(std::span<const uint64_t> position) override {
    stop();
    return up_->restore(position);
  }
  Result<bool> next(Element& element) override {
    if (over_) return false;
    std::unique_lock lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.wait(lock, [&] { return tail_ > head_; });
    Slot& slot = slots_[head_ % slots_.size()];
    // Positions further down the stream are not ours to overwrite.
    std::ranges::copy(slot.element.position, element.position.begin());
    if (!slot.more) {
      over_ = true;
      if (slot.status.ok()) return false;
      return slot.status;
    }
    std::swap(element.tensors, slot.element.tensors);
    ++head_;
    lock.unlock();
    changed_.notify_all();
    return true;
  }

 private:
  struct Slot {
    Element element;
    bool more = false;
    Status status;
  };
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    stop_ = over_ = false;
    head_ = tail_ = 0;
  }
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || tail_ - head_ < slots_.size(); });
      if (stop_) return;
      Slot& slot = slots_[tail_ % slots_.size()];
      lock.unlock();
      auto more = up_->next(slot.element);
      slot.more = more.ok() && *more;
      slot.status = more.status();
      const bool last = !slot.more;
      lock.lock();
      ++tail_;
      changed_.notify_all();
      if (last) return;
    }
  }
  BatchStagePtr up_;
  std::vector<Slot> slots_;
  uint64_t head_ = 0, tail_ = 0;
  bool over_ = false, stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

class PrefetchPlan : public Wrapped {
 public:
  PrefetchPlan(BatchPlanPtr up, uint64_t count) : Wrapped(std::move(up)), count_(count) {}
  std::string describe() const override { return concat("prefetch ", count_); }
  Result<BatchStagePtr> open(BatchContext& context) const override {
    const uint64_t before = std::exchange(context.ahead, std::max(context.ahead, count_));
    auto up = up_->open(context);
    context.ahead = before;
    const bool batcher = dynamic_cast<const RowsBatchPlan*>(up_.get()) != nullptr || dynamic_cast<const BucketsPlan*>(up_.get()) != nullptr;
    if (!up.ok() || count_ == 0 || batcher) return up;
    return BatchStagePtr(std::make_unique<Prefetch>(*std::move(up), count_, context.positions));
  }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  uint64_t count_;
};

}  // namespace

std::vector<ElementSpec> spec_of(const TensorMap& element) {
  std::vector<ElementSpec> out;
  for (const auto& entry : element) {
    ElementSpec one{entry.name, kind_of(entry.tensor), dtype_of(entry.tensor), shape_of(entry.tensor), 0};
    if (const auto* ragged = std::get_if<RaggedTensor>(&entry.tensor)) one.ragged_rank = ragged->ragged_rank();
    out.push_back(std::move(one));
  }
  return out;
}

Status widen_spec(std::vector<ElementSpec>& spec, std::span<const ElementSpec> other) {
  if (spec.size() != other.size()) return invalid_argument(concat("an element of ", other.size(), " tensors follows one of ", spec.size()));
  for (size_t i = 0; i < spec.size(); ++i) {
    ElementSpec& a = spec[i];
    const ElementSpec& b = other[i];
    if (a.name != b.name || a.kind != b.kind || a.dtype != b.dtype || a.shape.rank() != b.shape.rank() || a.ragged_rank != b.ragged_rank) {
      return invalid_argument(concat("elements are not alike: ", quoted(a.name), " was ", kind_name(a.kind), " ", dtype_name(a.dtype), " ",
                                     a.shape.to_string(), ", then ", quoted(b.name), " is ", kind_name(b.kind), " ", dtype_name(b.dtype),
                                     " ", b.shape.to_string()));
    }
    for (size_t axis = 0; axis < a.shape.rank(); ++axis) {
      if (a.shape[axis] != b.shape[axis]) a.shape[axis] = -1;
    }
  }
  return {};
}

BatchPlanPtr plan_batch(RowPlanPtr rows, int64_t size, BatchOptions options) {
  return std::make_shared<RowsBatchPlan>(std::move(rows), size, std::move(options));
}
BatchPlanPtr plan_buckets(RowPlanPtr rows, std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes,
                          BatchOptions options) {
  return std::make_shared<BucketsPlan>(std::move(rows), std::move(feature), std::move(boundaries), std::move(sizes), std::move(options));
}
BatchPlanPtr plan_single_rows(RowPlanPtr rows) { return std::make_shared<SingleRowsPlan>(std::move(rows)); }
BatchPlanPtr plan_repeat(BatchPlanPtr up, std::optional<uint64_t> count) { return std::make_shared<RepeatPlan>(std::move(up), count); }
BatchPlanPtr plan_shard(BatchPlanPtr up, uint64_t index, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("shard ", index, " of ", count), index, count, kAll);
}
BatchPlanPtr plan_skip(BatchPlanPtr up, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("skip ", count), count, 1, kAll);
}
BatchPlanPtr plan_take(BatchPlanPtr up, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("take ", count), 0, 1, count);
}
BatchPlanPtr plan_map(BatchPlanPtr up, Dataset::MapFunction function, std::string name) {
  return std::make_shared<MapPlan>(std::move(up), std::move(function), std::move(name));
}
BatchPlanPtr plan_filter(BatchPlanPtr up, Dataset::FilterFunction function, std::string name) {
  return std::make_shared<FilterPlan>(std::move(up), std::move(function), std::move(name));
}
BatchPlanPtr plan_prefetch(BatchPlanPtr up, uint64_t count) { return std::make_shared<PrefetchPlan>(std::move(up), count); }

}  // namespace dataset
}  // namespace ferry
