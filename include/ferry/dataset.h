// Dataset: a stream of TensorMap batches from files and tensors, larger than memory.
//
//   Dataset ds = Dataset::records({"train-*.tfrecord"}, specs).shuffle(10'000, 1).batch(1024).prefetch(2);
//   FERRY_ASSIGN_OR_RETURN(auto it, ds.iterate());
//   TensorMap batch;
//   for (;;) {
//     FERRY_ASSIGN_OR_RETURN(const bool more, it->next(batch));
//     if (!more) break;
//     …
//   }
//
// Before batch() a dataset is a stream of rows, and a row is a byte string: a serialized Example, a line of text, a row of a
// table. Stages before batch() move these bytes and decode nothing; batch() hands many of them to one decoder, on several
// threads where prefetch() asks for that. After batch() it is a stream of TensorMaps. Iterating over rows that were not batched
// gives each as a TensorMap without the axis of the batch.
//
// The order depends on the data, the stages and their seeds only: never on threads or timing. docs/dataset.md
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/features.h"
#include "ferry/limits.h"
#include "ferry/shape.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"

namespace ferry {

// What one tensor of every element is.
struct ElementSpec {
  std::string name;
  TensorKind kind = TensorKind::dense;
  DType dtype = DType::float32;
  Shape shape;             // -1: differs from element to element (the last batch is smaller) or from row to row
  size_t ragged_rank = 0;  // ragged: how many levels of row_splits, which are int64
  friend bool operator==(const ElementSpec&, const ElementSpec&) = default;
};

// How rows become a batch. What is sparse in the row is COO or CSR, what differs in length ragged or padded.
struct BatchOptions {
  bool drop_remainder = false;                          // leave out a last batch of fewer rows
  Layout sparse = Layout::coo;                          // CSR: of rows with one axis
  bool pad = false;                                     // ragged tensors become dense, as wide as the longest row of the batch
  double padding = 0;                                   // what they are filled with; strings with ""
  std::vector<std::pair<std::string, int64_t>> widths;  // padded to this width instead; longer rows are cut
};

enum class OnError : uint8_t {
  stop,  // the first error ends the stream
  skip,  // damaged rows are left out, counted and logged; the order of the others stays as if they had never been
};

struct IterateOptions {
  int threads = 0;     // that decode, where prefetch() is used; 0: one for each core
  uint64_t epoch = 0;  // which pass over the data this is, for shuffles that differ from pass to pass
  OnError on_error = OnError::stop;
  std::string state;                          // of state(): goes on with the very next batch; epoch is then taken from it
  std::function<void(std::string_view)> log;  // one sentence for each row or file left out; called in next()
  Limits limits;
};

// One pass over a Dataset. Not thread-safe. Destroying one stops its threads at once.
class DatasetIterator {
 public:
  virtual ~DatasetIterator() = default;
  // False at the end, which stays. The memory of `out` and of the batch in it is used again where nothing else holds it: with a
  // map that is kept from call to call, no call allocates in the steady state. The first error stays.
  virtual Result<bool> next(TensorMap& out) = 0;
  // JSON: iterate() with it goes on after the batch that next() gave last, in this process or another.
  virtual Result<std::string> state() const = 0;
  virtual uint64_t skipped() const = 0;  // rows left out so far with OnError::skip
  virtual Result<std::vector<ElementSpec>> element_spec() const = 0;
};

// Rows that someone else makes, in order: a generator, a database cursor.
class RowProducer {
 public:
  virtual ~RowProducer() = default;
  // The next row, its tensors without an axis for the batch. False at the end.
  virtual Result<bool> next(TensorMap& row) = 0;
};
// Tables of rows that someone else makes: record batches, shards.
using TableProducer = RowProducer;  // each map's tensors have one number of rows

// Text of lines `label index:value …`: x, y, and qid where the first row has one.
struct LibsvmOptions {
  int64_t columns = -1;  // of x; -1: a look through all files finds out
  int64_t base = -1;     // the index of the first column, 0 or 1; -1: the same look finds out
  DType dtype = DType::float32, label_dtype = DType::float32;
};

// Comma- or tab-separated text.
struct CsvOptions {
  enum class Kind : uint8_t { automatic, table, pairs };
  Kind kind = Kind::automatic;  // by the header; tables have a tensor a column, pairs (row, column, …, value) a sparse row
  char delimiter = ',';
  std::optional<bool> header;                         // whether the first line is one; without: where something in it is no number
  std::vector<std::pair<std::string, DType>> dtypes;  // of columns by name; the others by what the first thousand rows look like
  std::optional<double> missing;                      // what an empty number is; without: NaN in floats, an error in integers
  Shape shape;                                        // pairs: of a row; without: a look through all files finds out
  int64_t base = 0;                                   // pairs: the first index
};

// Tab-separated lines as those of the Criteo data: a label, `numbers` integers, `categories` words; any but the label may be missing.
//   hash of word w in column c (from 0) = FNV-1a, 64 bits, over the byte c and then the bytes of w, mixed: docs/dataset.md
//   id = 0 where it is missing, else 1 + hash mod (width - 1)
struct CriteoOptions {
  int64_t numbers = 13, categories = 26;
  int64_t width = int64_t{1} << 20;  // ids are less than this
  double missing = 0;                // what a missing number is
  bool logarithm = false;            // numbers x become log(1 + x), below 0 they become 0
  bool sparse = false;               // one sparse row of `width` columns that counts the words, instead of a list of ids
  bool label = true;                 // the first field is the label
};

class RowPlan;
class BatchPlan;

// An immutable description; copying copies pointers. Stages give a new Dataset. What is wrong with one of them is kept and told by
// status() and iterate(). Thread-safe.
class Dataset {
 public:
  using MapFunction = std::function<Result<TensorMap>(TensorMap)>;
  using FilterFunction = std::function<Result<bool>(const TensorMap&)>;

  Dataset() = default;  // nothing at all
  explicit Dataset(Status error) : status_(std::move(error)) {}

  // ---- Sources

  // The rows of tensors in memory, which share axis 0.
  static Dataset tensors(TensorMap tensors);
  // Files of records (TFRecord) that hold tf.train.Examples, compressed or not. Paths may be globs. Without features the first
  // thousand records say what is in all.
  static Dataset records(const std::vector<std::string>& paths, std::vector<FeatureSpec> features = {});
  static Dataset record_bytes(const std::vector<std::string>& paths);  // the records as they are: one string tensor, "record"
  // Lines of text files, compressed or not.
  static Dataset libsvm(const std::vector<std::string>& paths, LibsvmOptions options = {});
  static Dataset csv(const std::vector<std::string>& paths, CsvOptions options = {});
  static Dataset criteo(const std::vector<std::string>& paths, CriteoOptions options = {});
  // Files of tensors that share axis 0, of any format: their rows, with one file in memory at a time.
  static Dataset shards(const std::vector<std::string>& paths, std::string format = "");
  // The rows of what `open` gives for each pass. `spec` says what a row is, without the axis of the batch.
  static Dataset rows(std::function<Result<std::unique_ptr<RowProducer>>(uint64_t pass)> open, std::vector<ElementSpec> spec,
                      std::string name = "<rows>");
  // The same for tables of rows.
  static Dataset tables(std::function<Result<std::unique_ptr<TableProducer>>(uint64_t pass)> open, std::vector<ElementSpec> spec,
                        std::string name = "<tables>");

  // ---- Stages on rows

  // Keeps `buffer` rows and gives a random one of them; 0: all rows in random order, for sources that can go to any row.
  // Without a seed one is drawn, and kept in the state.
  Dataset shuffle(uint64_t buffer, std::optional<uint64_t> seed = std::nullopt, bool reshuffle = true) const;
  // Takes `block` rows from each of `cycle` files in turn. Stands right after the source.
  Dataset interleave(uint64_t cycle, uint64_t block = 1) const;
  Dataset batch(int64_t size, BatchOptions options = {}) const;
  // Batches of rows of similar length: those whose `feature` has up to boundaries[i] values go to bucket i, the rest to the
  // last. sizes: of the batches of each bucket, one more than boundaries.
  Dataset bucket_by_length(std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes,
                           BatchOptions options = {}) const;
  // Rows as they come are written to `path` in the first whole pass and read from there later, as long as sources and stages are
  // the same.
  Dataset cache(std::string path) const;

  // ---- Stages on rows or batches, whichever the dataset is of. Rows are decoded for map and filter, and encoded again by map.

  Dataset map(MapFunction function, std::string name = "map") const;
  Dataset filter(FilterFunction function, std::string name = "filter") const;
  Dataset repeat(std::optional<uint64_t> count = std::nullopt) const;  // without a count: for ever
  Dataset shard(uint64_t index, uint64_t count) const;                 // every count-th one, beginning with index
  Dataset skip(uint64_t count) const;
  Dataset take(uint64_t count) const;
  // Up to `count` batches are made ahead, by threads of their own.
  Dataset prefetch(uint64_t count) const;

  // ---- Use

  const Status& status() const { return status_; }
  // What next() gives. Sources that say nothing of themselves are looked into.
  Result<std::vector<ElementSpec>> element_spec() const;
  bool is_batched() const { return batches_ != nullptr; }
  // Elements in one pass, where that is known without reading one.
  std::optional<uint64_t> size() const;
  // One line a stage, the source first.
  std::string describe() const;
  Result<std::unique_ptr<DatasetIterator>> iterate(const IterateOptions& options = {}) const;

  // For sources and stages of other parts of the library.
  static Dataset of(std::shared_ptr<const RowPlan> rows);
  const std::shared_ptr<const RowPlan>& row_plan() const { return rows_; }
  const std::shared_ptr<const BatchPlan>& batch_plan() const { return batches_; }

 private:
  Dataset with(std::shared_ptr<const RowPlan> rows) const;
  Dataset with(std::shared_ptr<const BatchPlan> batches) const;
  Dataset failed(Status status) const;
  Status status_;
  std::shared_ptr<const RowPlan> rows_;
  std::shared_ptr<const BatchPlan> batches_;
};

// The paths that sources make of theirs: globs become the files that fit, in the order of their names.
Result<std::vector<std::string>> expand_dataset_paths(std::span<const std::string> patterns);

}  // namespace ferry
