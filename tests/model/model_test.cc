// Models that TensorFlow and Keras wrote (tests/golden/model), as they are understood.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include <unistd.h>

#include "ferry/model_rename.h"
#include "ferry/model_variables.h"
#include "ferry/op_census.h"
#include "ferry/signature.h"
#include "wire/protobuf.h"

namespace ferry {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(FERRY_GOLDENS) / "model";

struct Model {
  StoredModel stored;
  MetaGraph meta;
};
Model open(const std::string& name, size_t graph = 0) {
  auto stored = StoredModel::open((kFolder / name).string());
  EXPECT_TRUE(stored.ok()) << stored.status().to_string();
  auto meta = stored->read(graph);
  EXPECT_TRUE(meta.ok()) << meta.status().to_string();
  return {*std::move(stored), *std::move(meta)};
}

// "features coo float32 [?, 5] structured: features features_1 features_2"
std::string text_of(const Port& port) {
  std::string out = concat(port.name, " ", kind_name(port.kind), " ", port.dtype ? dtype_name(*port.dtype) : "?", " ",
                           port.shape.to_string(), " ", port_origin_name(port.origin), ":");
  for (const PortPart& part : port.parts) out += concat(" ", part.key.empty() ? part.tensor : part.key);
  return out;
}
std::vector<std::string> texts_of(const std::vector<Port>& ports) {
  std::vector<std::string> out;
  for (const Port& port : ports) out.push_back(text_of(port));
  return out;
}
using Texts = std::vector<std::string>;

Signature signature_of(const Model& model, std::string_view key = "serving_default") {
  auto signatures = read_signatures(model.stored, model.meta);
  EXPECT_TRUE(signatures.ok()) << signatures.status().to_string();
  const auto it = std::ranges::find(*signatures, key, [](const Signature& s) { return std::string_view(s.key); });
  EXPECT_NE(it, signatures->end());
  return it == signatures->end() ? Signature() : *it;
}

TEST(Signatures, FlattenedArgumentsAreTheTensorsThatTheFunctionTook) {
  const Signature s = signature_of(open("sparse"));
  EXPECT_EQ(texts_of(s.inputs),
            (Texts{"features coo float32 [?, 5] structured: features features_1 features_2", "rt ragged int64 [?, ?] structured: rt rt_1",
                   "a coo string [?, 7] structured: x x_1 x_2", "b dense float32 [?] declared: x_3"}));
  EXPECT_EQ(s.inputs[2].argument, "x['a']");
  EXPECT_EQ(s.inputs[0].parts[1].tensor, "serving_default_features_1:0");
  EXPECT_EQ(s.inputs[0].parts[2].role, PartRole::dense_shape);
  EXPECT_EQ(s.inputs[0].parts[0].shape.to_string(), "[?, 2]");
  EXPECT_EQ(s.inputs[1].parts[1].role, PartRole::row_splits);
  EXPECT_EQ(s.short_method(), "predict");
  EXPECT_EQ(
      texts_of(s.outputs),
      (Texts{"b dense float32 [?] declared: b", "r ragged int64 [?, ?] declared: StatefulPartitionedCall_1:1 StatefulPartitionedCall_1:2",
             "s coo float32 [?, 5] declared: StatefulPartitionedCall_1:3 StatefulPartitionedCall_1:4 StatefulPartitionedCall_1:5",
             "t dense int64 [?] declared: t", "y dense float32 [?, 3] declared: y"}));
  EXPECT_TRUE(s.notes.empty()) << s.notes[0];
}

TEST(Signatures, ATraceOfTheSameFunctionTellsWhereTheOneBehindIsNotKept) {
  EXPECT_EQ(texts_of(signature_of(open("star")).inputs),
            (Texts{"args_0 coo float32 [?, 5] structured: args_0 args_0_1 args_0_2", "args_1 dense float32 [?] declared: args_1"}));
}

TEST(Signatures, KerasLayersGiveTheirNamesBack) {
  EXPECT_EQ(texts_of(signature_of(open("keras2")).inputs),
            (Texts{"bag coo float32 [?, 6] structured: args_0 args_0_1 args_0_2", "words ragged int64 [?, ?] structured: args_0_3 args_0_4",
                   "plain dense float32 [?, 2] declared: args_0_5"}));
  EXPECT_EQ(texts_of(signature_of(open("keras3")).inputs),
            (Texts{"deep dense float32 [?, 2] declared: deep", "wide dense float32 [?, 4] declared: wide"}));
}

TEST(Signatures, WithoutTheObjectGraphTheyAreProposed) {
  const Model model = open("sparse");
  // The same graph, from which the object graph (field 7) is cut.
  const auto& bytes = model.meta.bytes();
  std::string kept;
  proto::Reader in(bytes.bytes());
  while (in.next()) {
    const size_t begin = in.field_offset();
    const bool objects = in.field() == 7;
    in.skip();
    if (!objects) kept += bytes.text().substr(begin, in.offset() - begin);
  }
  const auto meta = MetaGraph::parse(*Buffer::copy_of(kept));
  ASSERT_TRUE(meta.ok());
  const auto signatures = read_signatures(*meta);
  ASSERT_TRUE(signatures.ok());
  EXPECT_EQ(texts_of((*signatures)[1].inputs), (Texts{"features coo float32 [?, ?] proposed: features features_1 features_2",
                                                      "rt dense int64 [?] declared: rt", "rt_1 dense int64 [?] declared: rt_1",
                                                      "x coo string [?, ?] proposed: x x_1 x_2", "x_3 dense float32 [?] declared: x_3"}));
}

TEST(Signatures, CooSparseOfTensorFlow1IsWhatItSays) {
  const Signature s = signature_of(open("simple"));
  EXPECT_EQ(texts_of(s.inputs), (Texts{"features coo float32 [?, 30] declared: features/indices:0 features/values:0 features/shape:0",
                                       "ids coo int64 ? declared: ids/indices:0 ids/values:0 ids/shape:0",
                                       "tokens coo string [?, ?] declared: tokens/indices:0 tokens/values:0 tokens/shape:0"}));
}

TEST(Signatures, TwoKeysMayNameOneTensorAndKeysHaveSlashes) {
  const Model model = open("text");
  EXPECT_TRUE(model.stored.is_text());
  EXPECT_EQ(texts_of(signature_of(model).inputs),
            (Texts{"same dense float32 [?, 2] declared: same", "x dense float32 [?, 2] declared: x"}));
  EXPECT_EQ(signature_of(model, "tensorflow/serving/regress").short_method(), "regress");
  EXPECT_EQ(open("text", 1).meta.tags()[0], "train");
}

TEST(Signatures, WithoutAnyTheFunctionsAreListed) {
  const Model model = open("plain");
  EXPECT_TRUE(read_signatures(model.stored, model.meta)->empty());
  const auto functions = callable_functions(model.meta);
  ASSERT_TRUE(functions.ok());
  ASSERT_EQ(functions->size(), 2u);
  EXPECT_EQ((*functions)[0].path, "call");
  EXPECT_EQ((*functions)[0].traces.size(), 2u);
  EXPECT_EQ((*functions)[0].traces[1].values, (Texts{"training=True"}));
  EXPECT_EQ(texts_of((*functions)[0].traces[1].inputs), (Texts{"x dense float32 [2] declared: "}));
  EXPECT_EQ((*functions)[1].path, "inner/call");
}

TEST(Signatures, SparsePlaceholdersAreProposedWithWhatLooksLikeAResult) {
  const Model model = open("train/model.ckpt-7.meta");
  EXPECT_EQ(model.stored.kind(), ModelKind::meta_graph);
  EXPECT_EQ(model.stored.variables(), "model.ckpt-7");
  const auto s = propose_signature(model.meta);
  ASSERT_TRUE(s.ok() && *s);
  EXPECT_TRUE((*s)->proposed);
  // The labels, the loss, gradients and updates stay out; so does what no result needs.
  EXPECT_EQ(texts_of((*s)->inputs), (Texts{"features coo float32 [?, 30] proposed: features/indices features/values features/dense_shape",
                                           "tokens coo string [?, ?] proposed: tokens/indices tokens/values tokens/dense_shape"}));
  std::vector<std::string> outputs;
  for (const Port& port : (*s)->outputs) outputs.push_back(concat(port.name, " ", port.parts[0].tensor));
  EXPECT_EQ(outputs, (Texts{"logits logits:0", "probabilities probabilities:0", "text text:0"}));
}

TEST(Signatures, FrozenGraphsAndPlaceholdersOfAnyName) {
  for (const char* name : {"frozen.pb", "frozen.pbtxt"}) {
    const Model model = open(name);
    EXPECT_EQ(model.stored.kind(), ModelKind::graph);
    const auto s = propose_signature(model.meta);
    ASSERT_TRUE(s.ok() && *s);
    EXPECT_EQ(texts_of((*s)->inputs),
              (Texts{"features coo float32 [?, 30] proposed: features/indices features/values features/dense_shape"}));
  }
  const auto s = propose_signature(open("triple.pbtxt").meta);
  ASSERT_TRUE(s.ok() && *s);
  EXPECT_EQ(texts_of((*s)->inputs), (Texts{"net coo float32 [?, ?] proposed: net/indices net/values net/dense_shape"}));
  EXPECT_EQ((*s)->inputs[0].parts[0].tensor, "net/where:0");
  EXPECT_EQ((*s)->inputs[0].parts[2].tensor, "net/size:0");
}

TEST(StoredModel, TextAndBinaryOfOneGraphAreTheSame) {
  const Model binary = open("frozen.pb"), text = open("frozen.pbtxt");
  ASSERT_EQ(binary.meta.graph().nodes().size(), text.meta.graph().nodes().size());
  for (const Node& node : binary.meta.graph().nodes()) {
    const Node* other = text.meta.graph().find(node.name);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(node.op, other->op);
    EXPECT_TRUE(std::ranges::equal(node.inputs, other->inputs));
    ASSERT_EQ(node.attrs.size(), other->attrs.size());
    for (const Attr& attr : node.attrs) {
      ASSERT_NE(other->find(attr.name), nullptr);
      EXPECT_EQ(attr.value.kind(), other->find(attr.name)->kind());
      if (attr.value.kind() == AttrKind::tensor) {
        EXPECT_TRUE(identical(*attr.value.constant(), *other->find(attr.name)->constant()));
      }
    }
  }
}

TEST(ModelVariables, AreTiedToNodesAndKeysOfTheCheckpoint) {
  for (const char* name : {"sparse", "keras2", "keras3", "plain", "simple", "text", "train"}) {
    const Model model = open(name);
    const auto variables = model_variables(model.meta);
    ASSERT_TRUE(variables.ok()) << variables.status().to_string();
    ASSERT_FALSE(variables->wanted.empty()) << name;
    // The path of the vocabulary is a variable that the graph fills by itself; Keras 3 leaves handles that nothing uses.
    const size_t untied = name == std::string_view("sparse") ? 1 : name == std::string_view("keras3") ? 2 : 0;
    EXPECT_EQ(variables->untied.size(), untied) << name;
    const auto checkpoint = open_variables(model.stored);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().to_string();
    for (const Wanted& wanted : variables->wanted) {
      const auto found = checkpoint->read(wanted.key);
      ASSERT_TRUE(found.ok() && *found) << name << ": " << wanted.key;
      EXPECT_EQ(dtype_of(**found), wanted.dtype) << wanted.key;
      EXPECT_EQ(shape_of(**found), wanted.shape) << wanted.key;
    }
  }
}

TEST(ModelVariables, PartsOfAPartitionedVariableAreOne) {
  const Model model = open("train");
  const auto variables = model_variables(model.meta);
  ASSERT_TRUE(variables.ok());
  const auto* first = variables->find("part/part_0");
  const auto* second = variables->find("part/part_1");
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(first->wanted, second->wanted);
  EXPECT_EQ(first->slice, "10 4 0,5:0,4");
  EXPECT_EQ(second->slice, "10 4 5,5:0,4");
  EXPECT_EQ(variables->wanted[first->wanted].shape, (Shape{10, 4}));
  EXPECT_EQ(variables->wanted[variables->find("w/Adam")->wanted].role, Role::slot);
  EXPECT_EQ(variables->wanted[variables->find("global_step")->wanted].role, Role::counter);
}

TEST(OpCensus, FollowsCallsBranchesAndLoops) {
  const Model model = open("control");
  const auto census = count_ops(model.meta);
  ASSERT_TRUE(census.ok());
  const auto use = [&](std::string_view op) {
    return *std::ranges::find(census->ops, op, [](const OpUse& u) { return std::string_view(u.op); });
  };
  EXPECT_EQ(use("StatelessIf").signatures, (Texts{"serving_default"}));
  EXPECT_EQ(use("TensorListSetItem").reached, 1u);
  EXPECT_TRUE(use("SaveV2").by_saver);
  EXPECT_FALSE(use("SaveV2").reachable());
  EXPECT_TRUE(census->missing.empty());
}

TEST(OpCensus, TellsInitializationAndForeignOps) {
  const auto census = count_ops(open("sparse").meta);
  ASSERT_TRUE(census.ok());
  const auto it = std::ranges::find(census->ops, std::string_view("InitializeTableFromTextFileV2"),
                                    [](const OpUse& u) { return std::string_view(u.op); });
  ASSERT_NE(it, census->ops.end());
  EXPECT_TRUE(it->by_init && it->signatures.empty());
  EXPECT_TRUE(is_core_op("SparseTensorDenseMatMul"));
  EXPECT_TRUE(is_core_op("Abort"));
  EXPECT_TRUE(is_core_op("ZipDataset"));
  EXPECT_FALSE(is_core_op("NormalizeUTF8"));
  EXPECT_FALSE(is_core_op("Sparse"));
  EXPECT_FALSE(is_core_op(""));
}

TEST(InitOps, AreNamedByTheSignatureOrACollection) {
  EXPECT_EQ(init_ops(open("sparse").meta), (Texts{"NoOp"}));
  EXPECT_TRUE(init_ops(open("frozen.pb").meta).empty());
}

// ---- Renaming

ModelRenames renames(std::initializer_list<PortRename> inputs, std::initializer_list<PortRename> outputs = {}) {
  ModelRenames out;
  out.inputs = inputs;
  out.outputs = outputs;
  return out;
}

TEST(ModelRename, ALogicalNameRenamesAllPartsAndTheWrapperFollowsTheirOrder) {
  const Model model = open("sparse");
  ModelRenames wanted = renames({{"serving_default", "features", "zclicks"}, {"", "rt", "words"}, {"", "x_3", "aaa"}},
                                {{"", "y", "a_scores"}, {"", "s", "zz"}});
  wanted.signatures.emplace_back("dense", "score/dense");
  const auto bytes = rename_ports(model.stored, wanted);
  ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
  auto stored = StoredModel::open(Place{memory_source(*Buffer::copy_of(*bytes)), nullptr});
  ASSERT_TRUE(stored.ok());
  const Model changed{*stored, *stored->read()};
  const Signature s = signature_of(changed);
  EXPECT_EQ(texts_of(s.inputs), (Texts{"zclicks coo float32 [?, 5] structured: zclicks/indices zclicks/values zclicks/dense_shape",
                                       "words ragged int64 [?, ?] structured: words/values words/row_splits",
                                       "a coo string [?, 7] structured: x x_1 x_2", "aaa dense float32 [?] declared: aaa"}));
  EXPECT_EQ(s.inputs[0].parts[1].tensor, "serving_default_features_1:0");
  EXPECT_EQ(texts_of(s.outputs)[0], "a_scores dense float32 [?, 3] declared: a_scores");
  EXPECT_EQ(s.find_output("zz")->parts[0].tensor, "StatefulPartitionedCall_1:5");
  EXPECT_EQ(signature_of(changed, "score/dense").inputs[0].name, "d");
  // The loader takes arguments in the order of their names: the wrapper has them so, and its call hands them so.
  const auto objects = changed.meta.objects();
  ASSERT_TRUE(objects.ok());
  const SavedObject& function = (*objects)[*objects->child(*objects->child(0, "signatures"), "serving_default")];
  EXPECT_EQ(function.argument_keywords, (std::vector<std::string_view>{"aaa", "words/row_splits", "words/values", "x", "x_1", "x_2",
                                                                       "zclicks/dense_shape", "zclicks/indices", "zclicks/values"}));
  const auto wrapper = changed.meta.graph().functions().read(function.concrete_functions[0]);
  ASSERT_TRUE(wrapper.ok());
  EXPECT_EQ(wrapper->signature().inputs[0].name, "x_3");
  EXPECT_EQ(wrapper->signature().inputs[7].name, "features");
  EXPECT_EQ(*wrapper->arg_attr(7, "_user_specified_name")->text(), "zclicks/indices");
  const Node& call = *changed.meta.graph().find("StatefulPartitionedCall_1");
  EXPECT_EQ(call.inputs[0], "serving_default_x_3");
  EXPECT_EQ((*call.find("Tin")->types())[0], DType::float32);
  EXPECT_EQ(call.inputs[9], "w");
  // And back: what was there before, but for the encoding of two lists.
  ModelRenames back = renames({{"", "zclicks/indices", "features"},
                               {"", "zclicks/values", "features_1"},
                               {"", "zclicks/dense_shape", "features_2"},
                               {"", "words/values", "rt"},
                               {"", "words/row_splits", "rt_1"},
                               {"", "aaa", "x_3"}},
                              {{"", "a_scores", "y"}, {"", "zz", "s"}});
  back.signatures.emplace_back("score/dense", "dense");
  const auto again = rename_ports(*stored, back);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ(again->size(), model.stored.bytes().size());
}

TEST(ModelRename, WhatIsNotThereOrWouldClashIsRefused) {
  const Model model = open("sparse");
  const auto message = [&](const ModelRenames& wanted) { return std::string(rename_ports(model.stored, wanted).status().message()); };
  EXPECT_NE(message(renames({{"", "nothing", "x"}})).find("no signature has an input 'nothing'"), std::string::npos);
  EXPECT_NE(message(renames({{"dense", "features", "x"}})).find("there is no signature 'dense' with an input 'features'"),
            std::string::npos);
  EXPECT_NE(message(renames({{"", "d", ""}})).find("is empty"), std::string::npos);
  EXPECT_NE(message(renames({{"", "x_3", "rt"}})).find("would have two inputs named 'rt'"), std::string::npos);
  EXPECT_NE(message(renames({{"", "x_3", "rt/1"}})).find("that Python calls 'rt_1'"), std::string::npos);
  EXPECT_NE(message(renames({}, {{"", "y", "s"}})).find("would have two outputs"), std::string::npos);
  EXPECT_FALSE(rename_ports(open("frozen.pb").stored, renames({{"", "x", "y"}})).ok());
}

TEST(ModelRename, UntouchedBytesStay) {
  const Model model = open("simple");
  const auto bytes = rename_ports(model.stored, renames({{"", "features", "featured"}}));
  ASSERT_TRUE(bytes.ok());
  ASSERT_EQ(bytes->size(), model.stored.bytes().size());
  size_t different = 0;
  for (size_t i = 0; i < bytes->size(); ++i) different += (*bytes)[i] != model.stored.bytes().text()[i];
  EXPECT_EQ(different, 1u);
}

TEST(ModelRename, FoldersAreWrittenWholeOrNotAtAll) {
  const auto folder = std::filesystem::temp_directory_path() / concat("ferry_rename_", ::getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const Model model = open("sparse");
  const std::string out = (folder / "out").string();
  ASSERT_TRUE(write_renamed(model.stored, renames({{"", "d", "e"}}), out).ok());
  EXPECT_FALSE(write_renamed(model.stored, renames({{"", "d", "e"}}), out).ok());
  auto stored = StoredModel::open(out);
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->variables().has_value());
  EXPECT_TRUE(stored->asset_path("vocab.txt").ok());
  EXPECT_FALSE(stored->has("fingerprint.pb"));
  ASSERT_TRUE(rename_in_place(*stored, renames({{"", "e", "f"}})).ok());
  EXPECT_NE(signature_of(open(out), "dense").find_input("f"), nullptr);
  EXPECT_FALSE(rename_in_place(*stored, renames({{"", "no", "f"}})).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()), 1);
  std::filesystem::remove_all(folder);
}

// Everything that reads, on bytes that are not quite a model's any more: a value or a sentence, never a crash.
void use_up(std::string_view bytes) {
  const auto stored = StoredModel::open(Place{memory_source(*Buffer::copy_of(bytes)), nullptr});
  if (!stored.ok()) {
    EXPECT_FALSE(stored.status().message().empty());
    EXPECT_NE(stored.status().code(), StatusCode::internal);
    return;
  }
  for (size_t i = 0; i < stored->size(); ++i) {
    const auto meta = stored->read(i);
    if (!meta.ok()) continue;
    (void)read_signatures(*stored, *meta);
    (void)propose_signature(*meta);
    (void)callable_functions(*meta, true);
    (void)model_variables(*meta);
    (void)count_ops(*meta);
    if (meta->signatures().empty() || meta->signatures()[0].inputs.empty()) continue;
    (void)rename_ports(*stored, renames({{"", std::string(meta->signatures()[0].inputs[0].first), "zz"}}));
  }
}

TEST(StoredModel, ChangedBytesNeverCrash) {
  std::mt19937 random(7);
  for (const char* name : {"sparse/saved_model.pb", "simple/saved_model.pb", "train/model.ckpt-7.meta", "frozen.pb", "triple.pbtxt"}) {
    const auto source = open_source((kFolder / name).string());
    ASSERT_TRUE(source.ok());
    const std::string whole((*source)->view(0, (*source)->size())->text());
    for (int round = 0; round < 40; ++round) {
      std::string bytes = whole;
      for (int k = 0; k < 1 + round % 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (round % 8 == 7) bytes.resize(random() % bytes.size());
      use_up(bytes);
    }
  }
}

}  // namespace
}  // namespace ferry
