// What tf.train.Examples are to become, and the parser that makes it of them: one pass from the wire to columns.
//
//   auto features = schema_from_text("label:int64, ids:int64{*}, x:float32[28,28]=0");
//   auto parser = ExampleParser::make(*std::move(features));
//   TensorMap batch;                                  // keep it: the next call writes into its blocks
//   Status status = parser->parse(records, batch);    // a tensor for each feature, in their order
//
// The meaning is that of tf.io.parse_example and its kin, to the letter: docs/examples.md says where TensorFlow's letter hands
// out what is no tensor, and an error stands here instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"

namespace ferry {

class ThreadPool;
using RecordBytes = std::span<const std::byte>;

// How the values of a ragged feature are cut into rows, by another feature of the same record.
struct RaggedPartition {
  enum class Kind : uint8_t { row_splits, row_lengths, row_starts, row_limits, value_rowids, uniform_row_length };
  Kind kind = Kind::row_splits;
  std::string key;     // int64 values; none for uniform_row_length
  int64_t length = 0;  // of uniform_row_length
  friend bool operator==(const RaggedPartition&, const RaggedPartition&) = default;
};

// One feature of the result, as tf.io's classes of these names say it. A value; check() holds it against the rules.
struct FeatureSpec {
  enum class Kind : uint8_t {
    fixed_len,           // dense [batch, shape…]
    fixed_len_sequence,  // dense [batch, most steps, shape…], padded with the default; of a SequenceExample's list: a step each
    var_len,             // COO [batch, most values]
    sparse,              // COO [batch, shape…], coordinates from index_keys and values from value_key
    ragged,              // ragged [batch, …]; of a single Example without partitions: dense [values]
  };
  std::string name;  // of the feature, and of the tensor
  Kind kind = Kind::fixed_len;
  DType dtype = DType::float32;
  Shape shape;  // fixed_len, sparse: of a row; fixed_len_sequence: of a step
  // fixed_len: as many values as the shape has, for records without the feature; without it they are errors.
  // fixed_len_sequence: one value, the padding; without it 0 or "".
  std::optional<DenseTensor> default_value;
  bool allow_missing = false;               // fixed_len_sequence
  std::vector<std::string> index_keys;      // sparse: one an axis; or one for all axes, coordinates side by side
  std::string value_key;                    // sparse, ragged: empty is the name
  bool already_sorted = false;              // sparse: the entries stay in the order of the record
  std::vector<RaggedPartition> partitions;  // ragged: outermost first
  DType row_splits_dtype = DType::int64;    // ragged: int32 or int64

  static FeatureSpec fixed_len(std::string name, DType dtype, Shape shape = {}, std::optional<DenseTensor> default_value = {});
  static FeatureSpec fixed_len_sequence(std::string name, DType dtype, Shape shape = {}, std::optional<DenseTensor> padding = {});
  static FeatureSpec var_len(std::string name, DType dtype);
  static FeatureSpec sparse(std::string name, DType dtype, Shape shape, std::vector<std::string> index_keys, std::string value_key);
  static FeatureSpec ragged(std::string name, DType dtype, std::vector<RaggedPartition> partitions = {});

  const std::string& values_from() const { return value_key.empty() ? name : value_key; }
};

std::string_view kind_name(FeatureSpec::Kind kind);  // "FixedLenFeature", as tf.io spells it
std::optional<FeatureSpec::Kind> feature_kind_from_name(std::string_view name);

// NAME:DTYPE and what it becomes: [] [28,28] dense, [*] [*,3] ragged, [pad] [pad,3] dense and padded, {*} sparse as long as it
// comes, {1000} {3,4} sparse from NAME/indices (several axes: NAME/indices_0, _1 …) and NAME/values. "= 0" and "= \"none\"" give
// defaults. A name with a comma or a colon in it stands in double quotes.
Result<std::vector<FeatureSpec>> schema_from_text(std::string_view text);
// The text that reads back as these; unsupported where the text has no word for one (keys of other names).
Result<std::string> schema_text(std::span<const FeatureSpec> features);

// What the records of a file hold, by their own bytes.
enum class RecordContent : uint8_t {
  example,              // tf.train.Example
  sequence_example,     // tf.train.SequenceExample: it would parse as an Example too, and lose its lists
  examples_in_context,  // tensorflow.serving.ExampleListWithContext
  other,
};
std::string_view content_name(RecordContent content);  // "Example", "SequenceExample", …

struct InferredFeature {
  FeatureSpec spec;      // fixed_len where every record has as many values, else ragged; sparse for parts of one sparse tensor
  bool is_list = false;  // a feature list of SequenceExamples: fixed_len_sequence where every step has as many values
  int64_t records = 0;   // that have it
  int64_t min_values = 0, max_values = 0, values = 0;  // of a record, or of a step; of all
  int64_t max_steps = 0;                               // of a list
  std::string conflict;                                // why no one spec reads all records; empty where one does
};
struct InferredFeatures {
  RecordContent content = RecordContent::other;
  int64_t records = 0;
  std::vector<InferredFeature> features;  // in the order in which they were first seen; the context first
  std::vector<InferredFeature> examples;  // of examples_in_context: those of the examples
  std::vector<FeatureSpec> specs(bool lists = false) const;
};

// Looks at records one by one; memory is that of the features. Not thread-safe.
class FeatureInference {
 public:
  explicit FeatureInference(const Limits& limits = {});
  FeatureInference(FeatureInference&&) noexcept;
  ~FeatureInference();
  // data_loss where the record is none of RecordContent's messages, or another one than those before.
  Status add(RecordBytes record);
  InferredFeatures finish() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
Result<InferredFeatures> infer_features(std::span<const RecordBytes> records, const Limits& limits = {});

// What comes out for a feature before any record is seen; -1 where only records can tell.
struct FeatureOutput {
  TensorKind kind = TensorKind::dense;
  DType dtype = DType::float32;
  Shape shape;
  size_t ragged_rank = 0;
  DType row_splits_dtype = DType::int64;
};
FeatureOutput output_of(const FeatureSpec& feature, bool batch);

struct ParseOptions {
  ThreadPool* threads = nullptr;            // splits a batch; the result is the same
  std::span<const std::string_view> names;  // of the records, for error messages: none or one each
  int64_t* failed = nullptr;                // set to the record that an error is about; -1 where it is about none
};

// tf.io.parse_example and parse_single_example. Thread-safe; errors of records are invalid_argument and name record and feature.
class ExampleParser {
 public:
  // invalid_argument where the features contradict one another. Compiles the table of keys.
  static Result<ExampleParser> make(std::vector<FeatureSpec> features, const Limits& limits = {});
  ExampleParser(ExampleParser&&) noexcept;
  ExampleParser& operator=(ExampleParser&&) noexcept;
  ~ExampleParser();

  const std::vector<FeatureSpec>& features() const;

  // `out` becomes the features in order. What it held is let go, and blocks that nobody else holds are written again: a caller
  // that hands in the batch before it causes no allocation once sizes have settled. After an error it holds no tensors.
  Status parse(std::span<const RecordBytes> records, TensorMap& out, const ParseOptions& options = {}) const;
  Status parse(const StringsView& records, TensorMap& out, const ParseOptions& options = {}) const;
  // One record, without the axis of the batch.
  Status parse_single(RecordBytes record, TensorMap& out, const ParseOptions& options = {}) const;

  Result<TensorMap> parse(std::span<const RecordBytes> records, const ParseOptions& options = {}) const;
  Result<TensorMap> parse_single(RecordBytes record, const ParseOptions& options = {}) const;

 private:
  struct Impl;
  explicit ExampleParser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A batch of SequenceExamples: the context has a row for each record, a feature list one for each record and step.
struct ParsedSequences {
  TensorMap context;
  TensorMap lists;    // dense [batch, most steps, shape…], COO [batch, most steps, most values], ragged [batch, (steps), (values), …]
  TensorMap lengths;  // int64 [batch] for each dense list: its steps
};

// tf.io.parse_sequence_example and parse_single_sequence_example. Thread-safe.
class SequenceExampleParser {
 public:
  // Context: fixed_len, var_len, ragged. Lists: fixed_len_sequence (padded with 0 or ""), var_len, ragged. One may be empty.
  static Result<SequenceExampleParser> make(std::vector<FeatureSpec> context, std::vector<FeatureSpec> lists, const Limits& limits = {});
  SequenceExampleParser(SequenceExampleParser&&) noexcept;
  SequenceExampleParser& operator=(SequenceExampleParser&&) noexcept;
  ~SequenceExampleParser();

  const std::vector<FeatureSpec>& context() const;
  const std::vector<FeatureSpec>& lists() const;

  Result<ParsedSequences> parse(std::span<const RecordBytes> records, const ParseOptions& options = {}) const;
  Result<ParsedSequences> parse_single(RecordBytes record, const ParseOptions& options = {}) const;

 private:
  struct Impl;
  explicit SequenceExampleParser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A batch of tensorflow.serving.ExampleListWithContext: one context and a list of Examples in each record.
struct ParsedExampleLists {
  TensorMap context;   // a row for each record
  TensorMap examples;  // [batch, (examples), …] ragged or COO; with a list_size [batch, list_size, …] as parse_example has them
  DenseTensor sizes;   // int64 [batch]: the examples of each record
};

// Thread-safe.
class ExampleListParser {
 public:
  // The features of the context and of the examples; one may be empty. With a `list_size` each list is cut to that many examples,
  // or filled up with Examples that hold nothing (whose fixed_len features need a default), as TF-Ranking does.
  static Result<ExampleListParser> make(std::vector<FeatureSpec> context, std::vector<FeatureSpec> examples,
                                        std::optional<int64_t> list_size = std::nullopt, const Limits& limits = {});

  Result<ParsedExampleLists> parse(std::span<const RecordBytes> records, const ParseOptions& options = {}) const;

 private:
  ExampleListParser() = default;
  std::optional<ExampleParser> context_, examples_;
  std::optional<int64_t> list_size_;
  Limits limits_;
};

}  // namespace ferry
