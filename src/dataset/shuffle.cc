// Rows in random order: from a buffer, or all of a source that can go to any row.
#include <algorithm>
#include <numeric>
#include <random>

#include "dataset/plan.h"
#include "dataset/random.h"
#include "dataset/row_pool.h"

namespace ferry::dataset {
namespace {

// Holds up to `buffer` rows; gives the one in the slot that the n-th random number names, and puts the next row in its place. When
// no more come, the last slot's takes the place. So the order depends on counts alone, and skip() follows it without the rows.
class BufferShuffle : public RowStage {
 public:
  BufferShuffle(RowStagePtr up, uint64_t buffer, uint64_t seed, bool reshuffle)
      : up_(std::move(up)), buffer_(buffer), seed_(seed), reshuffle_(reshuffle) {}
  ~BufferShuffle() override { empty(); }

  Status start(uint64_t pass) override {
    empty();
    pass_ = pass;
    random_ = reshuffle_ ? Random::of_pass(seed_, pass) : Random(seed_);
    drawn_ = 0;
    ended_ = false;
    return up_->start(pass);
  }
  Result<bool> next(Row& row) override {
    pool_.give_back(given_);
    Row incoming;
    while (!ended_ && slots_.size() < buffer_) {
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(incoming));
      ended_ = !more;
      if (more) slots_.push_back(pool_.keep(incoming));
    }
    if (slots_.empty()) return false;
    const uint64_t slot = random_.below(drawn_++, slots_.size());
    given_ = slots_[slot];
    bool more = false;
    if (!ended_) {
      auto got = up_->next(incoming);
      if (!got.ok()) {
        slots_[slot] = slots_.back();
        slots_.pop_back();
        return got.status();
      }
      more = *got;
      ended_ = !more;
    }
    if (more) {
      slots_[slot] = pool_.keep(incoming);
    } else {
      slots_[slot] = slots_.back();
      slots_.pop_back();
    }
    row = given_.row();
    return true;
  }
  Result<uint64_t> skip(uint64_t count) override {
    // From the middle of a pass, or of rows that are dear: one by one.
    if (drawn_ != 0 || !slots_.empty() || !up_->skips() || count == 0) return RowStage::skip(count);
    // How many there are decides what is drawn once no more come.
    uint64_t reached;
    if (const auto size = up_->size()) {
      reached = *size;
    } else {
      const uint64_t wanted = count > kAll - buffer_ - 1 ? kAll : count + buffer_ + 1;
      FERRY_ASSIGN_OR_RETURN(reached, up_->skip(wanted));
      FERRY_RETURN_IF_ERROR(up_->start(pass_));
    }
    count = std::min(count, reached);
    std::vector<uint64_t> slots(std::min(buffer_, reached));
    std::iota(slots.begin(), slots.end(), uint64_t{0});
    uint64_t taken = slots.size();
    for (; drawn_ < count; ++drawn_) {
      uint64_t& slot = slots[random_.below(drawn_, slots.size())];
      if (taken < reached) {
        slot = taken++;
      } else {
        slot = slots.back();
        slots.pop_back();
      }
    }
    // Reading on up to those that the buffer now holds.
    std::vector<uint64_t> order(slots.size());
    std::iota(order.begin(), order.end(), uint64_t{0});
    std::ranges::sort(order, {}, [&](uint64_t i) { return slots[i]; });
    slots_.resize(slots.size());
    uint64_t at = 0;
    Row row;
    for (const uint64_t i : order) {
      FERRY_ASSIGN_OR_RETURN(const uint64_t gap, up_->skip(slots[i] - at));
      FERRY_ASSIGN_OR_RETURN(const bool more, up_->next(row));
      if (gap != slots[i] - at || !more) {
        return data_loss(concat("the source had ", reached, " rows when they were counted and ends after ", at + gap, " now"));
      }
      slots_[i] = pool_.keep(row);
      at = slots[i] + 1;
    }
    FERRY_ASSIGN_OR_RETURN(const uint64_t rest, up_->skip(taken - at));
    if (rest != taken - at) return data_loss("the source has fewer rows than when they were counted");
    return count;
  }
  bool skips() const override { return up_->skips(); }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  void empty() {
    pool_.give_back(given_);
    for (auto& slot : slots_) pool_.give_back(slot);
    slots_.clear();
  }
  RowStagePtr up_;
  uint64_t buffer_, seed_;
  bool reshuffle_;
  RowPool pool_;
  std::vector<RowPool::Kept> slots_;
  RowPool::Kept given_;
  Random random_;
  uint64_t pass_ = 0, drawn_ = 0;
  bool ended_ = false;
};

class GlobalShuffle : public RowStage {
 public:
  GlobalShuffle(RowStagePtr up, uint64_t seed, bool reshuffle) : up_(std::move(up)), seed_(seed), reshuffle_(reshuffle) {}
  Status start(uint64_t pass) override {
    FERRY_RETURN_IF_ERROR(up_->start(pass));
    FERRY_RETURN_IF_ERROR(up_->prepare_seek());
    const auto size = up_->size();
    if (!size) return internal_error("a source that can go to any row does not know how many it has");
    at_ = 0;
    const uint64_t of = reshuffle_ ? pass : 0;
    if (order_.size() != *size || of != pass_ || !made_) {
      order_ = Permutation(*size, reshuffle_ ? Random::of_pass(seed_, pass) : Random(seed_));
    }
    pass_ = of;
    made_ = true;
    return {};
  }
  Result<bool> next(Row& row) override {
    if (at_ == order_.size()) return false;
    return up_->read(order_.at(at_++), row);
  }
  Result<uint64_t> skip(uint64_t count) override {
    const uint64_t done = std::min(count, order_.size() - at_);
    at_ += done;
    return done;
  }
  bool skips() const override { return true; }
  std::optional<uint64_t> size() const override { return up_->size(); }
  bool can_seek() const override { return true; }
  Result<bool> read(uint64_t index, Row& row) override {
    if (index >= order_.size()) return false;
    return up_->read(order_.at(index), row);
  }

 private:
  RowStagePtr up_;
  uint64_t seed_;
  bool reshuffle_, made_ = false;
  Permutation order_;
  uint64_t pass_ = 0, at_ = 0;
};

uint64_t draw_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

class ShufflePlan : public RowPlan {
 public:
  ShufflePlan(RowPlanPtr up, uint64_t buffer, std::optional<uint64_t> seed, bool reshuffle)
      : up_(std::move(up)), buffer_(buffer), drawn_(!seed), seed_(seed ? *seed : draw_seed()), reshuffle_(reshuffle) {}
  std::string describe() const override {
    return concat("shuffle ", buffer_ == 0 ? std::string("all") : concat(buffer_), drawn_ ? std::string() : concat(" seed=", seed_),
                  reshuffle_ ? "" : " each pass alike");
  }
  const RowPlan* upstream() const override { return up_.get(); }
  Result<RowStagePtr> open(Context& context) const override {
    uint64_t seed = seed_;
    if (drawn_) {  // the one that is in the state
      const size_t i = context.drawn_used++;
      if (i < context.drawn.size()) {
        seed = context.drawn[i];
      } else {
        context.drawn.push_back(seed);
      }
    }
    FERRY_ASSIGN_OR_RETURN(RowStagePtr up, up_->open(context));
    if (buffer_ > 0) return RowStagePtr(std::make_unique<BufferShuffle>(std::move(up), buffer_, seed, reshuffle_));
    if (!up->can_seek()) {
      return unsupported(
          "shuffling all rows needs a source that can go to any of them: tensors in memory, files of records that are not compressed, "
          "right behind the source; say how many rows to keep in a buffer, shuffle(10000)");
    }
    return RowStagePtr(std::make_unique<GlobalShuffle>(std::move(up), seed, reshuffle_));
  }
  std::optional<uint64_t> size() const override { return up_->size(); }

 private:
  RowPlanPtr up_;
  uint64_t buffer_;
  bool drawn_;
  uint64_t seed_;
  bool reshuffle_;
};

}  // namespace

RowPlanPtr plan_shuffle(RowPlanPtr up, uint64_t buffer, std::optional<uint64_t> seed, bool reshuffle) {
  return std::make_shared<ShufflePlan>(std::move(up), buffer, seed, reshuffle);
}

}  // namespace ferry::dataset
