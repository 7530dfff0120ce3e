#include "cli/text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/element_text.h"
#include "cli/json_text.h"
#include "cli/value_text.h"

namespace ferry::cli {
namespace {

std::string element(const DenseTensor& x, int64_t i = 0) {
  std::string out;
  element_text(x.dtype())(out, x, i);
  return out;
}

TEST(Text, ControlBytesAndBrokenUtf8AreEscaped) {
  EXPECT_EQ(printable("a\x1b[2J\x07"), "a\\x1b[2J\\x07");
  EXPECT_EQ(printable("größe"), "größe");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // a C1 control: "[" with ESC, to some terminals
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(display_name(""), "(root)");
}
TEST(Text, SizesArePowersOf1024) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes((1u << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
}
TEST(Text, ASwapOfNeighboursIsOneSlip) {
  EXPECT_EQ(edit_distance("inspect", "inspcet"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}
TEST(Text, OnlyNearMissesAreOffered) {
  constexpr std::string_view kWords[] = {"inspect", "cat", "convert"};
  EXPECT_EQ(did_you_mean("conver", kWords), " (did you mean 'convert'?)");
  EXPECT_EQ(did_you_mean("cta", kWords), " (did you mean 'cat'?)");
  EXPECT_EQ(did_you_mean("serve", kWords), "");
  EXPECT_EQ(did_you_mean("z", kWords), "");
  EXPECT_EQ(did_you_mean(std::string(100'000, 'x'), kWords), "");
}
TEST(Text, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"NAME", ">N"});
  table.add({"größe", "7"});
  table.add({"x", "1000"});
  Printer out;
  table.print(out, false);
  EXPECT_EQ(out.kept(), "NAME      N\ngröße     7\nx      1000\n");
}

TEST(Json, IsStrict) {
  Printer out;
  JsonText(out)
      .begin_object()
      .member("a\"\n", "\xff\x01")
      .member("n", 0.5)
      .member("i", INT64_MIN)
      .key("l")
      .begin_list()
      .number(NAN)
      .boolean(true)
      .end_list()
      .end_object();
  EXPECT_EQ(out.kept(), "{\"a\\\"\\n\":\"\xef\xbf\xbd\\u0001\",\"n\":0.5,\"i\":-9223372036854775808,\"l\":[null,true]}");
}

TEST(Element, HasTheFewestDigitsThatGiveItBack) {
  EXPECT_EQ(element(DenseTensor::of<float>(Shape{}, {0.1f})), "0.1");
  EXPECT_EQ(element(DenseTensor::of<double>(Shape{}, {1e300})), "1e+300");
  EXPECT_EQ(element(DenseTensor::of<float>(Shape{}, {-2.f})), "-2.0");
  EXPECT_EQ(element(DenseTensor::of<Half>(Shape{}, {Half(0.1f)})), "0.1");
  EXPECT_EQ(element(DenseTensor::of<BFloat16>(Shape{}, {BFloat16(3.14f)})), "3.14");
  EXPECT_EQ(element(DenseTensor::of<Float8E4M3FN>(Shape{}, {Float8E4M3FN(448.f)})), "448.0");
  EXPECT_EQ(element(DenseTensor::of<float>(Shape{}, {-INFINITY})), "-inf");
  EXPECT_EQ(element(DenseTensor::of<bool>(Shape{}, {true})), "True");
  EXPECT_EQ(element(DenseTensor::of<Int4>(Shape{}, {Int4(-8)})), "-8");
  EXPECT_EQ(element(DenseTensor::of<std::complex<float>>(Shape{}, {{1.f, -2.5f}})), "(1.0-2.5j)");
  EXPECT_EQ(element(DenseTensor::of_strings(Shape{1}, {"a\"\x01\n\xff"})), "\"a\\\"\\x01\\n\\xff\"");
}

std::string printed(const Tensor& x, int64_t limit = INT64_MAX) {
  Printer out;
  print_values(out, x, limit);
  return out.kept();
}

TEST(Values, DenseIsNestedInColumns) {
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{2, 2}, {1, 2, 30, 4})), "[[ 1  2]\n [30  4]]\n");
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{2, 1, 2}, {1, 2, 3, 4})), "[[[1 2]]\n\n [[3 4]]]\n");
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{}, {7})), "7\n");
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{2, 0}, {})), "[[]\n []]\n");
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{4}, {1, 2, 3, 4}), 2), "[1 2 …]\n");
}
TEST(Values, ManyEmptyRowsKeepTheLimit) {
  EXPECT_EQ(printed(DenseTensor::of<int32_t>(Shape{int64_t{1} << 40, 0}, {}), 2), "[[]\n []\n …]\n");
}
TEST(Values, SparseIsOneLineAnEntry) {
  const auto csc = SparseTensor::csc(Shape{2, 3}, DenseTensor::of<int32_t>(Shape{4}, {0, 1, 1, 2}),
                                     DenseTensor::of<int32_t>(Shape{2}, {1, 0}), DenseTensor::of<float>(Shape{2}, {5, 6}));
  ASSERT_TRUE(csc.ok());
  EXPECT_EQ(printed(*csc), "(1, 0)  5.0\n(0, 2)  6.0\n");
  EXPECT_EQ(printed(*csc, 1), "(1, 0)  5.0\n… 1 more\n");
  const auto scalar = SparseTensor::coo(Shape{}, DenseTensor::of<int64_t>(Shape{1, 0}, {}), DenseTensor::of<float>(Shape{1}, {5}));
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(printed(*scalar), "()  5.0\n");
}
RaggedTensor nested() {
  auto out = RaggedTensor::make({DenseTensor::of<int64_t>(Shape{4}, {0, 2, 2, 3}), DenseTensor::of<int64_t>(Shape{4}, {0, 1, 3, 3})},
                                DenseTensor::of<int32_t>(Shape{3}, {1, 2, 3}));
  EXPECT_TRUE(out.ok());
  return *std::move(out);
}
TEST(Values, RaggedIsNestedLists) {
  EXPECT_EQ(printed(nested()), "[[[1],\n  [2, 3]],\n [],\n [[]]]\n");
  const auto inner = RaggedTensor::make({DenseTensor::of<int32_t>(Shape{3}, {0, 1, 1})}, DenseTensor::of<int32_t>(Shape{1, 2}, {1, 2}));
  ASSERT_TRUE(inner.ok());
  EXPECT_EQ(printed(*inner), "[[[1, 2]],\n []]\n");
}
TEST(Values, FirstValuesStayATensorOfTheirKind) {
  const auto csr = SparseTensor::csr(Shape{3, 3}, DenseTensor::of<int64_t>(Shape{4}, {0, 2, 2, 3}),
                                     DenseTensor::of<int64_t>(Shape{3}, {0, 2, 1}), DenseTensor::of<float>(Shape{3}, {5, 6, 7}));
  ASSERT_TRUE(csr.ok());
  for (int64_t limit = 0; limit < 5; ++limit) {
    const auto first = first_values(*csr, limit);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(nnz_of(*first), std::min<int64_t>(limit, 3));
    EXPECT_TRUE(validate(*first, Validation::bounds).ok());
    const auto rows = first_values(nested(), limit);
    ASSERT_TRUE(rows.ok());
    EXPECT_TRUE(validate(*rows, Validation::bounds).ok());
  }
  const auto rows = first_values(DenseTensor::of<int32_t>(Shape{3, 2}, {1, 2, 3, 4, 5, 6}), 3);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(shape_of(*rows), (Shape{2, 2}));
}

}  // namespace
}  // namespace ferry::cli
