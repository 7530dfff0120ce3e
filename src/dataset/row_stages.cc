// repeat, shard, skip and take of rows.
#include <algorithm>

#include "dataset/plan.h"

namespace ferry {

Result<std::shared_ptr<const RowPlan>> RowPlan::interleaved(uint64_t, uint64_t) const {
  return unsupported("interleave reads several files in turn: it stands right after a source of files");
}

namespace dataset {
namespace {

class Wrapped : public RowPlan {
 public:
  explicit Wrapped(RowPlanPtr up) : up_(std::move(up)) {}
  const RowPlan* upstream() const override { return up_.get(); }

 protected:
  RowPlanPtr up_;
};

// ---- repeat

class RowRepeat : public RowStage {
 public:
  RowRepeat(RowStagePtr up, std::optional<uint64_t> count, Context& context) : up_(std::move(up)), count_(count) {
    const size_t i = context.sizes_used++;
    if (i == context.sizes.size()) context.sizes.push_back(std::make_shared<std::atomic<uint64_t>>(kAll));
    told_ = context.sizes[i];
    if (const uint64_t told = told_->load(); told != kAll) size_ = told;
    if (const auto size = up_->size()) size_ = size;
  }
  Status start(uint64_t pass) override {
    pass_ = pass;
    return begin(0);
  }
  Result<bool> next(Row& row) override {
    while (!count_ || turn_ < *count_) {
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(row));
      if (more) {
        ++in_turn_;
        return true;
      }
      if (!learn()) return false;
      FERRY_RETURN_IF_ERROR(begin(turn_ + 1));
    }
    return false;
  }
  Result<uint64_t> skip(uint64_t count) override {
    uint64_t done = 0;
    while (done < count && (!count_ || turn_ < *count_)) {
      const uint64_t left = count - done;
      if (in_turn_ == 0 && size_ && *size_ > 0 && left >= *size_ && up_->skips()) {
        uint64_t turns = left / *size_;
        if (count_) turns = std::min(turns, *count_ - turn_);
        done += turns * *size_;
        FERRY_RETURN_IF_ERROR(begin(turn_ + turns));
        continue;
      }
      FERRY_ASSIGN_OR_RETURN(const uint64_t got, up_->skip(left));
      done += got;
      in_turn_ += got;
      if (got == left) break;
      if (!learn()) break;
      FERRY_RETURN_IF_ERROR(begin(turn_ + 1));
    }
    return done;
  }
  bool skips() const override { return up_->skips(); }
  std::optional<uint64_t> size() const override { return repeated_size(size_, count_); }

 private:
  Status begin(uint64_t turn) {
    turn_ = turn;
    in_turn_ = 0;
    if (count_ && turn_ >= *count_) return {};
    return up_->start(inner_pass(pass_, count_, turn_));
  }
  // At the end of a turn. False where there is nothing to repeat: that would never end.
  bool learn() {
    if (up_->skips()) {
      size_ = in_turn_;
      told_->store(in_turn_);
    }
    return in_turn_ > 0;
  }
  RowStagePtr up_;
  std::shared_ptr<std::atomic<uint64_t>> told_;
  std::optional<uint64_t> count_, size_;  // size_: rows in a turn, once one is over
  uint64_t pass_ = 0, turn_ = 0, in_turn_ = 0;
};

class RepeatPlan : public Wrapped {
 public:
  RepeatPlan(RowPlanPtr up, std::optional<uint64_t> count) : Wrapped(std::move(up)), count_(count) {}
  std::string describe() const override { return count_ ? concat("repeat ", *count_) : std::string("repeat"); }
  Result<RowStagePtr> open(Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    return RowStagePtr(std::make_unique<RowRepeat>(std::move(up), count_, context));
  }
  std::optional<uint64_t> size() const override { return repeated_size(up_->size(), count_); }

 private:
  std::optional<uint64_t> count_;
};

// ---- every step-th row of [begin, end): shard, skip and take

class RowRange : public RowStage {
 public:
  RowRange(RowStagePtr up, uint64_t begin, uint64_t step, uint64_t limit) : up_(std::move(up)), begin_(begin), step_(step), limit_(limit) {}
  Status start(uint64_t pass) override {
    given_ = 0;
    ended_ = false;
    return up_->start(pass);
  }
  Result<bool> next(Row& row) override {
    if (ended_ || given_ == limit_) return false;
    const uint64_t before = given_ == 0 ? begin_ : step_ - 1;
    if (before > 0) {
      FERRY_ASSIGN_OR_RETURN(const uint64_t skipped, up_->skip(before));
      ended_ = skipped < before;
      if (ended_) return false;
    }
    FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(row));
    ended_ = !more;
    given_ += more;
    return more;
  }
  Result<uint64_t> skip(uint64_t count) override {
    count = std::min(count, limit_ - given_);
    if (ended_ || count == 0) return uint64_t{0};
    // Up to and with the last of them.
    const uint64_t first = given_ == 0 ? begin_ : step_ - 1;
    uint64_t wanted;
    if (__builtin_mul_overflow(count - 1, step_, &wanted) || __builtin_add_overflow(wanted, first + 1, &wanted)) wanted = kAll;
    FERRY_ASSIGN_OR_RETURN(const uint64_t got, up_->skip(wanted));
    const uint64_t done = got <= first ? 0 : std::min(count, (got - first - 1) / step_ + 1);
    ended_ = got < wanted;
    given_ += done;
    return done;
  }
  bool skips() const override { return up_->skips(); }
  std::optional<uint64_t> size() const override {
    const auto all = up_->size();
    if (!all) return std::nullopt;
    return *all <= begin_ ? 0 : std::min(limit_, (*all - begin_ - 1) / step_ + 1);
  }
  bool can_seek() const override { return up_->can_seek(); }
  Status prepare_seek() override { return up_->prepare_seek(); }
  Result<bool> read(uint64_t index, Row& row) override {
    if (index >= limit_) return false;
    return up_->read(begin_ + index * step_, row);
  }

 private:
  RowStagePtr up_;
  uint64_t begin_, step_, limit_, given_ = 0;
  bool ended_ = false;
};

class RangePlan : public Wrapped {
 public:
  RangePlan(RowPlanPtr up, std::string words, uint64_t begin, uint64_t step, uint64_t limit)
      : Wrapped(std::move(up)), words_(std::move(words)), begin_(begin), step_(step), limit_(limit) {}
  std::string describe() const override { return words_; }
  Result<RowStagePtr> open(Context& context) const override {
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    return RowStagePtr(std::make_unique<RowRange>(std::move(up), begin_, step_, limit_));
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

}  // namespace

RowPlanPtr plan_repeat(RowPlanPtr up, std::optional<uint64_t> count) { return std::make_shared<RepeatPlan>(std::move(up), count); }
RowPlanPtr plan_shard(RowPlanPtr up, uint64_t index, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("shard ", index, " of ", count), index, count, kAll);
}
RowPlanPtr plan_skip(RowPlanPtr up, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("skip ", count), count, 1, kAll);
}
RowPlanPtr plan_take(RowPlanPtr up, uint64_t count) {
  return std::make_shared<RangePlan>(std::move(up), concat("take ", count), 0, 1, count);
}

}  // namespace dataset
}  // namespace ferry
