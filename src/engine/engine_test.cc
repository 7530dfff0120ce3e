// Graphs in TensorFlow's text format, run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "engine/session.h"
#include "graph/schema.h"

namespace ferry::engine {
namespace {

using ops::Value;

Graph graph_of(std::string_view text) {
  auto bytes = textproto::to_wire(text, graph::schema::GraphDef);
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  auto buffer = Buffer::copy_of(std::string_view(*bytes));
  auto graph = Graph::parse(*std::move(buffer));
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return *std::move(graph);
}

constexpr std::string_view kFloat = "attr { key: 'T' value { type: DT_FLOAT } }";
std::string placeholder(std::string_view name, std::string_view dtype = "DT_FLOAT") {
  return concat("node { name: '", name, "' op: 'Placeholder' attr { key: 'dtype' value { type: ", dtype, " } } }\n");
}
std::string constant(std::string_view name, float value, std::string_view control = "") {
  return concat(
      "node { name: '", name, "' op: 'Const' ", control.empty() ? "" : concat("input: '^", control, "' "),
      "attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: ",
      value, " } } } }\n");
}
std::string node(std::string_view name, std::string_view op, std::initializer_list<std::string_view> inputs,
                 std::string_view attrs = kFloat) {
  std::string out = concat("node { name: '", name, "' op: '", op, "' ");
  for (std::string_view input : inputs) out += concat("input: '", input, "' ");
  return concat(out, attrs, " }\n");
}

class Running {
 public:
  explicit Running(std::string_view text) : graph_(graph_of(text)), session_(graph_) {}
  Result<std::vector<Value>> run(const std::vector<std::pair<std::string, DenseTensor>>& feeds, const std::vector<std::string>& fetches,
                                 const std::vector<std::string>& targets = {}, const RunOptions& options = {}) {
    std::vector<std::string> names;
    std::vector<Value> values;
    for (const auto& [name, tensor] : feeds) {
      names.push_back(name);
      values.emplace_back(tensor);
    }
    FERRY_ASSIGN_OR_RETURN(const Schedule* schedule, session_.prepare(names, fetches, targets));
    steps = schedule->steps().size();
    return session_.run(*schedule, std::move(values), options);
  }
  float number(const std::vector<std::pair<std::string, DenseTensor>>& feeds, const std::string& fetch) {
    auto out = run(feeds, {fetch});
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return out.ok() ? out->front().tensor().values<float>()[0] : -12345.0f;
  }
  size_t steps = 0;

 private:
  Graph graph_;
  Session session_;
};

DenseTensor f(float value) { return DenseTensor::scalar(value); }

TEST(Engine, RunsWhatTheFetchNeedsAndNoMore) {
  Running graph(placeholder("x") + constant("half", 0.5f) + node("y", "Mul", {"x", "half"}) + node("unused", "NoSuchOp", {"x"}));
  EXPECT_EQ(graph.number({{"x", f(8)}}, "y:0"), 4);
  EXPECT_EQ(graph.steps, 1u);
}

TEST(Engine, WorksOutConstantsAtLoad) {
  Running graph(constant("a", 2) + constant("b", 3) + node("c", "Mul", {"a", "b"}) + node("d", "Neg", {"c"}));
  EXPECT_EQ(graph.number({}, "d"), -6);
  EXPECT_EQ(graph.steps, 0u);
}

TEST(Engine, FeedsAnyTensor) {
  Running graph(placeholder("x") + node("y", "Neg", {"x"}) + node("z", "Square", {"y"}));
  EXPECT_EQ(graph.number({{"y:0", f(5)}}, "z"), 25);
  EXPECT_EQ(graph.number({{"z", f(7)}}, "z:0"), 7);
}

TEST(Engine, ListsEveryUnknownOpWithItsNodes) {
  Running graph(placeholder("x") + node("a", "FirstUnknown", {"x"}) + node("b", "SecondUnknown", {"x"}) +
                node("c", "SecondUnknown", {"x"}) + node("y", "Add", {"a", "b"}) + node("z", "Add", {"y", "c"}));
  const auto out = graph.run({{"x", f(1)}}, {"z"});
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().code(), StatusCode::unsupported);
  EXPECT_EQ(out.status().message(), "this engine has no kernel for 2 ops: FirstUnknown (a), SecondUnknown (b, c)");
}

TEST(Engine, AnUnfedPlaceholderSaysSo) {
  Running graph(placeholder("x") + node("y", "Neg", {"x"}));
  const auto out = graph.run({}, {"y"});
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.status().message().find("You must feed a value for placeholder tensor 'x'"), std::string_view::npos)
      << out.status().to_string();
}

TEST(Engine, CirclesAndMissingInputsAreErrors) {
  Running circle(node("a", "Neg", {"b"}) + node("b", "Neg", {"a"}));
  EXPECT_NE(circle.run({}, {"a"}).status().message().find("circle"), std::string_view::npos);
  Running hole(node("a", "Neg", {"nobody"}));
  EXPECT_NE(hole.run({}, {"a"}).status().message().find("'nobody'"), std::string_view::npos);
  Running far(placeholder("x") + node("a", "Neg", {"x:7"}));
  EXPECT_FALSE(far.run({{"x", f(1)}}, {"a"}).ok());
  Running alone(placeholder("x") + node("a", "Add", {"x"}));
  EXPECT_NE(alone.run({{"x", f(1)}}, {"a"}).status().message().find("1 inputs, its op takes 2"), std::string_view::npos);
}

TEST(Engine, AVeryDeepGraphNeedsNoDeepStack) {
  std::string text = placeholder("n0");
  for (int i = 1; i <= 50'000; ++i) text += node(concat("n", i), "Neg", {concat("n", i - 1)});
  Running graph(text);
  EXPECT_EQ(graph.number({{"n0", f(3)}}, "n50000"), 3);
}

TEST(Engine, ControlEdgesKeepTheirOrder) {
  const std::string variable =
      "node { name: 'v' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape {} } } }\n";
  constexpr std::string_view kDtype = "attr { key: 'dtype' value { type: DT_FLOAT } }";
  Running graph(variable + constant("one", 1) + constant("five", 5) + node("set", "AssignVariableOp", {"v", "five"}, kDtype) +
                node("add", "AssignAddVariableOp", {"v", "one", "^set"}, kDtype) + node("read", "ReadVariableOp", {"v", "^add"}, kDtype));
  EXPECT_EQ(graph.number({}, "read"), 6);
  EXPECT_EQ(graph.number({}, "read"), 6);
}

TEST(Engine, AVariableWithoutAValueSaysWhichOne) {
  Running graph(
      "node { name: 'v' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape {} } } }\n" +
      node("read", "ReadVariableOp", {"v"}, "attr { key: 'dtype' value { type: DT_FLOAT } }"));
  const auto out = graph.run({}, {"read"});
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.status().message().find("the variable 'v' has no value"), std::string_view::npos);
}

// if (p) x + 1 else 9, as tf.compat.v1.cond writes it: the constant of the other branch waits for the switch.
TEST(Engine, SwitchAndMerge) {
  Running graph(placeholder("p", "DT_BOOL") + placeholder("x") + node("sx", "Switch", {"x", "p"}) +
                node("sp", "Switch", {"p", "p"}, "attr { key: 'T' value { type: DT_BOOL } }") +
                node("no", "Identity", {"sp"}, "attr { key: 'T' value { type: DT_BOOL } }") + constant("one", 1) +
                node("then", "Add", {"sx:1", "one"}) + constant("else", 9, "no") +
                node("m", "Merge", {"else", "then"}, concat(kFloat, " attr { key: 'N' value { i: 2 } }")));
  EXPECT_EQ(graph.number({{"p", DenseTensor::scalar(true)}, {"x", f(4)}}, "m"), 5);
  EXPECT_EQ(graph.number({{"p", DenseTensor::scalar(false)}, {"x", f(4)}}, "m"), 9);
  const auto dead = graph.run({{"p", DenseTensor::scalar(false)}, {"x", f(4)}}, {"then"});
  ASSERT_FALSE(dead.ok());
  EXPECT_EQ(dead.status().message(), "Retval[0] does not have value");
}

// i = x; while (i < 10) i = i + i
std::string while_loop(std::string_view step) {
  return concat(placeholder("x"), node("enter", "Enter", {"x"}, concat(kFloat, " attr { key: 'frame_name' value { s: 'w' } }")),
                node("merge", "Merge", {"enter", "next"}, concat(kFloat, " attr { key: 'N' value { i: 2 } }")),
                constant("ten", 10, "merge"), node("less", "Less", {"merge", "ten"}), node("cond", "LoopCond", {"less"}, ""),
                node("switch", "Switch", {"merge", "cond"}), node("body", step, {"switch:1", "switch:1"}),
                node("next", "NextIteration", {"body"}), node("exit", "Exit", {"switch"}));
}

TEST(Engine, LoopsOfTensorFlow1) {
  Running graph(while_loop("Add"));
  EXPECT_EQ(graph.number({{"x", f(3)}}, "exit"), 12);
  EXPECT_EQ(graph.number({{"x", f(30)}}, "exit"), 30);
}

TEST(Engine, AnEndlessLoopStopsAtItsLimits) {
  Running graph(while_loop("Minimum"));
  const auto steps = graph.run({{"x", f(3)}}, {"exit"}, {}, {.max_steps = 10'000});
  ASSERT_FALSE(steps.ok());
  EXPECT_EQ(steps.status().code(), StatusCode::limit_exceeded);
  const auto late = graph.run({{"x", f(3)}}, {"exit"}, {}, {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.status().code(), StatusCode::deadline);
  const std::atomic<bool> cancelled = true;
  EXPECT_EQ(graph.run({{"x", f(3)}}, {"exit"}, {}, {.cancelled = &cancelled}).status().code(), StatusCode::cancelled);
}

// f(n, a) = n > 0 ? f(n - 1, a + a) : a
constexpr std::string_view kRecursive = R"(
library {
  function { signature { name: 'f' input_arg { name: 'n' type: DT_FLOAT } input_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'r' type: DT_FLOAT } }
    node_def { name: 'zero' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: 0 } } } }
    node_def { name: 'more' op: 'Greater' input: 'n' input: 'zero:output:0' attr { key: 'T' value { type: DT_FLOAT } } }
    node_def { name: 'if' op: 'If' input: 'more:z:0' input: 'n' input: 'a'
      attr { key: 'Tcond' value { type: DT_BOOL } } attr { key: 'Tin' value { list { type: DT_FLOAT type: DT_FLOAT } } } attr { key: 'Tout' value { list { type: DT_FLOAT } } }
      attr { key: 'then_branch' value { func { name: 'again' } } } attr { key: 'else_branch' value { func { name: 'done' } } } }
    ret { key: 'r' value: 'if:output:0' } }
  function { signature { name: 'again' input_arg { name: 'n' type: DT_FLOAT } input_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'r' type: DT_FLOAT } }
    node_def { name: 'one' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: 1 } } } }
    node_def { name: 'less' op: 'Sub' input: 'n' input: 'one:output:0' attr { key: 'T' value { type: DT_FLOAT } } }
    node_def { name: 'twice' op: 'Add' input: 'a' input: 'a' attr { key: 'T' value { type: DT_FLOAT } } }
    node_def { name: 'call' op: 'PartitionedCall' input: 'less:z:0' input: 'twice:z:0'
      attr { key: 'Tin' value { list { type: DT_FLOAT type: DT_FLOAT } } } attr { key: 'Tout' value { list { type: DT_FLOAT } } } attr { key: 'f' value { func { name: 'f' } } } }
    ret { key: 'r' value: 'call:output:0' } }
  function { signature { name: 'done' input_arg { name: 'n' type: DT_FLOAT } input_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'r' type: DT_FLOAT } }
    ret { key: 'r' value: 'a' } }
}
)";

TEST(Engine, FunctionsMayCallThemselves) {
  Running graph(concat(placeholder("n"), placeholder("a"), node("call", "f", {"n", "a"}, ""), kRecursive));
  EXPECT_EQ(graph.number({{"n", f(10)}, {"a", f(1)}}, "call"), 1024);
  const auto deep = graph.run({{"n", f(1e6)}, {"a", f(1)}}, {"call"});
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.status().code(), StatusCode::limit_exceeded);
}

// FERRY_RUNS=10000 for the long form, under ThreadSanitizer.
TEST(Engine, ThreadsShareOneModel) {
  const char* const asked = std::getenv("FERRY_RUNS");
  const int runs = asked == nullptr ? 300 : std::atoi(asked);
  const std::string variable =
      "node { name: 'v' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape {} } } }\n";
  constexpr std::string_view kDtype = "attr { key: 'dtype' value { type: DT_FLOAT } }";
  const Graph graph =
      graph_of(concat(variable, constant("one", 1), constant("zero", 0), placeholder("n"), placeholder("a"),
                      node("set", "AssignVariableOp", {"v", "zero"}, kDtype), node("add", "AssignAddVariableOp", {"v", "one"}, kDtype),
                      node("read", "ReadVariableOp", {"v"}, kDtype), node("call", "f", {"n", "a"}, ""), while_loop("Add"), kRecursive));
  Session session(graph);
  const auto prepare = [&](std::vector<std::string> feeds, std::vector<std::string> fetches, std::vector<std::string> targets) {
    auto schedule = session.prepare(feeds, fetches, targets);
    EXPECT_TRUE(schedule.ok()) << schedule.status().to_string();
    return *schedule;
  };
  ASSERT_TRUE(session.run(*prepare({}, {}, {"set"}), {}).ok());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const Schedule* const loop = prepare({"x"}, {"exit"}, {});
      const Schedule* const call = prepare({"n", "a"}, {"call"}, {});
      const Schedule* const count = prepare({}, {}, {"add"});
      for (int i = 0; i < runs; ++i) {
        const auto start = static_cast<float>(1 + (i + t) % 9);
        float want = start;
        while (want < 10) want += want;
        const auto looped = session.run(*loop, {Value(f(start))});
        if (!looped.ok() || looped->front().tensor().values<float>()[0] != want) ++wrong;
        const auto called = session.run(*call, {Value(f(static_cast<float>(i % 5))), Value(f(start))});
        if (!called.ok() || called->front().tensor().values<float>()[0] != start * static_cast<float>(1 << (i % 5))) ++wrong;
        if (!session.run(*count, {}).ok()) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const auto total = session.run(*prepare({}, {"read"}, {}), {});
  ASSERT_TRUE(total.ok());
  EXPECT_EQ(total->front().tensor().values<float>()[0], static_cast<float>(8 * runs));
}

TEST(Engine, ReusesItsBlocksFromRunToRun) {
  Running graph(placeholder("x") + node("y", "Neg", {"x"}));
  const void* before = nullptr;
  for (int i = 0; i < 3; ++i) {
    auto out = graph.run({{"x", f(1)}}, {"y"});
    ASSERT_TRUE(out.ok());
    if (i > 0) {
      EXPECT_EQ(out->front().tensor().raw(), before);
    }
    before = out->front().tensor().raw();
  }
  // A result that somebody keeps is not written over.
  auto kept = graph.run({{"x", f(1)}}, {"y"});
  auto next = graph.run({{"x", f(2)}}, {"y"});
  EXPECT_EQ(kept->front().tensor().values<float>()[0], -1);
  EXPECT_EQ(next->front().tensor().values<float>()[0], -2);
}

}  // namespace
}  // namespace ferry::engine
