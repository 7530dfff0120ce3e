#include <gtest/gtest.h>

#include "ferry/features.h"
#include "records/example_language_test.h"

namespace ferry {
namespace {

using namespace example_language;

std::string schema_of(const std::vector<FeatureSpec>& specs) {
  const auto text = schema_text(specs);
  return text.ok() ? *text : text.status().to_string();
}

TEST(InferFeatures, UniformRowsAreFixedAndTheRestRagged) {
  const auto found =
      infer_features(bytes_of({example({{"label", ints({1})}, {"x", floats({1, 2})}, {"ids", ints({4, 5})}}),
                               example({{"label", ints({0})}, {"x", floats({3, 4})}, {"ids", ints({4})}, {"late", strings({"s"})}})}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(found->content, RecordContent::example);
  EXPECT_EQ(schema_of(found->specs()), "label:int64, x:float32[2], ids:int64[*], late:string[*]");
  EXPECT_EQ(found->features[2].max_values, 2);
  EXPECT_EQ(found->features[3].records, 1);
}

TEST(InferFeatures, SequenceExamplesAreToldByTheirLists) {
  const auto found = infer_features(
      bytes_of({example({{"id", ints({1})}}),
                sequence({{"id", ints({2})}}, {{"tokens", {ints({1}), ints({2})}}, {"words", {strings({"a", "b"}), strings({})}}})}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(found->content, RecordContent::sequence_example);
  EXPECT_EQ(schema_of(found->specs()), "id:int64");
  EXPECT_EQ(schema_of(found->specs(true)), "tokens:int64[pad], words:string[*]");
}

TEST(InferFeatures, PartsOfASparseTensorAreOneFeature) {
  const auto found =
      infer_features(bytes_of({example({{"w/indices", ints({1, 7})}, {"w/values", floats({1, 2})}, {"w/dense_shape", ints({10})}}),
                               example({{"w/indices", ints({0})}, {"w/values", floats({3})}, {"w/dense_shape", ints({10})}})}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(schema_of(found->specs()), "w:float32{10}");
}

TEST(InferFeatures, ExamplesInAContextAreToldFromSequenceExamples) {
  const std::string one = example({{"doc", ints({1})}}), context = example({{"query", strings({"q"})}});
  const auto found = infer_features(bytes_of({field(1, one) + field(1, one) + field(2, context)}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(found->content, RecordContent::examples_in_context);
  EXPECT_EQ(schema_of(found->specs()), "query:string");
  ASSERT_EQ(found->examples.size(), 1u);
  EXPECT_EQ(found->examples[0].spec.name, "doc");
}

TEST(InferFeatures, TwoKindsUnderOneNameAreAConflictThatNamesTheRecord) {
  const auto found = infer_features(bytes_of({example({{"x", ints({1})}}), example({{"x", floats({1})}})}));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->features[0].conflict, "record 1 has a float_list, those before a int64_list");
}

TEST(InferFeatures, OtherBytesAreDataLoss) {
  EXPECT_EQ(infer_features(bytes_of({"hello, this is text"})).status().code(), StatusCode::data_loss);
}

}  // namespace
}  // namespace ferry
