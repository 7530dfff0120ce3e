// The bytes of serialize_tensor to elements: our view, our copy, and libprotobuf's message with a copy out of it, as
// tf.io.parse_tensor does. 1000 distinct messages of 16 floats, and one of 1 Mi floats.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "formats/tensorproto/tensorproto.h"
#include "tensor.pb.h"

namespace {

using ferry::tensorproto::TensorProtoView;

std::vector<std::string> messages(int64_t elements) {
  std::mt19937 random(11);
  std::vector<std::string> out(elements == 16 ? 1000 : 4);
  std::vector<float> values(static_cast<size_t>(elements));
  for (std::string& message : out) {
    for (float& value : values) value = static_cast<float>(random()) * 1e-9f;
    ferry::tensorproto::encode(message, ferry::DenseView{ferry::DType::float32, std::span(&elements, 1), values.data()});
  }
  return out;
}

// Answers first: libprotobuf's bytes are ours.
void compare(benchmark::State& state, const std::vector<std::string>& inputs) {
  for (const std::string& bytes : inputs) {
    ferry::proto::TensorProto proto;
    auto view = TensorProtoView::decode(std::string_view(bytes));
    if (!proto.ParseFromString(bytes) || !view.ok() || proto.tensor_shape().dim(0).size() != view->shape()[0] ||
        proto.tensor_content() != std::string_view(reinterpret_cast<const char*>(view->content().data()), view->content().size())) {
      state.SkipWithError("answers differ");
      return;
    }
  }
}

template <class Decode>
void run(benchmark::State& state, Decode&& decode) {
  const auto inputs = messages(state.range(0));
  compare(state, inputs);
  size_t i = 0;
  for (auto _ : state) {
    decode(inputs[i]);
    if (++i == inputs.size()) i = 0;
  }
}

std::vector<std::byte> scratch(size_t{4} << 20);

void view(benchmark::State& state) {
  run(state, [](const std::string& bytes) {
    TensorProtoView out;
    benchmark::DoNotOptimize(TensorProtoView::decode(std::as_bytes(std::span(bytes)), out));
    benchmark::DoNotOptimize(out.content().data());
  });
}

void copy(benchmark::State& state) {
  run(state, [](const std::string& bytes) {
    TensorProtoView out;
    benchmark::DoNotOptimize(TensorProtoView::decode(std::as_bytes(std::span(bytes)), out));
    benchmark::DoNotOptimize(out.copy_to(std::span(scratch).first(out.num_bytes())));
  });
}

void libprotobuf(benchmark::State& state) {
  ferry::proto::TensorProto proto;  // reused, its best case
  run(state, [&](const std::string& bytes) {
    benchmark::DoNotOptimize(proto.ParseFromString(bytes));
    std::memcpy(scratch.data(), proto.tensor_content().data(), proto.tensor_content().size());
    benchmark::ClobberMemory();
  });
}

}  // namespace

BENCHMARK(view)->Name("tensorproto_decode/ferry")->Arg(16)->Arg(1 << 20);
BENCHMARK(copy)->Name("tensorproto_decode/ferry_copy")->Arg(16)->Arg(1 << 20);
BENCHMARK(libprotobuf)->Name("tensorproto_decode/libprotobuf")->Arg(16)->Arg(1 << 20);
BENCHMARK_MAIN();
