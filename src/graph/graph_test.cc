#include "ferry/graph.h"

#include <gtest/gtest.h>

#include "ferry/meta_graph.h"
#include "ferry/signature.h"
#include "ferry/stored_model.h"
#include "graph/detect.h"
#include "graph/schema.h"
#include "support/memory_folder.h"
#include "wire/protobuf.h"

namespace ferry {
namespace {

using testing_support::MemoryFolder;

// Text in, wire out: what the tests read is written as people write it.
Buffer graph_def(std::string_view text) {
  auto wire = textproto::to_wire(text, graph::schema::GraphDef);
  EXPECT_TRUE(wire.ok()) << wire.status().to_string();
  return *Buffer::copy_of(*wire);
}
Buffer meta_graph_def(std::string_view text) {
  auto wire = textproto::to_wire(text, graph::schema::MetaGraphDef);
  EXPECT_TRUE(wire.ok()) << wire.status().to_string();
  return *Buffer::copy_of(*wire);
}
Graph parse(std::string_view text) {
  auto graph = Graph::parse(graph_def(text));
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return graph.ok() ? *std::move(graph) : Graph();
}

TEST(Graph, NodesHaveInputsAndAttributesOfEveryKind) {
  const Graph g = parse(R"(
    node { name: "a" op: "Placeholder" device: "/cpu:0"
           attr { key: "dtype" value { type: DT_FLOAT_REF } }
           attr { key: "shape" value { shape { dim { size: -1 } dim { size: 5 name: "d" } } } }
           attr { key: "none" value { shape { unknown_rank: true } } } }
    node { name: "b" op: "Const"
           attr { key: "value" value { tensor { dtype: DT_INT64 tensor_shape { dim { size: 2 } } int64_val: 4 int64_val: -5 } } } }
    node { name: "c" op: "Foo" input: "a" input: "b:1" input: "^a"
           attr { key: "s" value { s: "\001x" } } attr { key: "i" value { i: -7 } } attr { key: "f" value { f: 0.5 } }
           attr { key: "t" value { b: true } } attr { key: "p" value { placeholder: "T" } }
           attr { key: "li" value { list { i: 1 i: 2 } } } attr { key: "lt" value { list { type: DT_INT32 type: DT_STRING } } }
           attr { key: "ls" value { list { s: "u" s: "" } } } attr { key: "lf" value { list { f: 1 f: 2 } } }
           attr { key: "lb" value { list { b: true b: false } } } attr { key: "lsh" value { list { shape {} shape { unknown_rank: true } } } }
           attr { key: "empty" value { list {} } }
           attr { key: "fn" value { func { name: "g" attr { key: "k" value { i: 3 } } } } }
           attr { key: "lfn" value { list { func { name: "g" } func { name: "h" } } } } }
    versions { producer: 27 min_consumer: 12 bad_consumers: 3 })");
  ASSERT_EQ(g.nodes().size(), 3u);
  EXPECT_EQ(g.versions().producer, 27);
  EXPECT_EQ(g.versions().bad_consumers, std::vector<int32_t>{3});
  EXPECT_FALSE(g.versions().empty_shape_is_unknown());
  const Node& a = *g.find("a");
  EXPECT_EQ(a.device, "/cpu:0");
  EXPECT_EQ(*a.type("dtype"), DType::float32);
  EXPECT_EQ(*a.find("dtype")->type_number(), 101);
  EXPECT_EQ(a.shape("shape")->to_string(), "[?, 5]");
  EXPECT_EQ(a.shape("none")->to_string(), "?");
  const auto constant = g.find("b")->find("value")->constant();
  ASSERT_TRUE(constant.ok()) << constant.status().to_string();
  EXPECT_EQ(constant->values<int64_t>()[1], -5);
  const Node& c = *g.find("c");
  ASSERT_EQ(c.inputs.size(), 3u);
  EXPECT_EQ(c.inputs[1], "b:1");
  EXPECT_EQ(*c.text("s"), "\001x");
  EXPECT_EQ(*c.integer("i"), -7);
  EXPECT_EQ(*c.number("f"), 0.5f);
  EXPECT_TRUE(*c.boolean("t"));
  EXPECT_EQ(*c.find("p")->placeholder(), "T");
  EXPECT_EQ(*c.find("li")->integers(), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*c.find("lt")->types(), (std::vector<DType>{DType::int32, DType::string}));
  EXPECT_EQ(*c.find("ls")->texts(), (std::vector<std::string_view>{"u", ""}));
  EXPECT_EQ(*c.find("lf")->numbers(), (std::vector<float>{1, 2}));
  EXPECT_EQ(*c.find("lb")->booleans(), (std::vector<bool>{true, false}));
  EXPECT_EQ(c.find("lsh")->shapes()->size(), 2u);
  EXPECT_TRUE(c.find("empty")->integers()->empty());
  EXPECT_TRUE(c.find("empty")->funcs()->empty());
  EXPECT_EQ(c.find("empty")->list_kind(), AttrKind::none);
  EXPECT_EQ(c.find("li")->list_kind(), AttrKind::integer);
  EXPECT_EQ(c.find("lfn")->list_size(), 2u);
  const auto call = c.func("fn");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->name, "g");
  EXPECT_EQ(*call->attrs[0].value.integer(), 3);
  EXPECT_EQ((*c.find("lfn")->funcs())[1].name, "h");
}

TEST(Graph, AMissingAttributeTakesTheDefaultOrIsNamed) {
  const Graph g = parse(R"(node { name: "m" op: "MatMul" attr { key: "T" value { i: 3 } } })");
  const Node& m = *g.find("m");
  EXPECT_FALSE(*m.boolean("transpose_a", false));
  EXPECT_EQ(m.boolean("transpose_a").status().message(), "node 'm' (MatMul) has no attribute 'transpose_a'");
  EXPECT_EQ(m.type("T").status().message(), "node 'm' (MatMul), attribute 'T': the attribute is of the kind int, expected type");
}

TEST(Graph, PackedAndSingleListElementsAreTheSame) {
  std::string packed;
  proto::append_bytes_field(packed, 3, "\x01\x02");
  std::string value;
  proto::append_bytes_field(value, 1, packed);
  const AttrValue attr(std::as_bytes(std::span(value)));
  EXPECT_EQ(*attr.integers(), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(attr.list_size(), 2u);
  EXPECT_FALSE(attr.types().ok());
}

TEST(Graph, TwoNodesOfOneNameAreRefused) {
  const auto g = Graph::parse(graph_def(R"(node { name: "a" op: "NoOp" } node { name: "a" op: "NoOp" })"));
  EXPECT_EQ(g.status().message(), "two nodes are named 'a'");
}

TEST(Graph, TheVersionOfGraphsWithoutVersions) {
  EXPECT_EQ(parse("version: 9").versions().producer, 9);
  EXPECT_TRUE(parse("version: 9").versions().empty_shape_is_unknown());
}

TEST(Graph, InputsSayNodeOutputAndIndex) {
  EXPECT_EQ(parse_input("a")->node, "a");
  EXPECT_EQ(parse_input("a:2")->index, 2);
  EXPECT_EQ(parse_input("a:out:3")->index, 3);
  EXPECT_EQ(parse_input("a:out:3")->output, "out");
  EXPECT_EQ(parse_input("a:out")->index, 0);
  EXPECT_TRUE(parse_input("^a/b")->control);
  for (const char* bad : {"", "^", ":1", "a:", "a:b:", "a:b:c", "^a:1", "a:out:-1"}) EXPECT_FALSE(parse_input(bad).ok()) << bad;
}

TEST(Graph, FunctionsAreReadWhenAskedFor) {
  const Graph g = parse(R"(library { function {
      signature { name: "f" input_arg { name: "x" type: DT_FLOAT } input_arg { name: "r" type: DT_RESOURCE handle_data { dtype: DT_FLOAT shape { dim { size: 3 } } } }
                  output_arg { name: "y" type_attr: "T" } control_output: "done" is_stateful: true
                  attr { name: "T" type: "type" default_value { type: DT_FLOAT } has_minimum: true minimum: 2 } }
      node_def { name: "n" op: "Identity" input: "x" } ret { key: "y" value: "n:output:0" } control_ret { key: "done" value: "n" }
      attr { key: "_x" value { i: 1 } } arg_attr { key: 1 value { attr { key: "_user_specified_name" value { s: "res" } } } }
      resource_arg_unique_id { key: 1 value: 9 } }
      gradient { function_name: "f" gradient_func: "g" } })");
  ASSERT_EQ(g.functions().size(), 1u);
  EXPECT_EQ(g.functions().gradients()[0].gradient, "g");
  const auto f = g.functions().read("f");
  ASSERT_TRUE(f.ok()) << f.status().to_string();
  EXPECT_EQ(f->name(), "f");
  EXPECT_EQ(f->signature().inputs.size(), 2u);
  EXPECT_EQ(f->signature().inputs[1].handle_data[0].shape.to_string(), "[3]");
  EXPECT_EQ(f->signature().outputs[0].type_attr, "T");
  EXPECT_EQ(f->signature().find_attr("T")->minimum, 2);
  EXPECT_EQ(*f->signature().find_attr("T")->default_value->type(), DType::float32);
  EXPECT_TRUE(f->signature().is_stateful);
  EXPECT_EQ(f->nodes()[0].inputs[0], "x");
  EXPECT_EQ(f->ret_of("y"), "n:output:0");
  EXPECT_EQ(f->control_ret()[0].tensor, "n");
  EXPECT_EQ(*f->arg_attr(1, "_user_specified_name")->text(), "res");
  EXPECT_EQ(f->resource_arg_unique_ids()[0].second, 9u);
  EXPECT_EQ(g.functions().read("g").status().code(), StatusCode::not_found);
}

TEST(Graph, EveryPrefixIsAnErrorOrLess) {
  const Buffer bytes = graph_def(R"(node { name: "a" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT float_val: 1 } } } }
                                    library { function { signature { name: "f" } node_def { name: "n" op: "NoOp" } } } versions { producer: 1 })");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto g = Graph::parse(bytes.slice(0, size));
    if (g.ok()) {
      EXPECT_LE(g->nodes().size(), 1u);
    } else {
      EXPECT_FALSE(g.status().message().empty());
    }
  }
}

TEST(MetaGraph, AFieldWrittenTwiceIsMerged) {
  const Buffer once = meta_graph_def(R"(graph_def { node { name: "a" op: "NoOp" } } meta_info_def { tags: "serve" })");
  const Buffer again = meta_graph_def(R"(graph_def { node { name: "b" op: "NoOp" } } meta_info_def { tags: "x" tensorflow_version: "2" })");
  const auto meta = MetaGraph::parse(*Buffer::copy_of(std::string(once.text()) + std::string(again.text())));
  ASSERT_TRUE(meta.ok()) << meta.status().to_string();
  EXPECT_EQ(meta->graph().nodes().size(), 2u);
  EXPECT_EQ(meta->tags().size(), 2u);
  EXPECT_EQ(meta->tensorflow_version(), "2");
}

TEST(MetaGraph, SignaturesCollectionsSaverAndAssets) {
  const auto meta = MetaGraph::parse(meta_graph_def(R"(
    meta_info_def { tags: "serve" stripped_default_attrs: true function_aliases { key: "__inference_f_1" value: "f" }
                    stripped_op_list { op { name: "Foo" attr { name: "k" type: "int" default_value { i: 4 } } } } }
    saver_def { filename_tensor_name: "save/Const:0" save_tensor_name: "save/control_dependency:0" restore_op_name: "save/restore_all"
                max_to_keep: 5 keep_checkpoint_every_n_hours: 2.5 version: V2 }
    collection_def { key: "losses" value { node_list { value: "loss:0" } } }
    collection_def { key: "raw" value { bytes_list { value: "\000" } } }
    collection_def { key: "ints" value { int64_list { value: [1, 2] } } }
    collection_def { key: "floats" value { float_list { value: 0.5 } } }
    collection_def { key: "any" value { any_list { value { type_url: "t" value: "v" } } } }
    signature_def { key: "serving_default" value {
      inputs { key: "z" value { name: "z:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
      inputs { key: "s" value { dtype: DT_FLOAT coo_sparse { values_tensor_name: "v:0" indices_tensor_name: "i:0" dense_shape_tensor_name: "d:0" } } }
      outputs { key: "r" value { composite_tensor { type_spec { type_spec_class: RAGGED_TENSOR_SPEC type_spec_class_name: "RaggedTensorSpec" num_flat_components: 2
        type_state { tuple_value { values { tensor_shape_value { dim { size: -1 } dim { size: -1 } } } values { tensor_dtype_value: DT_FLOAT } values { int64_value: 1 } values { tensor_dtype_value: DT_INT64 } } } }
        components { name: "c:0" dtype: DT_FLOAT } components { name: "c:1" dtype: DT_INT64 } } } }
      method_name: "tensorflow/serving/predict" defaults { key: "z" value { dtype: DT_INT64 int64_val: 3 } } } }
    asset_file_def { tensor_info { name: "asset:0" } filename: "vocab.txt" })"));
  ASSERT_TRUE(meta.ok()) << meta.status().to_string();
  EXPECT_TRUE(meta->has_tag("serve"));
  EXPECT_EQ(meta->function_aliases()[0].second, "f");
  EXPECT_EQ(*(*meta->ops())[0].find_attr("k")->default_value->integer(), 4);
  EXPECT_EQ(meta->saver()->version, 2);
  EXPECT_EQ(meta->saver()->keep_every_n_hours, 2.5f);
  EXPECT_EQ(meta->collection_names(), (std::vector<std::string_view>{"any", "floats", "ints", "losses", "raw"}));
  EXPECT_EQ(meta->collection("losses")->texts[0], "loss:0");
  EXPECT_EQ(meta->collection("raw")->texts[0], std::string_view("\0", 1));
  EXPECT_EQ(meta->collection("ints")->integers, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(meta->collection("floats")->numbers[0], 0.5f);
  EXPECT_EQ(meta->collection("any")->types[0], "t");
  EXPECT_EQ(meta->collection("none").status().code(), StatusCode::not_found);
  const SignatureDef& s = *meta->find_signature("serving_default");
  EXPECT_EQ(s.inputs[0].first, "s");  // sorted
  EXPECT_EQ(s.inputs[0].second.indices, "i:0");
  EXPECT_EQ(s.inputs[1].second.name, "z:0");
  EXPECT_EQ(s.defaults[0].first, "z");
  const auto spec = s.outputs[0].second.read_type_spec();
  ASSERT_TRUE(spec.ok()) << spec.status().to_string();
  EXPECT_EQ(spec->type_number, kRaggedTensorSpec);
  EXPECT_EQ(spec->items[0].items[2].integer, 1);
  EXPECT_EQ(s.outputs[0].second.components[1].name, "c:1");
  EXPECT_EQ(meta->assets()[0].filename, "vocab.txt");
}

TEST(SavedObjects, EveryKindOfObject) {
  const auto meta = MetaGraph::parse(meta_graph_def(R"(object_graph_def {
    nodes { children { node_id: 1 local_name: "w" } children { node_id: 2 local_name: "f" } user_object { identifier: "_generic_user_object" version { producer: 1 } metadata: "{}" }
            slot_variables { original_variable_node_id: 1 slot_name: "m" slot_variable_node_id: 1 } registered_name: "A" }
    nodes { variable { dtype: DT_FLOAT shape { dim { size: 2 } } trainable: true name: "w" } saveable_objects { key: "VARIABLE_VALUE" value { save_function: 2 restore_function: 2 } } }
    nodes { function { concrete_functions: "__inference_f_1" function_spec { fullargspec { named_tuple_value { name: "FullArgSpec" values { key: "args" value { list_value { values { string_value: "x" } } } } } } is_method: true } } }
    nodes { asset { asset_file_def_index: 3 } }
    nodes { constant { operation: "Const_1" } }
    nodes { resource { device: "/cpu" } }
    nodes { bare_concrete_function { concrete_function_name: "__inference_s" argument_keywords: "x" allowed_positional_arguments: 1 } }
    nodes { captured_tensor { name: "t" concrete_function: "f" } }
    concrete_functions { key: "__inference_f_1" value { bound_inputs: 1 canonicalized_input_signature { tuple_value { values { tuple_value { values {
        type_spec_value { type_spec_class: SPARSE_TENSOR_SPEC num_flat_components: 3 type_state { tuple_value { values { tensor_shape_value { dim { size: -1 } } } values { tensor_dtype_value: DT_FLOAT } } } } } } }
        values { dict_value { fields { key: "b" value { none_value {} } } fields { key: "a" value { tensor_spec_value { name: "a" dtype: DT_INT32 shape {} } } } } } } } } }
    })"));
  ASSERT_TRUE(meta.ok()) << meta.status().to_string();
  const auto objects = meta->objects();
  ASSERT_TRUE(objects.ok()) << objects.status().to_string();
  using Kind = SavedObject::Kind;
  const Kind kinds[] = {
      Kind::user_object,    Kind::variable, Kind::function, Kind::asset, Kind::constant, Kind::resource, Kind::bare_concrete_function,
      Kind::captured_tensor};
  ASSERT_EQ(objects->nodes().size(), std::size(kinds));
  for (size_t i = 0; i < std::size(kinds); ++i) EXPECT_EQ((*objects)[i].kind, kinds[i]) << i;
  EXPECT_EQ((*objects)[1].shape.to_string(), "[2]");
  EXPECT_EQ((*objects)[1].saveables[0].save_function, 2);
  EXPECT_EQ((*objects)[3].asset, 3);
  EXPECT_EQ(objects->child(0, "f"), 2u);
  EXPECT_EQ(objects->paths()[1], "w");
  const ConcreteFunction* f = objects->find_function("__inference_f_1");
  ASSERT_NE(f, nullptr);
  EXPECT_EQ(f->bound_inputs, std::vector<int32_t>{1});
  const auto signature = f->input_signature.read();
  ASSERT_TRUE(signature.ok()) << signature.status().to_string();
  EXPECT_EQ(signature->items[0].items[0].type_number, kSparseTensorSpec);
  EXPECT_EQ(signature->items[1].keys, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(signature->items[1].find("a")->type_number, 3);
  EXPECT_EQ(objects->find_function("no"), nullptr);
}

TEST(SavedObjects, IdsOutsideTheGraphAreRefused) {
  const auto meta = MetaGraph::parse(meta_graph_def("object_graph_def { nodes { children { node_id: 5 local_name: 'x' } } }"));
  ASSERT_TRUE(meta.ok());
  EXPECT_NE(meta->objects().status().message().find("has the child 5"), std::string_view::npos);
}

TEST(SavedObjects, CyclesHavePaths) {
  const auto meta =
      MetaGraph::parse(meta_graph_def("object_graph_def { nodes { children { node_id: 1 local_name: 'a' } } nodes { children { node_id: 0 "
                                      "local_name: 'up' } children { node_id: 1 local_name: 'me' } } }"));
  EXPECT_EQ(meta->objects()->paths(), (std::vector<std::string>{"", "a"}));
}

TEST(StructuredValue, DeepNestingIsLimited) {
  std::string value;
  for (int i = 0; i < 5000; ++i) {
    std::string list, outer;
    proto::append_bytes_field(list, 1, value);
    proto::append_bytes_field(outer, 51, list);
    value = std::move(outer);
    if (value.size() > 60000) break;
  }
  EXPECT_EQ(StructuredValue::parse(std::as_bytes(std::span(value))).status().code(), StatusCode::limit_exceeded);
}

// ---- Sparse placeholders

std::string placeholder(std::string_view name, std::string_view dtype, std::string_view dims) {
  std::string shape;
  for (const char c : dims) shape += concat("dim { size: ", c == '?' ? std::string("-1") : std::string(1, c), " } ");
  return concat("node { name: '", name, "' op: 'Placeholder' attr { key: 'dtype' value { type: ", dtype,
                " } } attr { key: 'shape' value { shape { ", shape, "} } } }\n");
}
// "name kind rank" of each input.
std::vector<std::string> proposed(const std::string& nodes, std::string_view uses) {
  const std::string text = concat("graph_def { ", nodes, uses, " versions { producer: 27 } }");
  const auto meta = MetaGraph::parse(meta_graph_def(text));
  EXPECT_TRUE(meta.ok()) << meta.status().to_string();
  const auto signature = propose_signature(*meta);
  EXPECT_TRUE(signature.ok() && *signature);
  std::vector<std::string> out;
  for (const Port& port : (*signature)->inputs) out.push_back(concat(port.name, " ", kind_name(port.kind), " ", port.shape.to_string()));
  return out;
}
using Texts = std::vector<std::string>;

TEST(SparsePlaceholders, NamelessOnesAreFoundByTheirShapes) {
  const std::string uses =
      "node { name: 'out' op: 'Foo' input: 'Placeholder' input: 'Placeholder_1' input: 'Placeholder_2' input: 'dense' }";
  // As sparse_placeholder() makes them: the shape first.
  EXPECT_EQ(proposed(placeholder("Placeholder", "DT_INT64", "3") + placeholder("Placeholder_1", "DT_INT64", "?") +
                         placeholder("Placeholder_2", "DT_INT64", "?3") + placeholder("dense", "DT_FLOAT", "?"),
                     uses),
            (Texts{"Placeholder coo [?, ?, ?]", "dense dense [?]"}));
  EXPECT_EQ(proposed(placeholder("Placeholder", "DT_INT64", "?") + placeholder("Placeholder_1", "DT_FLOAT", "?") +
                         placeholder("Placeholder_2", "DT_INT64", "??") + placeholder("dense", "DT_FLOAT", "?"),
                     uses),
            (Texts{"Placeholder coo ?", "dense dense [?]"}));
}

TEST(SparsePlaceholders, WhatOnlyLooksAlikeStaysDense) {
  const std::string uses = "node { name: 'out' op: 'Foo' input: 'a' input: 'b' input: 'c' }";
  // The rank is not that of the shape; or nothing is known of it, and the names say nothing.
  EXPECT_EQ(
      proposed(placeholder("a", "DT_INT64", "?2") + placeholder("b", "DT_FLOAT", "?") + placeholder("c", "DT_INT64", "3"), uses).size(),
      3u);
  EXPECT_EQ(
      proposed(placeholder("a", "DT_INT64", "??") + placeholder("b", "DT_FLOAT", "?") + placeholder("c", "DT_INT64", "?"), uses).size(),
      3u);
  EXPECT_EQ(
      proposed(placeholder("a", "DT_INT32", "?2") + placeholder("b", "DT_FLOAT", "?") + placeholder("c", "DT_INT64", "2"), uses).size(),
      3u);
}

TEST(SparsePlaceholders, AreFoundByTheOpThatTakesThemTogether) {
  const std::string parts = placeholder("rows", "DT_INT64", "?2") + placeholder("other", "DT_FLOAT", "?") +
                            placeholder("what", "DT_INT32", "?") + placeholder("size", "DT_INT64", "2");
  EXPECT_EQ(proposed(parts,
                     "node { name: 'cast' op: 'Cast' input: 'what' } node { name: 'same' op: 'Identity' input: 'rows' }"
                     "node { name: 'out' op: 'SparseToDense' input: 'same' input: 'size' input: 'cast' input: 'other' }"),
            (Texts{"what coo [?, ?]", "other dense [?]"}));
  const std::string two = placeholder("t/a/i", "DT_INT64", "?2") + placeholder("t/b/i", "DT_INT64", "?2") +
                          placeholder("t/a/v", "DT_FLOAT", "?") + placeholder("t/b/v", "DT_FLOAT", "?") +
                          placeholder("t/a/s", "DT_INT64", "2") + placeholder("t/b/s", "DT_INT64", "2");
  EXPECT_EQ(
      proposed(
          two,
          "node { name: 'out' op: 'SparseConcat' input: 't/a/i' input: 't/b/i' input: 't/a/v' input: 't/b/v' input: 't/a/s' input: 't/b/s' "
          "attr { key: 'N' value { i: 2 } } }"),
      (Texts{"t/a coo [?, ?]", "t/b coo [?, ?]"}));
}

TEST(SparsePlaceholders, LabelsAndLossesStayOut) {
  const std::string parts = placeholder("x/indices", "DT_INT64", "?2") + placeholder("x/values", "DT_FLOAT", "?") +
                            placeholder("x/shape", "DT_INT64", "2") + placeholder("labels/indices", "DT_INT64", "?2") +
                            placeholder("labels/values", "DT_FLOAT", "?") + placeholder("labels/shape", "DT_INT64", "2");
  EXPECT_EQ(proposed(parts,
                     "node { name: 'hidden' op: 'SparseReduceSum' input: 'x/indices' input: 'x/values' input: 'x/shape' }"
                     "node { name: 'y' op: 'SparseReduceSum' input: 'labels/indices' input: 'labels/values' input: 'labels/shape' }"
                     "node { name: 'loss' op: 'SquaredDifference' input: 'hidden' input: 'y' }"),
            (Texts{"x coo [?, ?]"}));
}

// ---- What a file is

std::string wire_of(std::string_view text, const textproto::Message& message) { return *textproto::to_wire(text, message); }

TEST(StoredModel, IsToldByContentsNotByName) {
  const std::string graph = wire_of(R"(node { name: "a" op: "NoOp" } versions { producer: 5 })", graph::schema::GraphDef);
  const std::string meta =
      wire_of(R"(meta_info_def { tags: "t" } graph_def { node { name: "a" op: "NoOp" } })", graph::schema::MetaGraphDef);
  const std::string saved = wire_of(
      R"(saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def { node { name: "a" op: "NoOp" } } })",
      graph::schema::SavedModel);
  const auto kind = [](std::string_view bytes) { return graph::detect(std::as_bytes(std::span(bytes)))->kind; };
  EXPECT_EQ(kind(graph), ModelKind::graph);
  EXPECT_EQ(kind(meta), ModelKind::meta_graph);
  EXPECT_EQ(kind(saved), ModelKind::saved_model);
  EXPECT_EQ(kind(wire_of(R"(library { function { signature { name: "f" } } })", graph::schema::GraphDef)), ModelKind::graph);
  EXPECT_EQ(kind("node { name: 'a' }"), ModelKind::graph);
  EXPECT_EQ(kind("# saved\nmeta_graphs {}"), ModelKind::saved_model);
  EXPECT_EQ(kind("signature_def {}"), ModelKind::meta_graph);
  auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"saved_model.pbtxt", saved}};
  const auto model = StoredModel::open(Place{nullptr, folder});
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_FALSE(model->is_text());
  EXPECT_EQ(model->tags(0)[0], "serve");
  EXPECT_FALSE(model->variables().has_value());
}

TEST(StoredModel, WhatIsNoModelIsNamed) {
  const auto message = [](std::string_view bytes) {
    return std::string(graph::detect(std::as_bytes(std::span(bytes))).status().message());
  };
  EXPECT_NE(message("version https://git-lfs.github.com/spec/v1\noid sha256:0\n").find("git-lfs pointer"), std::string::npos);
  EXPECT_NE(message("").find("is empty"), std::string::npos);
  EXPECT_NE(message("<!DOCTYPE html>").find("HTML"), std::string::npos);
  EXPECT_NE(message("\x89HDF\r\n\x1a\n").find("HDF5"), std::string::npos);
  EXPECT_NE(message("PK\x03\x04").find("zip"), std::string::npos);
  EXPECT_NE(message("foo: 3").find("begins with the field 'foo'"), std::string::npos);
}

TEST(StoredModel, MissingPiecesAreNamed) {
  auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"variables.index", ""}};
  EXPECT_EQ(StoredModel::open(Place{nullptr, folder}).status().message(),
            "the folder has no saved_model.pb and no saved_model.pbtxt; found variables.index");
  folder->files = {{"frozen.pb", ""}};
  EXPECT_NE(StoredModel::open(Place{nullptr, folder}).status().message().find("name one: frozen.pb"), std::string_view::npos);
}

TEST(StoredModel, AMetaGraphIsChosenByItsTags) {
  auto folder = std::make_shared<MemoryFolder>();
  folder->files = {{"saved_model.pbtxt", R"(saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" tags: "gpu" } }
                                            meta_graphs { meta_info_def { tags: "train" } })"},
                   {"assets/v.txt", "x"},
                   {"fingerprint.pb", "\x08\x05"}};
  const auto model = StoredModel::open(Place{nullptr, folder});
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_TRUE(model->is_text());
  EXPECT_EQ(model->choose().status().message(), "no meta graph has just the tags {serve}; there are {serve, gpu}, {train}");
  const std::string_view tags[] = {"gpu", "serve"};
  EXPECT_EQ(*model->choose(tags), 0u);
  EXPECT_EQ(model->read(1)->tags()[0], "train");
  EXPECT_EQ(*model->asset_path("v.txt"), "assets/v.txt");
  EXPECT_FALSE(model->asset_path("../v.txt").ok());
  EXPECT_FALSE(model->asset_path("/etc/passwd").ok());
  EXPECT_EQ(model->asset_path("w.txt").status().message(), "the asset 'assets/w.txt' is not there");
  EXPECT_EQ((*model->fingerprint())->saved_model_checksum, 5u);
}

}  // namespace
}  // namespace ferry
