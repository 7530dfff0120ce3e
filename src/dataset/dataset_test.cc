#include "ferry/dataset.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

#include "dataset/random.h"
#include "dataset/table.h"

// Counts what asks for memory while it is told to. aligned_alloc, which MutableBuffer uses, counts too.
namespace {
std::atomic<bool> counting = false;
std::atomic<int64_t> allocations = 0;
void count() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FERRY_COUNTS_ALLOCATIONS 1
extern "C" void* __libc_malloc(size_t);
extern "C" void* __libc_memalign(size_t, size_t);
extern "C" void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
#endif

namespace ferry {
namespace {

constexpr int64_t kRows = 400;

// n counts the rows; x is sparse, list ragged, word a string.
TensorMap table(int64_t rows = kRows) {
  std::vector<int64_t> n(static_cast<size_t>(rows)), indices, splits{0}, list;
  std::vector<float> values;
  StringsBuilder words;
  std::iota(n.begin(), n.end(), 0);
  for (const int64_t i : n) {
    for (int64_t k = 0; k < 1 + i % 3; ++k) {
      indices.insert(indices.end(), {i, i % 7 + k * 10});
      values.push_back(static_cast<float>(i));
      list.push_back(i);
    }
    splits.push_back(static_cast<int64_t>(list.size()));
    EXPECT_TRUE(words.append(concat("w", i)).ok());
  }
  TensorMap out;
  const auto entries = static_cast<int64_t>(values.size());
  EXPECT_TRUE(out.add("n", DenseTensor::vector<int64_t>(n)).ok());
  EXPECT_TRUE(out.add("x", *SparseTensor::coo(Shape{rows, 40}, DenseTensor::of<int64_t>(Shape{entries, 2}, indices),
                                              DenseTensor::vector<float>(values), Order{true, true}))
                  .ok());
  EXPECT_TRUE(out.add("list", *RaggedTensor::make({DenseTensor::vector<int64_t>(splits)}, DenseTensor::vector<int64_t>(list))).ok());
  EXPECT_TRUE(out.add("word", *std::move(words).finish(Shape{rows})).ok());
  return out;
}

std::vector<int64_t> numbers(const TensorMap& batch) {
  const auto values = std::get<DenseTensor>(batch.find("n")->tensor).values<int64_t>();
  return {values.begin(), values.end()};
}

using Stream = std::vector<std::vector<int64_t>>;
Stream rest_of(DatasetIterator& it) {
  Stream out;
  TensorMap batch;
  for (;;) {
    auto more = it.next(batch);
    EXPECT_TRUE(more.ok()) << more.status().to_string();
    if (!more.ok() || !*more) return out;
    out.push_back(numbers(batch));
  }
}
Stream run(const Dataset& dataset, const IterateOptions& options = {}) {
  auto it = dataset.iterate(options);
  EXPECT_TRUE(it.ok()) << it.status().to_string();
  return it.ok() ? rest_of(**it) : Stream();
}

// ---- Order

TEST(Dataset, RowsComeInTheirOrderAndTheLastBatchIsSmaller) {
  const Stream stream = run(Dataset::tensors(table(10)).batch(4));
  EXPECT_EQ(stream, (Stream{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}));
  BatchOptions options;
  options.drop_remainder = true;
  EXPECT_EQ(run(Dataset::tensors(table(10)).batch(4, options)).size(), 2u);
}

TEST(Dataset, ShuffleIsThisOrderForEver) {
  // Changing it changes what everybody's seeds mean.
  EXPECT_EQ(run(Dataset::tensors(table(8)).shuffle(4, 1).batch(8)), (Stream{{0, 3, 2, 5, 1, 7, 6, 4}}));
  EXPECT_EQ(run(Dataset::tensors(table(8)).shuffle(0, 1).batch(8)), (Stream{{0, 2, 3, 7, 6, 4, 5, 1}}));
}

TEST(Dataset, EveryPermutationIsReachedAboutAsOften) {
  std::vector<int> seen(24);
  for (uint64_t seed = 0; seed < 24000; ++seed) {
    const dataset::Permutation p(4, dataset::Random(seed));
    int code = 0;
    std::vector<uint64_t> left{0, 1, 2, 3};
    for (uint64_t i = 0; i < 4; ++i) {
      const auto at = std::find(left.begin(), left.end(), p.at(i)) - left.begin();
      code = code * static_cast<int>(4 - i) + static_cast<int>(at);
      left.erase(left.begin() + at);
    }
    ++seen[static_cast<size_t>(code)];
  }
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Dataset, ALargePermutationIsOne) {
  const uint64_t size = dataset::Permutation::kListed + 12345;
  const dataset::Permutation p(size, dataset::Random(3));
  std::vector<bool> seen(size);
  for (uint64_t i = 0; i < size; ++i) {
    ASSERT_LT(p.at(i), size);
    ASSERT_FALSE(seen[p.at(i)]);
    seen[p.at(i)] = true;
  }
}

// ---- State and threads, of random pipelines

Dataset random_stage(Dataset d, bool& batched) {
  const int choice = *rc::gen::inRange(0, batched ? 5 : 8);
  const auto seed = *rc::gen::inRange<uint64_t>(0, 100);
  const auto small = *rc::gen::inRange<uint64_t>(1, 30);
  switch (choice) {
    case 0: return d.repeat(*rc::gen::inRange<uint64_t>(1, 4));
    case 1: return d.shard(seed % 3, 3);
    case 2: return d.skip(small);
    case 3: return d.take(300 + small);
    case 4:
      return d.filter([seed](const TensorMap& x) -> Result<bool> {
        return std::get<DenseTensor>(x.find("n")->tensor).values<int64_t>()[0] % 5 != static_cast<int64_t>(seed % 5);
      });
    case 5: return d.shuffle(small * 5, seed);
    case 6: return d.shuffle(small, seed, false);
    default: return d.map([](TensorMap x) -> Result<TensorMap> { return x; });
  }
}

RC_GTEST_PROP(Dataset, AnyStateOfAnyPipelineGoesOnWithTheVeryNextBatch, ()) {
  Dataset d = Dataset::tensors(table(60));
  bool batched = false;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) d = random_stage(d, batched);
  if (*rc::gen::arbitrary<bool>()) {
    d = d.batch(*rc::gen::inRange(1, 20));
  } else {
    d = d.bucket_by_length("list", {1, 2}, {*rc::gen::inRange(1, 9), 4, 5});
  }
  batched = true;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) d = random_stage(d, batched);
  const bool ahead = *rc::gen::arbitrary<bool>();
  const Dataset one = d;
  if (ahead) d = d.prefetch(*rc::gen::inRange<uint64_t>(1, 6));
  RC_LOG() << d.describe();
  IterateOptions options;
  options.threads = *rc::gen::inRange(1, 4);
  options.epoch = *rc::gen::inRange<uint64_t>(0, 3);
  IterateOptions plain;
  plain.epoch = options.epoch;
  const Stream whole = run(one, plain);
  RC_ASSERT(run(d, options) == whole);
  for (size_t cut = 0; cut <= whole.size(); cut += 1 + whole.size() / 8) {
    auto it = d.iterate(options);
    RC_ASSERT(it.ok());
    TensorMap batch;
    for (size_t i = 0; i < cut; ++i) RC_ASSERT(*(*it)->next(batch));
    IterateOptions again;
    again.state = *(*it)->state();
    RC_ASSERT(run(d, again) == Stream(whole.begin() + static_cast<ptrdiff_t>(cut), whole.end()));
  }
}

TEST(Dataset, AStateWithItsNumbersChangedIsRefusedOrAPlace) {
  const Dataset d = Dataset::tensors(table(60)).shuffle(20, 1).repeat(2).batch(7);
  auto it = d.iterate();
  TensorMap batch;
  ASSERT_TRUE(*(*it)->next(batch));
  const std::string state = *(*it)->state();
  for (size_t i = 0; i < state.size(); ++i) {
    for (const char c : {'9', '"', '-', ']'}) {
      IterateOptions options;
      options.state = state;
      options.state[i] = c;
      auto again = d.iterate(options);
      if (again.ok()) rest_of(**again);
    }
  }
}

// ---- End, errors, cancellation

TEST(Dataset, TheEndStays) {
  auto it = *Dataset::tensors(table(4)).batch(4).prefetch(2).iterate();
  TensorMap batch;
  EXPECT_TRUE(*it->next(batch));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(*it->next(batch));
}

TEST(Dataset, TheFirstErrorComesBehindTheBatchesBeforeItAndStays) {
  const auto fail = [](TensorMap x) -> Result<TensorMap> {
    if (numbers(x)[0] == 8) return data_loss("no eights");
    return x;
  };
  for (const uint64_t ahead : {0, 3}) {
    auto it = *Dataset::tensors(table(20)).batch(4).map(fail).prefetch(ahead).iterate();
    TensorMap batch;
    EXPECT_TRUE(*it->next(batch));
    EXPECT_TRUE(*it->next(batch));
    for (int i = 0; i < 2; ++i) {
      const auto more = it->next(batch);
      ASSERT_FALSE(more.ok());
      EXPECT_EQ(more.status().message(), "no eights");
    }
    EXPECT_FALSE(it->state().ok());
  }
}

TEST(Dataset, AMistakeInAStageIsToldByAllThatFollow) {
  const Dataset d = Dataset::tensors(table(4)).batch(0).prefetch(2);
  EXPECT_FALSE(d.status().ok());
  EXPECT_FALSE(d.iterate().ok());
  EXPECT_FALSE(d.element_spec().ok());
  EXPECT_FALSE(Dataset().iterate().ok());
}

TEST(Dataset, DroppingAnIteratorStopsItsThreadsAtOnce) {
  for (const bool never : {false, true}) {
    Dataset d = Dataset::tensors(table()).repeat();
    if (never) d = d.filter([](const TensorMap&) -> Result<bool> { return false; });
    auto it = *d.batch(8).map([](TensorMap x) -> Result<TensorMap> { return x; }).prefetch(4).iterate();
    std::thread reader;
    TensorMap batch;
    if (!never) {
      ASSERT_TRUE(*it->next(batch));
    }
    const auto begin = std::chrono::steady_clock::now();
    it.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  }
}

TEST(Dataset, ASlowReaderHoldsTheThreadsBack) {
  std::atomic<int64_t> made = 0;
  class Endless : public RowProducer {
   public:
    explicit Endless(std::atomic<int64_t>& made) : made_(made) {}
    Result<bool> next(TensorMap& row) override {
      row.set("n", DenseTensor::scalar<int64_t>(made_++));
      return true;
    }

   private:
    std::atomic<int64_t>& made_;
  };
  const Dataset d = Dataset::rows([&](uint64_t) -> Result<std::unique_ptr<RowProducer>> { return std::make_unique<Endless>(made); },
                                  {{"n", TensorKind::dense, DType::int64, Shape{}, 0}});
  auto it = *d.batch(10).prefetch(3).iterate();
  TensorMap batch;
  ASSERT_TRUE(*it->next(batch));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(made.load(), 10 * 5);
}

// ---- Memory

#ifdef FERRY_COUNTS_ALLOCATIONS
// The fewest in any fifty batches: with threads, how many blocks are out at once settles when the system has happened to run them so.
int64_t allocations_of_fifty_batches(const Dataset& d, int threads) {
  IterateOptions options;
  options.threads = threads;
  auto it = *d.iterate(options);
  TensorMap batch;
  int64_t fewest = INT64_MAX;
  for (int round = 0; round < 20 && fewest > 0; ++round) {
    allocations = 0;
    counting = true;
    for (int i = 0; i < 50; ++i) {
      const auto more = it->next(batch);
      if (!more.ok() || !*more) std::abort();
    }
    counting = false;
    fewest = std::min(fewest, allocations.load());
  }
  return fewest;
}

TEST(Dataset, NothingIsAllocatedInTheSteadyState) {
  TensorMap all = table(4096), some;
  for (const char* name : {"n", "x", "word"}) EXPECT_TRUE(some.add(name, all.find(name)->tensor).ok());
  BatchOptions csr;
  csr.sparse = Layout::csr;
  const Dataset rows = Dataset::tensors(some).repeat();
  EXPECT_EQ(allocations_of_fifty_batches(rows.batch(64), 1), 0);
  EXPECT_EQ(allocations_of_fifty_batches(rows.shuffle(500, 1).batch(64, csr), 1), 0);
  EXPECT_EQ(allocations_of_fifty_batches(rows.shuffle(500, 1).batch(64).prefetch(4), 2), 0);
}
#endif

// ---- Rows as bytes

TEST(RowCode, EveryPrefixAndEveryFlippedBitIsAValueOrAnError) {
  TensorMap rows = table(4);
  const auto made = dataset::Table::make(rows);
  ASSERT_TRUE(made.ok());
  std::vector<dataset::Column> columns((*made)->columns().begin(), (*made)->columns().end());
  const auto decoder = dataset::row_code_decoder(columns);
  const auto scratch = decoder->new_scratch();
  BufferPool pool;
  std::vector<std::byte> code;
  dataset::append_row(**made, 2, code);
  const uint32_t first[1] = {0};
  const auto decode = [&](std::span<const std::byte> bytes) {
    dataset::RowBlock block;
    block.append({bytes, {}, false}, 1);
    TensorMap out;
    dataset::BadRow bad;
    const Status status = decoder->decode(block, first, {}, pool, scratch.get(), out, bad);
    if (status.ok()) {
      for (const auto& entry : out) EXPECT_TRUE(validate(entry.tensor, Validation::bounds).ok());
    }
    return status.ok();
  };
  ASSERT_TRUE(decode(code));
  // The last part may lack what it was filled up to eight bytes with.
  for (size_t size = 0; size + 8 <= code.size(); ++size) EXPECT_FALSE(decode(std::span(code).first(size))) << size;
  for (size_t bit = 0; bit < code.size() * 8; ++bit) {
    auto copy = code;
    copy[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    decode(copy);
  }
}

TEST(RowCode, RowsThatAreNotWhatWasSaidAreNamed) {
  const std::vector<ElementSpec> spec{{"a", TensorKind::dense, DType::float32, Shape{2}, 0}};
  class One : public RowProducer {
   public:
    explicit One(Tensor x) : x_(std::move(x)) {}
    Result<bool> next(TensorMap& row) override {
      if (given_) return false;
      row = {};
      FERRY_RETURN_IF_ERROR(row.add("a", x_));
      return given_ = true;
    }

   private:
    Tensor x_;
    bool given_ = false;
  };
  for (const Tensor& x : {Tensor(DenseTensor::of<float>(Shape{3}, {1, 2, 3})), Tensor(DenseTensor::of<int64_t>(Shape{2}, {1, 2}))}) {
    auto it = *Dataset::rows([&](uint64_t) -> Result<std::unique_ptr<RowProducer>> { return std::make_unique<One>(x); }, spec, "mine")
                   .batch(1)
                   .iterate();
    TensorMap batch;
    const auto more = it->next(batch);
    ASSERT_FALSE(more.ok());
    EXPECT_NE(more.status().message().find("mine: row 0: 'a'"), std::string_view::npos) << more.status().to_string();
  }
}

}  // namespace
}  // namespace ferry
