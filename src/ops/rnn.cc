// Recurrent cells in one op: LSTMBlockCell, BlockLSTM (the cell along a sequence), GRUBlockCell.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/gemm.h"
#include "ops/types.h"

namespace ferry::ops {
namespace {

float sigmoid(float x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const float e = std::exp(x);
  return e / (1 + e);
}

// Half goes through float.
std::vector<float> widened(const DenseTensor& x) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(x.num_elements()));
  with_type(x.dtype(), Types<float, Half>{}, [&]<class T>(TypeTag<T>) {
    for (const T value : x.values<T>()) out.push_back(static_cast<float>(value));
  });
  return out;
}

// [a, b] side by side, b scaled by `factor` where there is one.
void beside(const float* a, int64_t a_columns, const float* b, const float* factor, int64_t b_columns, int64_t rows, float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    out = std::copy_n(a + r * a_columns, a_columns, out);
    for (int64_t c = 0; c < b_columns; ++c) *out++ = b[r * b_columns + c] * (factor == nullptr ? 1.0f : factor[r * b_columns + c]);
  }
}

Status expect(const Call& call, size_t i, std::string_view name, std::initializer_list<int64_t> dims) {
  if (call.shape(i) == Shape(dims)) return {};
  return invalid_argument(concat(name, " must be shaped ", Shape(dims).to_string(), ", got ", call.shape(i).to_string()));
}

// ---- LSTM

constexpr size_t kOutputs = 7;  // i, cs, f, o, ci, co, h

class LstmKernel final : public Kernel {
 public:
  explicit LstmKernel(const NodeInfo& node)
      : sequence_(node.op() != "LSTMBlockCell"),
        forget_first_(node.op() == "BlockLSTMV2"),
        peephole_(node.flag("use_peephole")),
        forget_bias_(node.spec().attr("forget_bias") == nullptr ? 0.0f : static_cast<float>(node.real("forget_bias"))),
        clip_(static_cast<float>(node.real("cell_clip"))) {}

  Status run(Call& call) const override {
    const size_t first = sequence_ ? 1 : 0;  // x
    const Shape& x = call.shape(first);
    if (x.rank() != (sequence_ ? 3 : 2)) return invalid_argument(concat("x must be ", sequence_ ? 3 : 2, "D, got ", x.to_string()));
    if (call.shape(first + 1).rank() != 2) return invalid_argument(concat("cs_prev must be 2D, got ", call.shape(first + 1).to_string()));
    int64_t steps = 1, used = 1;
    if (sequence_) {
      steps = x[0];
      if (call.shape(0).rank() != 0) return invalid_argument("seq_len_max must be a scalar");
      FERRY_ASSIGN_OR_RETURN(used, call.integer(0));
      if (used < 0 || used > steps) return invalid_argument(concat("seq_len_max must be within the ", steps, " steps of x, got ", used));
    }
    const int64_t batch = x[x.rank() - 2], inputs = x[x.rank() - 1], cells = call.shape(first + 1)[1];
    FERRY_RETURN_IF_ERROR(expect(call, first + 1, "cs_prev", {batch, cells}));
    FERRY_RETURN_IF_ERROR(expect(call, first + 2, "h_prev", {batch, cells}));
    FERRY_RETURN_IF_ERROR(expect(call, first + 3, "w", {inputs + cells, 4 * cells}));
    for (size_t i = 0; i < 3; ++i) {
      if (peephole_) FERRY_RETURN_IF_ERROR(expect(call, first + 4 + i, i == 0 ? "wci" : i == 1 ? "wcf" : "wco", {cells}));
    }
    FERRY_RETURN_IF_ERROR(expect(call, first + 7, "b", {4 * cells}));
    const Shape shape = sequence_ ? Shape{steps, batch, cells} : Shape{batch, cells};
    const DType dtype = call.in(first).dtype();
    std::byte* out[kOutputs];
    for (size_t i = 0; i < kOutputs; ++i) {
      FERRY_ASSIGN_OR_RETURN(out[i], call.make(i, dtype, shape));
    }
    if (*shape.num_elements() == 0) return {};

    std::vector<float> in[8];
    for (size_t i = 0; i < 8; ++i) in[i] = widened(call.in(first + i));
    const int64_t size = batch * cells;
    std::vector<float> result[kOutputs], both(static_cast<size_t>(batch * (inputs + cells))), gates(static_cast<size_t>(4 * size));
    for (std::vector<float>& r : result) r.assign(static_cast<size_t>(steps * size), 0.0f);
    const float *cs = in[1].data(), *h = in[2].data();
    for (int64_t t = 0; t < used; ++t) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      beside(in[0].data() + t * batch * inputs, inputs, h, nullptr, cells, batch, both.data());
      FERRY_RETURN_IF_ERROR(
          gemm(call.run(), DType::float32, {both.data()}, {in[3].data()}, gates.data(), batch, 4 * cells, inputs + cells));
      float* to[kOutputs];
      for (size_t i = 0; i < kOutputs; ++i) to[i] = result[i].data() + t * size;
      step(in, gates.data(), cs, batch, cells, to);
      cs = to[1];
      h = to[6];
    }
    with_type(dtype, Types<float, Half>{}, [&]<class T>(TypeTag<T>) {
      for (size_t i = 0; i < kOutputs; ++i) {
        std::ranges::transform(result[i], reinterpret_cast<T*>(out[i]), [](float value) { return static_cast<T>(value); });
      }
    });
    return {};
  }

 private:
  void step(const std::vector<float>* in, const float* gates, const float* cs_prev, int64_t batch, int64_t cells, float* const* to) const {
    const float *const wci = in[4].data(), *const wcf = in[5].data(), *const wco = in[6].data(), *const bias = in[7].data();
    for (int64_t k = 0; k < batch * cells; ++k) {
      const int64_t row = k / cells * 4 * cells, c = k % cells;
      const auto gate = [&](int64_t which) { return gates[row + which * cells + c] + bias[which * cells + c]; };
      const auto peep = [&](const float* weights, float state) { return peephole_ ? weights[c] * state : 0.0f; };
      const float i = sigmoid(gate(0) + peep(wci, cs_prev[k]));
      const float ci = std::tanh(gate(forget_first_ ? 2 : 1));
      const float f = sigmoid(gate(forget_first_ ? 1 : 2) + forget_bias_ + peep(wcf, cs_prev[k]));
      float cs = i * ci + f * cs_prev[k];
      if (clip_ > 0) cs = std::clamp(cs, -clip_, clip_);
      const float co = std::tanh(cs), o = sigmoid(gate(3) + peep(wco, cs));
      const float values[kOutputs] = {i, cs, f, o, ci, co, o * co};
      for (size_t n = 0; n < kOutputs; ++n) to[n][k] = values[n];
    }
  }

  bool sequence_, forget_first_, peephole_;
  float forget_bias_, clip_;
};

Result<KernelRef> make_lstm(const NodeInfo& node) { return KernelRef(std::make_unique<LstmKernel>(node)); }

// ---- GRU

Status gru(Call& call) {
  const Shape &x = call.shape(0), &h_prev = call.shape(1);
  if (x.rank() != 2) return invalid_argument(concat("Rank of x must be 2, got ", x.rank()));
  if (h_prev.rank() != 2) return invalid_argument(concat("Rank of h_prev must be 2, got ", h_prev.rank()));
  const int64_t batch = x[0], inputs = x[1], cells = h_prev[1];
  FERRY_RETURN_IF_ERROR(expect(call, 1, "h_prev", {batch, cells}));
  FERRY_RETURN_IF_ERROR(expect(call, 2, "w_ru", {inputs + cells, 2 * cells}));
  FERRY_RETURN_IF_ERROR(expect(call, 3, "w_c", {inputs + cells, cells}));
  FERRY_RETURN_IF_ERROR(expect(call, 4, "b_ru", {2 * cells}));
  FERRY_RETURN_IF_ERROR(expect(call, 5, "b_c", {cells}));
  std::span<float> out[4];  // r, u, c, h
  for (size_t i = 0; i < 4; ++i) {
    FERRY_ASSIGN_OR_RETURN(out[i], call.make<float>(i, DType::float32, h_prev));
  }
  if (out[0].empty()) return {};
  const auto in = [&](size_t i) { return call.values<float>(i).data(); };
  std::vector<float> both(static_cast<size_t>(batch * (inputs + cells))), gates(static_cast<size_t>(2 * batch * cells));
  beside(in(0), inputs, in(1), nullptr, cells, batch, both.data());
  FERRY_RETURN_IF_ERROR(gemm(call.run(), DType::float32, {both.data()}, {in(2)}, gates.data(), batch, 2 * cells, inputs + cells));
  for (int64_t k = 0; k < batch * cells; ++k) {
    const int64_t at = k / cells * 2 * cells + k % cells, c = k % cells;
    out[0][static_cast<size_t>(k)] = sigmoid(gates[static_cast<size_t>(at)] + in(4)[c]);
    out[1][static_cast<size_t>(k)] = sigmoid(gates[static_cast<size_t>(at + cells)] + in(4)[cells + c]);
  }
  beside(in(0), inputs, in(1), out[0].data(), cells, batch, both.data());
  FERRY_RETURN_IF_ERROR(gemm(call.run(), DType::float32, {both.data()}, {in(3)}, out[2].data(), batch, cells, inputs + cells));
  for (size_t k = 0; k < out[2].size(); ++k) {
    const float c = out[2][k] = std::tanh(out[2][k] + in(5)[static_cast<int64_t>(k) % cells]);
    out[3][k] = out[1][k] * (in(1)[k] - c) + c;
  }
  return {};
}

}  // namespace

extern const Op LSTMBlockCell_op, BlockLSTM_op, BlockLSTMV2_op, GRUBlockCell_op;

const Op LSTMBlockCell_op{"LSTMBlockCell", make_lstm};
const Op BlockLSTM_op{"BlockLSTM", make_lstm};
const Op BlockLSTMV2_op{"BlockLSTMV2", make_lstm};
const Op GRUBlockCell_op{"GRUBlockCell", make_free<gru>};

}  // namespace ferry::ops
