// Lists of wanted variables, tensors made to fit, and a target as it is once restored.
#include "ferry/restore.h"

#include <gtest/gtest.h>

#include "ferry/sparse.h"

namespace ferry {
namespace {

std::string described(const Result<std::optional<std::vector<Wanted>>>& list) {
  if (!list.ok()) return std::string(list.status().message());
  if (!*list) return "no list";
  std::string out;
  for (const Wanted& w : **list) {
    out += concat(out.empty() ? "" : " ", w.name, ":", w.dtype ? dtype_name(*w.dtype) : "any", w.shape ? w.shape->to_string() : "any",
                  w.role == Role::weight ? "" : role_name(w.role), w.optional ? "?" : "", w.path, w.key);
  }
  return out;
}

TEST(WantedList, JsonInTheFormsThatPeopleHave) {
  EXPECT_EQ(described(read_wanted(R"([{"name": "a", "dtype": "float32", "shape": [3, -1, null]}, {"name": "b", "dtype": "int64"}])")),
            "a:float32[3, -1, -1] b:int64any");
  EXPECT_EQ(
      described(read_wanted(R"({"schema":1,"tensors":[{"name":"x","kind":"dense","dtype":"bfloat16","shape":[],"role":"counter"}]})")),
      "x:bfloat16[]counter");
  EXPECT_EQ(described(read_wanted(R"({"__metadata__":{"a":"b"},"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}})")),
            "w:bfloat16[2, 3]");
  EXPECT_EQ(described(read_wanted(R"j([{"name":"w","dtype":"torch.float16","shape":"(2, 3)","optional":true,"path":"p","key":"k"}])j")),
            "w:float16[2, 3]?pk");
  EXPECT_EQ(described(read_wanted("[]")), "");
}

TEST(WantedList, CsvWithAndWithoutAHeader) {
  EXPECT_EQ(described(read_wanted("name,dtype,shape\na,float32,\"3,4\"\nb,DT_INT64,scalar\nc,,\n")), "a:float32[3, 4] b:int64[] c:anyany");
  EXPECT_EQ(described(read_wanted("a,float32,3,4\nb,half,(?, 2)\r\n")), "a:float32[3, 4] b:float16[-1, 2]");
  EXPECT_EQ(described(read_wanted("a\tf32\t3x4\n")), "a:float32[3, 4]");
  EXPECT_EQ(described(read_wanted("shape,x\n1,2\n")), "no list");
  EXPECT_EQ(described(read_wanted("role,name,optional\n")), "no list");
  EXPECT_EQ(described(read_wanted("name,role,optional\nw,slot,true\n")), "w:anyanyslot?");
}

TEST(WantedList, TensorsAreNoList) {
  for (const std::string_view text :
       {"", " ", "{\"a\": [1, 2]}", "[1, 2]", "1,2\n3,4\n", "{\"values\": [1], \"shape\": [1]}", "[{\"dtype\": \"int8\"}]"}) {
    EXPECT_EQ(described(read_wanted(text)), "no list") << text;
  }
}

TEST(WantedList, MistakesAreNamed) {
  EXPECT_EQ(described(read_wanted(R"([{"name":"a","dtype":"float99"}])")), "variable 'a' has the dtype 'float99', which there is none of");
  EXPECT_EQ(described(read_wanted(R"([{"name":"a","shape":[1.5]}])")), "variable 'a' has '1.5' in its shape");
  EXPECT_EQ(described(read_wanted(R"([{"name":"a","shape":[-2]}])")), "variable 'a' has an axis of -2, expected 0 or more, or -1");
  EXPECT_EQ(described(read_wanted("a,float32,3x99999999999999999999\n")),
            "variable 'a' has the length '99999999999999999999' in its shape");
  EXPECT_FALSE(read_wanted("[{").ok());
  EXPECT_FALSE(read_wanted(R"([{"name":"a","shape":[1],"role":"weights"}])").ok());
}

TensorMap map_of(std::vector<std::pair<std::string, Tensor>> entries) {
  TensorMap out;
  for (auto& [name, tensor] : entries) EXPECT_TRUE(out.add(name, std::move(tensor)).ok());
  return out;
}

template <class T>
std::vector<T> values_of(const Result<Tensor>& tensor) {
  if (!tensor.ok()) return {};
  const auto span = std::get<DenseTensor>(*tensor).values<T>();
  return {span.begin(), span.end()};
}

struct File {
  explicit File(TensorMap map) : reader(reader_of(std::move(map))), variables(*describe_variables(reader->tensors(), nullptr)) {}
  std::unique_ptr<TensorReader> reader;
  std::vector<Variable> variables;
};

TEST(Restored, TheTargetUnderItsKeysInItsOrderWithWhatIsNotRestored) {
  const File checkpoint(map_of({{"b", DenseTensor::of<double>(Shape{2}, {1, 2})},
                                {"k", DenseTensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6})},
                                {"words", DenseTensor::of<float>(Shape{1, 2}, {7, 8})}}));
  const File target(map_of({{"k", DenseTensor::of<float>(Shape{3, 2}, {0, 0, 0, 0, 0, 0})},
                            {"own", DenseTensor::of<float>(Shape{1}, {9})},
                            {"words", DenseTensor::of<float>(Shape{2, 2}, {0, 0, 3, 4})},
                            {"b", DenseTensor::of<float>(Shape{2, 1}, {0, 0})}}));
  const auto have = have_of(checkpoint.variables, checkpoint.reader->tensors());
  const auto wanted = wanted_of(target.variables, target.reader->tensors());
  PlanOptions options{.allow_partial = true};
  options.fixes = {true, true, true, true, true};
  const Plan plan = make_plan(have, wanted.wanted, nullptr, options);
  const auto out = restored_tensors({.plan = plan,
                                     .have = have,
                                     .wanted = wanted.wanted,
                                     .checkpoint = *checkpoint.reader,
                                     .target = target.reader.get(),
                                     .target_tensors = wanted.tensors});
  ASSERT_TRUE(out.ok());
  std::string names;
  for (size_t i = 0; i < (*out)->tensors().size(); ++i) {
    const TensorInfo& info = (*out)->tensors()[i];
    const auto tensor = (*out)->read(i);
    ASSERT_TRUE(tensor.ok()) << tensor.status().to_string();
    EXPECT_EQ(shape_of(*tensor), info.shape) << info.name;
    EXPECT_EQ(dtype_of(*tensor), info.dtype) << info.name;
    EXPECT_EQ(num_bytes_of(*tensor), info.bytes) << info.name;
    names += info.name + " ";
  }
  EXPECT_EQ(names, "k own words b ");
  EXPECT_EQ(values_of<float>((*out)->read(0)), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(values_of<float>((*out)->read(1)), (std::vector<float>{9}));
  EXPECT_EQ(values_of<float>((*out)->read(2)), (std::vector<float>{7, 8, 3, 4}));
  EXPECT_EQ(values_of<float>((*out)->read(3)), (std::vector<float>{1, 2}));
}

TEST(Restored, AListHasRestoredRowsAlone) {
  const File checkpoint(map_of({{"a", DenseTensor::scalar<float>(1)}, {"b", DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4})}}));
  const auto have = have_of(checkpoint.variables, checkpoint.reader->tensors());
  std::vector<Wanted> wanted(3);
  wanted[0].name = "none";
  wanted[1].name = "b";
  wanted[1].shape = Shape{3, 2};
  wanted[2].name = "a";
  PlanOptions options{.allow_partial = true};
  options.fixes.resize = true;
  const Plan plan = make_plan(have, wanted, nullptr, options);
  const auto out = restored_tensors({.plan = plan, .have = have, .wanted = wanted, .checkpoint = *checkpoint.reader});
  ASSERT_TRUE(out.ok());
  ASSERT_EQ((*out)->tensors().size(), 2u);
  EXPECT_NE((*out)->read(0).status().message().find("needs 1 further rows"), std::string::npos) << (*out)->read(0).status().to_string();
  EXPECT_TRUE((*out)->read(1).ok());
}

TEST(Fitted, RowsAndColumnsAreCutOff) {
  const Tensor x = DenseTensor::of<int64_t>(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  Fix rows, columns;
  rows.resized = Fix::Resized{0, 2, 1};
  columns.resized = Fix::Resized{1, 3, 2};
  EXPECT_EQ(values_of<int64_t>(fitted(x, rows)), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(values_of<int64_t>(fitted(x, columns)), (std::vector<int64_t>{1, 2, 4, 5}));
}

TEST(Fitted, SparseTensorsStaySparse) {
  const Tensor x = *SparseTensor::coo({2, 3}, DenseTensor::of<int64_t>({1, 2}, {1, 2}), DenseTensor::of<float>({1}, {5}), {true, true});
  Fix fix;
  fix.permutation = {1, 0};
  fix.cast = DType::float64;
  const auto out = fitted(x, fix);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(shape_of(*out), (Shape{3, 2}));
  EXPECT_EQ(dtype_of(*out), DType::float64);
  EXPECT_EQ(kind_of(*out), TensorKind::coo);
  fix.resized = Fix::Resized{0, 3, 4};
  EXPECT_FALSE(fitted(x, fix).ok());
}

}  // namespace
}  // namespace ferry
