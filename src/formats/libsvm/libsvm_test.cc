#include "formats/libsvm/libsvm.h"

#include <cmath>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace ferry::libsvm {
extern const Format kFormat;
namespace {

std::shared_ptr<const ByteSource> source_of(std::string_view text) { return memory_source(*Buffer::copy_of(text)); }

Result<TensorMap> read_text(std::string_view text, std::initializer_list<std::pair<std::string, std::string>> settings = {},
                            ThreadPool* pool = nullptr) {
  ReadOptions options;
  options.pool = pool;
  for (const auto& [name, value] : settings) options.format.set(name, value);
  return read(*source_of(text), options);
}

std::string fault(std::string_view text, std::initializer_list<std::pair<std::string, std::string>> settings = {}) {
  const auto tensors = read_text(text, settings);
  return tensors.ok() ? "read" : tensors.status().to_string();
}

const SparseTensor& x_of(const TensorMap& tensors) { return std::get<SparseTensor>(tensors[0].tensor); }
const DenseTensor& dense_of(const TensorMap& tensors, std::string_view name) { return std::get<DenseTensor>(tensors.find(name)->tensor); }

SparseTensor csr(Shape shape, std::initializer_list<int32_t> indptr, std::initializer_list<int32_t> indices,
                 std::initializer_list<double> values) {
  return *SparseTensor::csr(shape, DenseTensor::vector<int32_t>(std::span(indptr.begin(), indptr.size())),
                            DenseTensor::vector<int32_t>(std::span(indices.begin(), indices.size())),
                            DenseTensor::vector<double>(std::span(values.begin(), values.size())));
}

TEST(LibsvmReadTest, ReadsLabelsPairsCommentsAndBlankLines) {
  const auto tensors = read_text("# a header\n+1 1:0.5 3:-2e1 # tail 5:6\n\n-1\t2:1\r\n  \n2.5\n0 4:nan");
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ((*tensors)[0].name, "x");
  EXPECT_TRUE(identical(x_of(*tensors), csr({4, 4}, {0, 2, 3, 3, 4}, {0, 2, 1, 3}, {0.5, -20, 1, std::nan("")})));
  EXPECT_TRUE(x_of(*tensors).order().sorted && x_of(*tensors).order().unique);
  EXPECT_TRUE(identical(dense_of(*tensors, "y"), DenseTensor::of<double>({4}, {1, -1, 2.5, 0})));
}

TEST(LibsvmReadTest, FindsTheBaseOrTakesTheOneGiven) {
  EXPECT_TRUE(identical(x_of(*read_text("1 1:1\n1 0:2 2:3\n")), csr({2, 3}, {0, 1, 3}, {1, 0, 2}, {1, 2, 3})));
  EXPECT_TRUE(identical(x_of(*read_text("1 1:1\n1 2:2\n")), csr({2, 2}, {0, 1, 2}, {0, 1}, {1, 2})));
  EXPECT_TRUE(identical(x_of(*read_text("1 1:1\n", {{"base", "0"}})), csr({1, 2}, {0, 1}, {1}, {1})));
  EXPECT_TRUE(identical(x_of(*read_text("# Column indices are zero-based\n1 1:1\n")), csr({1, 2}, {0, 1}, {1}, {1})));
  EXPECT_EQ(fault("1 1:1\n1 0:1\n", {{"base", "1"}}),
            "data_loss: at byte 8: line 2: index 0 in a file that is read with base=1; read it with base=0 or base=auto");
  EXPECT_EQ(fault("1 1:1\n", {{"base", "2"}}), "invalid_argument: base is '2', expected auto, 0 or 1");
}

TEST(LibsvmReadTest, ReadsQidsAndSeveralLabels) {
  const auto ranked = read_text("2 qid:7 1:1\n1 qid:8\n");
  ASSERT_TRUE(ranked.ok());
  EXPECT_TRUE(identical(dense_of(*ranked, "qid"), DenseTensor::of<int64_t>({2}, {7, 8})));
  const auto several = read_text("1,3 1:1\n2 2:5\n1:4\n");
  ASSERT_TRUE(several.ok()) << several.status().to_string();
  const auto& y = std::get<RaggedTensor>(several->find("y")->tensor);
  EXPECT_TRUE(identical(y.row_splits(0), DenseTensor::of<int64_t>({4}, {0, 2, 3, 3})));
  EXPECT_TRUE(identical(y.flat_values(), DenseTensor::of<double>({3}, {1, 3, 2})));
  EXPECT_EQ(read_text("1:1\n2:1\n")->find("y"), nullptr);
  EXPECT_EQ(fault("1 qid:1 1:1\n1 1:1\n"), "data_loss: at byte 14: line 2: this row has no qid and the rows before it have one");
}

TEST(LibsvmReadTest, LastColumnCanBeWrittenCountingFromOne) {
  const auto last = read_text("1 0:1 999999999999999998:1\n");
  ASSERT_TRUE(last.ok()) << last.status().to_string();
  const auto text = to_bytes(*last, kFormat);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  EXPECT_TRUE(read_text(*text).ok());
  EXPECT_EQ(fault("1 0:1 999999999999999999:1"),
            "data_loss: index 999999999999999999 is past the last that libsvm text may have, 999999999999999998");
}

TEST(LibsvmReadTest, NamesThePlaceOfEachFault) {
  EXPECT_EQ(fault("1 2:1 1:1\n"), "data_loss: at byte 6: line 1: index 1 follows 2 in this row; indices rise, or read with order=any");
  EXPECT_EQ(fault("1 2:1 2:1\n"), "data_loss: at byte 6: line 1: index 2 comes twice in this row; indices rise, or read with order=any");
  EXPECT_EQ(fault("1 1:1\n1 -2:1\n"), "data_loss: at byte 8: line 2: the index in '-2:1' is negative; indices count from 0 or 1");
  EXPECT_EQ(fault("1 1:x\n"),
            "data_loss: at byte 4: line 1: found 'x' as the value of index 1, expected a number of the dtype that is read");
  EXPECT_EQ(fault("1 1:2x\n"),
            "data_loss: at byte 4: line 1: found '2x' as the value of index 1, expected a number of the dtype that is read");
  EXPECT_EQ(fault("1 1:"),
            "data_loss: at byte 4: line 1: found the end of the file as the value of index 1, expected a number of the dtype that is read");
  EXPECT_EQ(fault("1 12"), "data_loss: at byte 2: line 1: found '12', expected index:value with a colon between them");
  EXPECT_EQ(fault("one 1:1"),
            "data_loss: at byte 0: line 1: found 'one' as the label, expected a number or numbers with commas between them");
  EXPECT_EQ(fault("1 99999999999999999999:1"),
            "data_loss: at byte 2: line 1: the index in '99999999999999999999:1' has more than 18 digits");
  EXPECT_EQ(fault("1 4:1", {{"columns", "3"}}), "data_loss: at byte 2: line 1: index 4 is past the last of 3 columns, 3");
}

TEST(LibsvmReadTest, AnyOrderKeepsTheFileAndSaysSo) {
  const auto tensors = read_text("1 3:1 1:2 3:4\n", {{"order", "any"}});
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  EXPECT_TRUE(identical(x_of(*tensors), csr({1, 3}, {0, 3}, {2, 0, 2}, {1, 2, 4})));
  EXPECT_EQ(x_of(*tensors).order(), (Order{false, false}));
}

TEST(LibsvmReadTest, WideIndicesComeAsInt64) {
  const auto tensors = read_text("1 5000000000:1\n1 0:2\n");
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  EXPECT_EQ(x_of(*tensors).index_dtype(), DType::int64);
  EXPECT_EQ(x_of(*tensors).shape(), (Shape{2, 5000000001}));
  EXPECT_EQ(x_of(*tensors).indices().values<int64_t>()[0], 5000000000);
}

TEST(LibsvmReadTest, EmptyTextIsNoRows) {
  for (const char* text : {"", "\n", "# only words", "\r\n \n"}) {
    const auto tensors = read_text(text);
    ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
    EXPECT_EQ(x_of(*tensors).shape(), (Shape{0, 0}));
  }
}

std::string random_text(size_t rows, bool extras) {
  std::mt19937 random(5);
  std::string text;
  for (size_t row = 0; row < rows; ++row) {
    text += concat(random() % 5);
    if (extras) text += concat(" qid:", row / 3);
    uint64_t column = 0;
    for (uint64_t i = random() % 12; i > 0; --i) text += concat(' ', column += 1 + random() % 1000, ':', static_cast<double>(random()) / 7);
    if (extras && random() % 3 == 0) text += " # with: a colon";
    text += '\n';
  }
  return text;
}

TEST(LibsvmReadTest, ThreadsGiveTheSameBits) {
  ThreadPool pool(3);
  for (const bool extras : {false, true}) {
    const std::string text = random_text(20'000, extras);
    const auto one = read_text(text), many = read_text(text, {}, &pool);
    ASSERT_TRUE(one.ok()) << one.status().to_string();
    ASSERT_TRUE(many.ok());
    EXPECT_TRUE(identical(*one, *many));
    EXPECT_EQ(one->find("qid") != nullptr, extras);
  }
}

TEST(LibsvmReadTest, EveryPrefixIsRowsOrAFault) {
  const std::string text = "# note: 1\n1,2 qid:3 1:0.5 7:1e-3 # c:\r\n2 qid:4 2:inf\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    const std::string cut = text.substr(0, size);
    const auto tensors = read_text(cut);
    if (!tensors.ok()) {
      EXPECT_TRUE(tensors.status().offset().has_value()) << cut;
    }
  }
}

TEST(LibsvmWriteTest, EverythingComesBack) {
  TensorMap tensors;
  const auto x = SparseTensor::csr({3, 9}, DenseTensor::of<int64_t>({4}, {0, 2, 2, 3}), DenseTensor::of<int64_t>({3}, {0, 4, 2}),
                                   DenseTensor::of<float>({3}, {0.1f, -1e-40f, 16777217.f}), {true, true});
  ASSERT_TRUE(tensors.add("my x", *x).ok());
  ASSERT_TRUE(tensors.add("y", DenseTensor::of<int64_t>({3}, {1, -1, INT64_MAX})).ok());
  ASSERT_TRUE(tensors.add("qid", DenseTensor::of<int64_t>({3}, {1, 1, 2})).ok());
  const auto text = to_bytes(tensors, kFormat);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  EXPECT_EQ(*text,
            "# ferry: x.name=my%20x x.dtype=float32 x.columns=9 y.dtype=int64 base=1\n"
            "1 qid:1 1:0.1 5:-1e-40\n-1 qid:1\n9223372036854775807 qid:2 3:16777216\n");
  const auto back = read_text(*text);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ((*back)[0].name, "my x");
  EXPECT_TRUE(identical(x_of(*back).values(), x->values()));
  EXPECT_EQ(x_of(*back).shape(), x->shape());
  EXPECT_TRUE(identical(dense_of(*back, "y"), dense_of(tensors, "y")));
  EXPECT_TRUE(identical(dense_of(*back, "qid"), dense_of(tensors, "qid")));
}

TEST(LibsvmWriteTest, ALoneCooTensorComesBackAsItWas) {
  TensorMap tensors;
  const auto x =
      SparseTensor::coo({4, 3}, DenseTensor::of<int64_t>({2, 2}, {1, 0, 3, 1}), DenseTensor::of<int8_t>({2}, {-3, 127}), {true, true});
  ASSERT_TRUE(tensors.add("", *x).ok());
  const auto text = to_bytes(tensors, kFormat);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  const auto back = read_text(*text);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(tensors, *back)) << *text;
  WriteOptions plain;
  plain.format.set("note", "false");
  EXPECT_EQ(*to_bytes(tensors, kFormat, plain), "0\n0 1:-3\n0\n0 2:127\n");
}

TEST(LibsvmWriteTest, RefusesWhatHasNoPlace) {
  TensorMap tensors;
  ASSERT_TRUE(tensors.add("x", csr({2, 2}, {0, 1, 2}, {0, 1}, {1, 2})).ok());
  ASSERT_TRUE(tensors.add("y", DenseTensor::of<double>({3}, {1, 2, 3})).ok());
  EXPECT_EQ(to_bytes(tensors, kFormat).status().to_string(),
            "unsupported: tensor 'y' has shape [3], expected one for each of the 2 rows of 'x'");
  tensors.erase("y");
  ASSERT_TRUE(tensors.add("z", DenseTensor::of<double>({2}, {1, 2})).ok());
  EXPECT_EQ(to_bytes(tensors, kFormat).status().code(), StatusCode::unsupported);
}

TEST(LibsvmSniffTest, KnowsExamplesFromOtherText) {
  const auto sniffed = [](std::string_view text) { return sniff(std::as_bytes(std::span(text))); };
  EXPECT_EQ(sniffed("# c\n1 1:2 3:4\n-1 qid:3 2:1\n1 1:"), Sniff::likely);
  EXPECT_EQ(sniffed("1,2 1:2"), Sniff::likely);
  EXPECT_EQ(sniffed("1,2,3\n4,5,6\n"), Sniff::no);
  EXPECT_EQ(sniffed("{\"a\": 1}"), Sniff::no);
  EXPECT_EQ(sniffed(""), Sniff::no);
  EXPECT_EQ(sniffed("1\n2\n"), Sniff::no);
}

}  // namespace
}  // namespace ferry::libsvm
