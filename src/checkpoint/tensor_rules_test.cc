// Rules files: what they make of tensors, and what they are refused for.
#include "checkpoint/tensor_rules.h"

#include <gtest/gtest.h>

#include "checkpoint/glob.h"
#include "checkpoint/transformed_reader.h"
#include "ferry/rearrange.h"
#include "ferry/sparse.h"

namespace ferry {
namespace {

TensorMap some() {
  TensorMap out;
  const auto add = [&](std::string name, Tensor tensor) { EXPECT_TRUE(out.add(std::move(name), std::move(tensor)).ok()); };
  add("block1/qkv", DenseTensor::of<float>(Shape{2, 6}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  add("block1/qkv/Adam", DenseTensor::of<float>(Shape{2, 6}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  for (const int i : {1, 2, 10}) add(concat("experts_", i, "/w"), DenseTensor::of<int32_t>(Shape{2}, {i, -i}));
  add("words", DenseTensor::of_strings(Shape{2, 2}, {"a", "bb", "", "d"}));
  add("scalar", DenseTensor::scalar<double>(2.5));
  add("none", DenseTensor::of<int64_t>(Shape{0, 3}, {}));
  add("global_step", DenseTensor::scalar<int64_t>(7));
  return out;
}

Result<TensorMap> ruled(const std::string& rules, TensorMap tensors = some()) {
  FERRY_ASSIGN_OR_RETURN(const TensorRules parsed, TensorRules::parse(rules, "r.txt"));
  const auto reader = reader_of(std::move(tensors));
  TransformedReader out(*reader);
  FERRY_RETURN_IF_ERROR(out.apply(parsed));
  for (size_t i = 0; i < out.tensors().size(); ++i) {
    const auto tensor = out.read(i);
    EXPECT_TRUE(tensor.ok()) << tensor.status().to_string();
    if (!tensor.ok()) continue;
    const TensorInfo& info = out.tensors()[i];
    EXPECT_EQ(info.kind, kind_of(*tensor)) << info.name;
    EXPECT_EQ(info.dtype, dtype_of(*tensor)) << info.name;
    EXPECT_TRUE(info.shape == shape_of(*tensor)) << info.name << info.shape.to_string() << shape_of(*tensor).to_string();
  }
  return read_tensors(out);
}

std::string names(const Result<TensorMap>& tensors) {
  if (!tensors.ok()) return tensors.status().to_string();
  std::string out;
  for (const auto& entry : *tensors) out += concat(out.empty() ? "" : " ", entry.name);
  return out;
}

std::string refusal(const std::string& rules) {
  const auto out = ruled(rules);
  return out.ok() ? "accepted" : std::string(out.status().message());
}

template <class T>
std::vector<T> values(const Result<TensorMap>& tensors, std::string_view name) {
  if (!tensors.ok() || tensors->find(name) == nullptr) return {};
  const auto span = std::get<DenseTensor>(tensors->find(name)->tensor).template values<T>();
  return {span.begin(), span.end()};
}

TEST(TensorRules, DropSelectAndRename) {
  EXPECT_EQ(names(ruled("drop role:slot role:counter words")), "block1/qkv experts_1/w experts_2/w experts_10/w scalar none");
  EXPECT_EQ(names(ruled("# only these\n  select experts_*/w\r\n\nrename experts_([0-9]+)=e\\1\n")), "e1/w e2/w e10/w");
  EXPECT_EQ(names(ruled("select \"scalar\"\nscalar=s")), "s");
  EXPECT_EQ(names(ruled("select role:counter")), "global_step");
  EXPECT_EQ(names(ruled("drop *\n")), "");
  EXPECT_EQ(names(ruled("")), names(some()));
}

TEST(TensorRules, SplitThenMergeGivesItBack) {
  const auto pieces = ruled("select block1/qkv words\nsplit */qkv axis=-1 into */q */k=1 */v=3");
  EXPECT_EQ(names(pieces), "block1/q block1/k block1/v words");
  EXPECT_EQ(values<float>(pieces, "block1/q"), (std::vector<float>{0, 1, 6, 7}));
  EXPECT_EQ(values<float>(pieces, "block1/k"), (std::vector<float>{2, 8}));
  const auto whole = ruled("concat */q */k */v axis=1 into */qkv", *pieces);
  ASSERT_TRUE(whole.ok()) << whole.status().to_string();
  EXPECT_TRUE(identical(whole->find("block1/qkv")->tensor, some().find("block1/qkv")->tensor));
  const auto strings = ruled("select words\nsplit words axis=1 into a b\nconcat a b axis=1 into words");
  EXPECT_TRUE(identical(strings->find("words")->tensor, some().find("words")->tensor));
  EXPECT_EQ(names(ruled("select none\nsplit none axis=0 into a b=0")), "a b");
}

TEST(TensorRules, StackGoesByNumber) {
  const auto out = ruled("select experts*\nstack experts_*/w axis=0 into experts/w");
  EXPECT_EQ(values<int32_t>(out, "experts/w"), (std::vector<int32_t>{1, -1, 2, -2, 10, -10}));
  EXPECT_EQ(shape_of(out->find("experts/w")->tensor), (Shape{3, 2}));
  const auto last = ruled("select experts*\nstack experts_*/w axis=-1 into w");
  EXPECT_EQ(values<int32_t>(last, "w"), (std::vector<int32_t>{1, 2, 10, -1, -2, -10}));
}

TEST(TensorRules, TransposeReshapeCast) {
  const auto out = ruled(
      "select block1/qkv words scalar none\ntranspose block1/qkv words to 1,0\nreshape block1/qkv to 3,-1\nreshape scalar to 1,1\n"
      "transpose none scalar\ncast scalar to float16\n");
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_EQ(shape_of(out->find("block1/qkv")->tensor), (Shape{3, 4}));
  EXPECT_EQ(values<float>(out, "block1/qkv"), (std::vector<float>{0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11}));
  EXPECT_EQ(std::get<DenseTensor>(out->find("words")->tensor).strings()[1], "");
  EXPECT_EQ(dtype_of(out->find("scalar")->tensor), DType::float16);
  EXPECT_EQ(shape_of(out->find("none")->tensor), (Shape{3, 0}));
  EXPECT_EQ(shape_of(ruled("select scalar\nreshape scalar to []")->find("scalar")->tensor), Shape{});
}

TEST(TensorRules, SparseTensorsStaySparse) {
  const auto sparse = SparseTensor::coo(Shape{4, 3}, DenseTensor::of<int64_t>(Shape{3, 2}, {0, 1, 2, 2, 3, 0}),
                                        DenseTensor::of<float>(Shape{3}, {1, 2, 3}), {true, true});
  ASSERT_TRUE(sparse.ok());
  TensorMap tensors;
  ASSERT_TRUE(tensors.add("x", *sparse).ok());
  ASSERT_TRUE(tensors.add("r", *to_layout(*sparse, Layout::csr)).ok());
  const auto out = ruled("transpose * to 1,0\nsplit x axis=1 into a b\nconcat a b axis=1 into x\ntranspose x r", tensors);
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_TRUE(same_values(std::get<SparseTensor>(out->find("x")->tensor), *sparse));
  EXPECT_EQ(kind_of(out->find("r")->tensor), TensorKind::csr);
  const auto stacked = ruled("stack x r axis=0 into s", tensors);
  EXPECT_FALSE(stacked.ok());
  const auto reshaped = ruled("reshape * to 12", tensors);
  EXPECT_EQ(kind_of(reshaped->find("r")->tensor), TensorKind::coo);
}

TEST(TensorRules, RefusalsNameTheLine) {
  EXPECT_EQ(refusal("\nfold x"),
            "r.txt:2: 'fold' is no verb, expected select, drop, rename, transpose, reshape, cast, split, concat, stack or REGEX=NAME");
  EXPECT_EQ(refusal("cast * to floaty"), "r.txt:1: expected: cast PATTERN to DTYPE; there is no dtype 'floaty'");
  EXPECT_EQ(refusal("# a\nselect wrods"),
            "r.txt:2: no tensor is named 'wrods'; there is 'block1/qkv', 'block1/qkv/Adam', 'experts_1/w', …");
  EXPECT_EQ(refusal("select? wrods"), "accepted");
  EXPECT_EQ(refusal("transpose block1/qkv to 0,0"),
            "tensor block1/qkv: r.txt:1: the permutation [0, 0] does not name each axis of [2, 6] once");
  EXPECT_EQ(refusal("reshape block1/qkv to 5,-1"),
            "tensor block1/qkv: r.txt:1: shape [2, 6] cannot become [5, -1]: they do not have as many elements");
  EXPECT_EQ(refusal("cast words to int32").substr(0, 22), "tensor words: r.txt:1:");
  EXPECT_EQ(refusal("split */qkv axis=1 into */q"), "accepted");
  EXPECT_NE(refusal("split */qkv axis=1 into */q=4 */k=4").find("r.txt:1: tensor 'block1/qkv' of shape [2, 6] has 6 places"),
            std::string::npos);
  EXPECT_NE(refusal("split */qkv into q k").find("has fewer stars"), std::string::npos);
  EXPECT_NE(refusal("split words into */q */k").find("has more stars"), std::string::npos);
  EXPECT_NE(refusal("split words axis=2 into q k").find("has no axis 2"), std::string::npos);
  EXPECT_NE(refusal("concat words scalar into x").find("does not fit"), std::string::npos);
  EXPECT_NE(refusal("stack role:slot into x").find("give a pattern of names"), std::string::npos);
  EXPECT_NE(refusal("drop role:slots").find("there is no role 'slots'"), std::string::npos);
  EXPECT_NE(refusal("select \"words").find("does not end"), std::string::npos);
  EXPECT_NE(refusal("rename experts_[0-9]+=e").find("two tensors would be named 'e/w'; change the rules"), std::string::npos);
  EXPECT_NE(refusal("rename (=e").find("r.txt:1: "), std::string::npos);
  EXPECT_NE(refusal("reshape words to -1,-1").find("is no shape"), std::string::npos);
  EXPECT_NE(refusal("transpose words to 1,").find("no list"), std::string::npos);
}

TEST(TensorRules, AMergeWithoutOneOfItsPartsIsRefused) {
  TensorMap tensors;
  for (const char* name : {"a/q", "a/k", "b/q"}) ASSERT_TRUE(tensors.add(name, DenseTensor::of<float>(Shape{1}, {1})).ok());
  const auto out = ruled("concat */q */k into */qk", tensors);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().message(), "r.txt:1: for 'b/qk' there is 'b/q' and no tensor like '*/k'");
}

TEST(TensorRules, LongChainsAreRefusedNotRecursed) {
  std::string rules;
  for (int i = 0; i < 2000; ++i) rules += "transpose block1/qkv\n";
  EXPECT_NE(refusal(rules).find("more than 1000 steps"), std::string::npos);
}

TEST(Glob, StarsTakeAsLittleAsTheyCan) {
  EXPECT_EQ(match_stars("*/*", "a/b/c"), (std::vector<std::string_view>{"a", "b/c"}));
  EXPECT_EQ(match_stars("x*", "x"), (std::vector<std::string_view>{""}));
  EXPECT_FALSE(match_stars("*/k", "a/kk"));
  EXPECT_TRUE(before_by_number("l2/x", "l10/x"));
  EXPECT_FALSE(before_by_number("l10/x", "l2/x"));
  EXPECT_FALSE(before_by_number("l2", "l2"));
  EXPECT_TRUE(before_by_number("l02", "l2"));
}

// Reading needs one tensor at a time; what is dropped is never read.
TEST(TransformedReader, ReadsOnlyWhatIsAsked) {
  class Counting : public TensorReader {
   public:
    Counting() : inner_(reader_of(some())) {}
    std::span<const TensorInfo> tensors() const override { return inner_->tensors(); }
    Result<Tensor> read(size_t i) const override {
      ++reads;
      return inner_->read(i);
    }
    mutable int reads = 0;

   private:
    std::unique_ptr<TensorReader> inner_;
  } inner;
  TransformedReader out(inner);
  ASSERT_TRUE(
      out.apply(*TensorRules::parse("drop words\ntranspose block1/qkv\nsplit block1/qkv axis=0 into a b\nstack experts_*/w into e")).ok());
  EXPECT_EQ(inner.reads, 0);
  ASSERT_TRUE(out.read(0).ok());
  EXPECT_EQ(inner.reads, 1);
  EXPECT_EQ(out.origins(3), (std::vector<size_t>{2, 3, 4}));
  EXPECT_FALSE(out.is_unchanged(0));
}

}  // namespace
}  // namespace ferry
