// ParseExample, ParseExampleV2, ParseSingleExample: over ferry/features.h, whose parser is made once for the keys and defaults that come
// in.
#include "ops/parse_features.h"
#include "ops/remembered.h"

namespace ferry::ops {
namespace {

// A parser, and batches that were made before: their blocks serve again once nobody else holds them.
struct Plan {
  explicit Plan(ExampleParser made) : parser(std::move(made)) {}
  ExampleParser parser;
  std::mutex mutex;
  std::vector<TensorMap> idle;

  TensorMap take() {
    const std::scoped_lock lock(mutex);
    if (idle.empty()) return {};
    TensorMap out = std::move(idle.back());
    idle.pop_back();
    return out;
  }
  void give(TensorMap batch) {
    constexpr size_t kMostIdle = 16;
    const std::scoped_lock lock(mutex);
    if (idle.size() < kMostIdle) idle.push_back(std::move(batch));
  }
};

RecordBytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

enum class Form : uint8_t { v1, v2, single };

class ParseExampleKernel final : public Kernel {
 public:
  static Result<KernelRef> make(const NodeInfo& node, Form form) {
    auto out = std::make_unique<ParseExampleKernel>();
    out->form_ = form;
    out->sparse_ = node.types("sparse_types");
    out->dense_ = node.types("Tdense");
    if (form == Form::v2) {
      out->ragged_ = node.types("ragged_value_types");
      out->splits_ = node.types("ragged_split_types");
    }
    if (form == Form::single) {
      out->sparse_keys_ = node.texts("sparse_keys");
      out->dense_keys_ = node.texts("dense_keys");
    }
    FERRY_ASSIGN_OR_RETURN(out->shapes_, dense_feature_shapes(node, "dense_shapes", out->dense_.size()));
    FERRY_RETURN_IF_ERROR(node.status());
    for (const auto* types : {&out->sparse_, &out->dense_, &out->ragged_}) {
      for (DType dtype : *types) {
        if (!is_example_dtype(dtype)) return invalid_argument(concat("an Example holds int64, float32 and string, no ", dtype_name(dtype)));
      }
    }
    for (DType dtype : out->splits_) {
      if (dtype != DType::int32 && dtype != DType::int64) return invalid_argument("Invalid ragged_split_type: must be int32 or int64");
    }
    const auto indices = node.output("sparse_indices"), values = node.output("sparse_values"), shapes = node.output("sparse_shapes");
    const size_t sparse = out->sparse_.size();
    if (indices.count != sparse || values.count != sparse || shapes.count != sparse) {
      return invalid_argument(concat("len(sparse_types) is ", sparse, ", the op has ", indices.count, " sparse outputs"));
    }
    if (out->ragged_.size() != out->splits_.size()) return invalid_argument("len(ragged_value_types) != len(ragged_split_types)");
    if (form == Form::single && (out->sparse_keys_.size() != sparse || out->dense_keys_.size() != out->dense_.size())) {
      return invalid_argument("len(keys) != len(types)");
    }
    return KernelRef(std::move(out));
  }

  Status run(Call& call) const override {
    const size_t keys = form_ == Form::single ? 1 : 2;
    FERRY_ASSIGN_OR_RETURN(const auto plan, plan_.get(call, keys, call.num_inputs(), [this](const Call& now) { return plan(now); }));
    const DenseTensor& records = call.in(0);
    const size_t rank = records.shape().rank();
    if (rank != (form_ == Form::single ? 0u : 1u) && !(form_ == Form::v2 && rank == 0)) {
      return invalid_argument(concat("Expected serialized to be a ", form_ == Form::single ? "scalar" : "vector",
                                     ", got shape: ", records.shape().to_string()));
    }
    std::vector<std::string_view> names;
    if (form_ != Form::single) {
      FERRY_ASSIGN_OR_RETURN(names, record_names(call.in(1), records.num_elements()));
    }
    ParseOptions options;
    options.threads = call.run().pool;
    options.names = names;
    TensorMap batch = plan->take();
    FERRY_RETURN_IF_ERROR(rank == 0 ? plan->parser.parse_single(bytes_of(records.strings()[0]), batch, options)
                                    : plan->parser.parse(records.strings(), batch, options));
    const size_t sparse = sparse_.size(), dense = dense_.size(), ragged = ragged_.size();
    for (size_t i = 0; i < sparse; ++i) put_sparse(call, batch[i].tensor, i, sparse + i, 2 * sparse + i);
    for (size_t i = 0; i < dense; ++i) FERRY_RETURN_IF_ERROR(put_dense(call, batch[sparse + i].tensor, 3 * sparse + i));
    for (size_t i = 0; i < ragged; ++i) {
      const size_t values = 3 * sparse + dense + i;
      const Tensor& tensor = batch[sparse + dense + i].tensor;
      if (const auto* rows = std::get_if<RaggedTensor>(&tensor)) {
        call.set(values, rows->flat_values());
        call.set(values + ragged, rows->row_splits(0));
      } else {  // a single Example's values have no rows
        call.set(values, std::get<DenseTensor>(tensor));
        FERRY_RETURN_IF_ERROR(call.make(values + ragged, splits_[i], Shape{0}).status());
      }
    }
    plan->give(std::move(batch));
    return {};
  }

 private:
  Result<std::shared_ptr<Plan>> plan(const Call& call) const {
    const NodeInfo& node = call.node();
    std::vector<std::string> sparse = sparse_keys_, dense = dense_keys_, ragged;
    if (form_ == Form::v1) {
      FERRY_ASSIGN_OR_RETURN(sparse, keys_of(call, node.input("sparse_keys"), sparse_.size(), "sparse_keys"));
      FERRY_ASSIGN_OR_RETURN(dense, keys_of(call, node.input("dense_keys"), dense_.size(), "dense_keys"));
    } else if (form_ == Form::v2) {
      FERRY_ASSIGN_OR_RETURN(sparse, keys_in(call.in(2), sparse_.size(), "sparse_keys"));
      FERRY_ASSIGN_OR_RETURN(dense, keys_in(call.in(3), dense_.size(), "dense_keys"));
      FERRY_ASSIGN_OR_RETURN(ragged, keys_in(call.in(4), ragged_.size(), "ragged_keys"));
    }
    std::vector<FeatureSpec> features;
    for (size_t i = 0; i < sparse.size(); ++i) features.push_back(FeatureSpec::var_len(std::move(sparse[i]), sparse_[i]));
    const size_t defaults = node.input("dense_defaults").begin;
    for (size_t i = 0; i < dense.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(FeatureSpec one, dense_feature(std::move(dense[i]), dense_[i], shapes_[i], call.in(defaults + i)));
      features.push_back(std::move(one));
    }
    for (size_t i = 0; i < ragged.size(); ++i) {
      features.push_back(FeatureSpec::ragged(std::move(ragged[i]), ragged_[i]));
      features.back().row_splits_dtype = splits_[i];
    }
    FERRY_ASSIGN_OR_RETURN(ExampleParser parser, ExampleParser::make(std::move(features), node.limits()));
    return std::make_shared<Plan>(std::move(parser));
  }

  Form form_ = Form::v1;
  std::vector<DType> sparse_, dense_, ragged_, splits_;
  std::vector<DenseFeatureShape> shapes_;
  std::vector<std::string> sparse_keys_, dense_keys_;  // of ParseSingleExample
  Remembered<Plan> plan_;
};

template <Form kForm>
Result<KernelRef> make_parse(const NodeInfo& node) {
  return ParseExampleKernel::make(node, kForm);
}

}  // namespace

extern const Op ParseExample_op, ParseExampleV2_op, ParseSingleExample_op;
const Op ParseExample_op{"ParseExample", make_parse<Form::v1>};
const Op ParseExampleV2_op{"ParseExampleV2", make_parse<Form::v2>};
const Op ParseSingleExample_op{"ParseSingleExample", make_parse<Form::single>};

}  // namespace ferry::ops
