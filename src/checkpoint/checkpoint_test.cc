#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "checkpoint/graph_language_test.h"
#include "ferry/checkpoint.h"
#include "ferry/sparse.h"
#include "wire/sorted_table.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using testing_support::GraphText;

class Saved : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string save_as(const TensorMap& tensors, std::string_view name, std::string_view format = "ckpt") const {
    const std::string path = (folder_ / name).string();
    const Status status = save(tensors, path, find_format(format));
    EXPECT_TRUE(status.ok()) << status.to_string();
    return path;
  }
  const fs::path folder_ = fs::temp_directory_path() / concat("ferry_checkpoint_", ::getpid());
};

std::string key_of(std::string_view path) { return concat(path, "/.ATTRIBUTES/VARIABLE_VALUE"); }

TensorMap objects() {
  GraphText text;
  text.node().child("a", 1).child("b", 2);
  text.variable("first", "a");
  text.variable("same", "b");
  TensorMap out;
  out.set(key_of("a"), DenseTensor::of<float>({2}, {1, 2}));
  out.set(key_of("b"), DenseTensor::of<float>({1}, {3}));
  out.set(std::string(ObjectGraph::kKey), DenseTensor::of_strings({}, {text.bytes()}));
  return out;
}

std::vector<std::string> findings(const TensorMap& tensors) {
  const auto reader = reader_of(tensors);
  const auto graph = read_object_graph(*reader);
  EXPECT_TRUE(graph.ok() && graph->has_value());
  std::vector<std::string> out;
  for (const ObjectFinding& found : check_objects(**graph, *reader)) out.push_back(concat(found.broken ? "" : "odd: ", found.message));
  return out;
}

TEST_F(Saved, VariablesAreFoundByKeyPathAndName) {
  const auto checkpoint = Checkpoint::open(save_as(objects(), "m"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().to_string();
  EXPECT_EQ(checkpoint->format().id, "ckpt");
  ASSERT_TRUE(checkpoint->variables().ok()) << checkpoint->variables().status().to_string();
  EXPECT_EQ(checkpoint->variables()->size(), 3u);
  EXPECT_EQ((*checkpoint->objects())->size(), 3u);
  const Variable* const a = *checkpoint->find(key_of("a"));
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->path, "a");
  EXPECT_EQ(*checkpoint->find("a", FindBy::path), a);
  EXPECT_EQ(*checkpoint->find("first", FindBy::name), a);
  EXPECT_EQ(*checkpoint->find("first"), nullptr);
  EXPECT_EQ(*checkpoint->find_any("first"), a);
  EXPECT_EQ(*checkpoint->find_any("nothing"), nullptr);
  const auto tensor = checkpoint->read(key_of("a"));
  ASSERT_TRUE(tensor.ok() && tensor->has_value());
  EXPECT_TRUE(identical(**tensor, DenseTensor::of<float>({2}, {1, 2})));
  EXPECT_FALSE(checkpoint->read("a")->has_value());
}

TEST_F(Saved, AnyFormatOfNamedTensorsIsACheckpoint) {
  TensorMap tensors;
  tensors.set("dense/kernel", DenseTensor::of<float>({2}, {1, 2}));
  tensors.set("dense/kernel/Adam", DenseTensor::of<float>({2}, {3, 4}));
  for (const std::string_view name : {"m.npz", "m.safetensors"}) {
    const auto checkpoint = Checkpoint::open(save_as(tensors, name, name.substr(2)));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().to_string();
    EXPECT_EQ(*checkpoint->objects(), nullptr);
    EXPECT_EQ((*checkpoint->find("dense/kernel/Adam"))->slot_of, "dense/kernel");
    EXPECT_TRUE(identical(**checkpoint->read("dense/kernel"), tensors[0].tensor));
  }
}

TEST_F(Saved, DamageOfTheListingIsSaidEachTime) {
  TensorMap tensors = objects();
  tensors.set(std::string(ObjectGraph::kKey), DenseTensor::of_strings({}, {"\x0a\x7f"}));
  const auto checkpoint = Checkpoint::open(save_as(tensors, "m"));
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->objects().status().code(), StatusCode::data_loss);
  EXPECT_EQ(checkpoint->variables().status().code(), StatusCode::data_loss);
  EXPECT_TRUE(checkpoint->read(key_of("a")).ok());
  EXPECT_EQ((*checkpoint->reader())->tensors().size(), 3u);
}

TEST_F(Saved, KeyIsAnsweredAsTheListingWouldBeforeThereIsOne) {
  TensorMap tensors;
  tensors.set("clicks",
              *SparseTensor::coo({2, 3}, DenseTensor::of<int64_t>({1, 2}, {1, 2}), DenseTensor::of<float>({1}, {5}), {true, true}));
  tensors.set("lonely/values", DenseTensor::of<float>({2}, {1, 2}));
  tensors.set("plain", DenseTensor::of<float>({2}, {3, 4}));
  const std::string path = save_as(tensors, "m");
  for (const std::string_view key : {"clicks", "lonely/values", "plain", "clicks/values", "nothing", ""}) {
    const auto checkpoint = Checkpoint::open(path);
    const auto found = checkpoint->read(key);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    const auto* const wanted = tensors.find(key);
    ASSERT_EQ(found->has_value(), wanted != nullptr) << key;
    if (wanted != nullptr) {
      EXPECT_TRUE(identical(**found, wanted->tensor)) << key;
    }
  }
  ReadOptions plain;
  plain.parts.enabled = false;
  EXPECT_TRUE(Checkpoint::open(path, nullptr, plain)->read("clicks/values")->has_value());
  EXPECT_FALSE(Checkpoint::open(path, nullptr, plain)->read("clicks")->has_value());
  plain.parts.enabled = true;
  plain.parts.explicit_groups = {{"mine", {"clicks/indices", "clicks/values", "clicks/dense_shape"}}};
  EXPECT_TRUE(Checkpoint::open(path, nullptr, plain)->read("mine")->has_value());
}

TEST_F(Saved, ObjectWhoseVariablesArePartsIsTheirTensor) {
  TensorMap tensors;
  tensors.set(key_of("layer/indices"), DenseTensor::of<int64_t>({2, 2}, {0, 1, 1, 0}));
  tensors.set(key_of("layer/values"), DenseTensor::of<float>({2}, {5, 6}));
  tensors.set(key_of("layer/dense_shape"), DenseTensor::of<int64_t>({2}, {2, 2}));
  tensors.set(key_of("other/indices"), DenseTensor::of<int64_t>({3, 2}, {0, 1, 1, 0, 1, 1}));
  tensors.set(key_of("other/values"), DenseTensor::of<float>({2}, {5, 6}));
  tensors.set(key_of("other/dense_shape"), DenseTensor::of<int64_t>({2}, {2, 2}));
  const auto checkpoint = Checkpoint::open(save_as(tensors, "m"));
  EXPECT_EQ(checkpoint->variables()->size(), 6u);
  EXPECT_TRUE(*checkpoint->has_group("layer"));
  const auto group = checkpoint->read_group("layer");
  ASSERT_TRUE(group.ok() && group->has_value()) << group.status().to_string();
  EXPECT_TRUE(
      identical(**group, *SparseTensor::coo({2, 2}, DenseTensor::of<int64_t>({2, 2}, {0, 1, 1, 0}), DenseTensor::of<float>({2}, {5, 6}))));
  for (const std::string_view path : {"other", "lay", "", "nothing", "layer/indices"})
    EXPECT_FALSE(checkpoint->read_group(path)->has_value()) << path;
  ReadOptions plain;
  plain.parts.enabled = false;
  EXPECT_FALSE(*Checkpoint::open(save_as(tensors, "m"), nullptr, plain)->has_group("layer"));
}

TEST_F(Saved, OneTensorIsReadPastDamageOfOthers) {
  TensorMap tensors;
  for (int i = 0; i < 40; ++i) tensors.set(concat("v", i), DenseTensor::scalar(static_cast<float>(i)));
  const std::string path = save_as(tensors, "m");
  const auto source = open_source(path + ".index");
  const auto table = SortedTable::open(*(*source)->view(0, (*source)->size()));
  SortedTableWriter out(128);
  for (const std::string_view key : {"", "v0", "v1", "v2", "v20", "v3"}) out.add(key, (*table->find(key))->text());
  out.add("v4", "\xff");
  std::string index = std::move(out).finish();
  const auto write = [&] { std::ofstream(path + ".index", std::ios::binary) << index; };
  write();
  EXPECT_TRUE(Checkpoint::open(path)->read("v3")->has_value());
  EXPECT_EQ(Checkpoint::open(path)->read("v4").status().code(), StatusCode::data_loss);
  EXPECT_EQ(Checkpoint::open(path)->reader().status().code(), StatusCode::data_loss);
  EXPECT_EQ(Checkpoint::open(path)->read("nothing").status().code(), StatusCode::data_loss);  // the listing would have to tell
  index[10] ^= 1;                                                                             // the first block
  write();
  EXPECT_EQ(Checkpoint::open(path)->read("v0").status().code(), StatusCode::data_loss);
}

TEST(CheckObjects, WhatFitsIsNotMentioned) { EXPECT_EQ(findings(objects()), std::vector<std::string>()); }

TEST(CheckObjects, MissingAndUnnamedKeysAreTold) {
  TensorMap tensors = objects();
  tensors.erase(key_of("b"));
  tensors.set("stray", DenseTensor::scalar(1.0f));
  EXPECT_EQ(findings(tensors),
            (std::vector<std::string>{"object 2 ('b') keeps its 'VARIABLE_VALUE' under the key 'b/.ATTRIBUTES/VARIABLE_VALUE', "
                                      "which the checkpoint does not hold",
                                      "odd: no object names the key 'stray'"}));
}

TEST(CheckObjects, VariantsCountAsHeldAndSaversKeepTheirOwn) {
  TensorMap tensors;
  tensors.set("stray", DenseTensor::scalar(1.0f));
  tensors.metadata.set("ckpt.skipped", "a (variant), it/.ATTRIBUTES/ITERATOR_STATE (variant)");
  GraphText text;
  text.node().child("it", 1).child("own", 2);
  text.node().attribute("ITERATOR_STATE", "", "it/.ATTRIBUTES/ITERATOR_STATE");
  text.node().saver("mine", "own");
  tensors.set(std::string(ObjectGraph::kKey), DenseTensor::of_strings({}, {text.bytes()}));
  EXPECT_EQ(findings(tensors), std::vector<std::string>());
}

TEST(CheckObjects, DanglingReferencesAndEmptySlotsAreTold) {
  TensorMap tensors;
  GraphText text;
  text.node().child("gone", 4).child("v", 1).slot(1, "m", 2);
  text.node();
  text.node();
  tensors.set(std::string(ObjectGraph::kKey), DenseTensor::of_strings({}, {text.bytes()}));
  EXPECT_EQ(findings(tensors),
            (std::vector<std::string>{"the child 'gone' of object 0 is object 4, and there are 3",
                                      "odd: the slot 'm' of the root for object 1 ('v') is object 2, which keeps nothing"}));
  tensors.set(std::string(ObjectGraph::kKey), DenseTensor::of_strings({}, {""}));
  EXPECT_EQ(findings(tensors), (std::vector<std::string>{"the object graph has no root"}));
}

}  // namespace
}  // namespace ferry
