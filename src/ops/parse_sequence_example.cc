// ParseSequenceExample, ParseSequenceExampleV2, ParseSingleSequenceExample.
#include <algorithm>

#include "ops/parse_features.h"
#include "ops/remembered.h"

namespace ferry::ops {
namespace {

enum class Form : uint8_t { v1, v2, single };

class ParseSequenceKernel final : public Kernel {
 public:
  static Result<KernelRef> make(const NodeInfo& node, Form form) {
    auto out = std::make_unique<ParseSequenceKernel>();
    out->form_ = form;
    out->context_sparse_ = node.types("context_sparse_types");
    out->context_dense_ = node.types("Tcontext_dense");
    out->list_sparse_ = node.types("feature_list_sparse_types");
    out->list_dense_ = node.types("feature_list_dense_types");
    if (form == Form::v2) {
      out->context_ragged_ = node.types("context_ragged_value_types");
      out->context_splits_ = node.types("context_ragged_split_types");
      out->list_ragged_ = node.types("feature_list_ragged_value_types");
      out->list_splits_ = node.types("feature_list_ragged_split_types");
    }
    if (form == Form::v1) {
      out->keys_ = {node.texts("context_sparse_keys"),
                    node.texts("context_dense_keys"),
                    {},
                    node.texts("feature_list_sparse_keys"),
                    node.texts("feature_list_dense_keys"),
                    {},
                    {}};
      const std::vector<std::string> missing = node.texts("feature_list_dense_missing_assumed_empty");
      for (const std::string& key : out->keys_.list_dense) out->keys_.missing.push_back(std::ranges::count(missing, key) > 0);
      if (out->keys_.context_sparse.size() != out->context_sparse_.size() ||
          out->keys_.context_dense.size() != out->context_dense_.size() || out->keys_.list_sparse.size() != out->list_sparse_.size() ||
          out->keys_.list_dense.size() != out->list_dense_.size()) {
        return invalid_argument("len(keys) != len(types)");
      }
    }
    FERRY_ASSIGN_OR_RETURN(out->context_shapes_, dense_feature_shapes(node, "context_dense_shapes", out->context_dense_.size()));
    FERRY_ASSIGN_OR_RETURN(out->list_shapes_, dense_feature_shapes(node, "feature_list_dense_shapes", out->list_dense_.size()));
    FERRY_RETURN_IF_ERROR(node.status());
    for (const auto* types :
         {&out->context_sparse_, &out->context_dense_, &out->list_sparse_, &out->list_dense_, &out->context_ragged_, &out->list_ragged_}) {
      for (DType dtype : *types) {
        if (!is_example_dtype(dtype))
          return invalid_argument(concat("a SequenceExample holds int64, float32 and string, no ", dtype_name(dtype)));
      }
    }
    for (const auto* types : {&out->context_splits_, &out->list_splits_}) {
      for (DType dtype : *types) {
        if (dtype != DType::int32 && dtype != DType::int64) return invalid_argument("row splits must be int32 or int64");
      }
    }
    if (out->context_ragged_.size() != out->context_splits_.size() || out->list_ragged_.size() != out->list_splits_.size()) {
      return invalid_argument("len(ragged_value_types) != len(ragged_split_types)");
    }
    if (node.output("context_sparse_indices").count != out->context_sparse_.size() ||
        node.output("feature_list_sparse_indices").count != out->list_sparse_.size() ||
        (form != Form::single && node.output("feature_list_dense_lengths").count != out->list_dense_.size())) {
      return invalid_argument("the numbers of features and of their types differ");
    }
    return KernelRef(std::move(out));
  }

  Status run(Call& call) const override {
    const NodeInfo& node = call.node();
    // All but the records and their names: those stand at the beginning, or at both ends.
    const size_t end = form_ == Form::single ? call.num_inputs() - 1 : call.num_inputs();
    FERRY_ASSIGN_OR_RETURN(const auto parser,
                           parser_.get(call, form_ == Form::single ? 1 : 2, end, [this](const Call& now) { return plan(now); }));
    const DenseTensor& records = call.in(0);
    const size_t rank = records.shape().rank();
    if (rank > 1 || (form_ == Form::single && rank != 0)) {
      return invalid_argument(concat("Serialized must be a ", form_ == Form::single ? "scalar" : "vector or scalar", ", got shape ",
                                     records.shape().to_string()));
    }
    const StringsView texts = records.strings();
    std::vector<RecordBytes> list;
    list.reserve(static_cast<size_t>(texts.size()));
    for (int64_t i = 0; i < texts.size(); ++i) list.push_back(std::as_bytes(std::span(texts[i].data(), texts[i].size())));
    const DenseTensor& debug = call.in(node.input("debug_name").begin);
    if (form_ == Form::single && debug.shape().rank() != 0) {
      return invalid_argument(concat("Expected debug_name to be a scalar, got shape: ", debug.shape().to_string()));
    }
    FERRY_ASSIGN_OR_RETURN(const auto names, record_names(debug, texts.size()));
    ParseOptions options;
    options.threads = call.run().pool;
    options.names = names;
    FERRY_ASSIGN_OR_RETURN(const ParsedSequences parsed, rank == 0 ? parser->parse_single(list[0], options) : parser->parse(list, options));

    const auto at = [&](std::string_view arg) { return node.output(arg).begin; };
    size_t from = 0;
    for (size_t i = 0; i < context_sparse_.size(); ++i) {
      put_sparse(call, parsed.context[from++].tensor, at("context_sparse_indices") + i, at("context_sparse_values") + i,
                 at("context_sparse_shapes") + i);
    }
    for (size_t i = 0; i < context_dense_.size(); ++i) {
      FERRY_RETURN_IF_ERROR(put_dense(call, parsed.context[from++].tensor, at("context_dense_values") + i));
    }
    for (size_t i = 0; i < context_ragged_.size(); ++i) {
      FERRY_RETURN_IF_ERROR(put_ragged(call, parsed.context[from++].tensor, context_splits_[i],
                                       {at("context_ragged_values") + i, at("context_ragged_row_splits") + i}));
    }
    from = 0;
    for (size_t i = 0; i < list_sparse_.size(); ++i) {
      put_sparse(call, parsed.lists[from++].tensor, at("feature_list_sparse_indices") + i, at("feature_list_sparse_values") + i,
                 at("feature_list_sparse_shapes") + i);
    }
    for (size_t i = 0; i < list_dense_.size(); ++i) {
      const Tensor& tensor = parsed.lists[from++].tensor;
      FERRY_RETURN_IF_ERROR(put_dense(call, tensor, at("feature_list_dense_values") + i));
      if (form_ == Form::single) continue;
      if (const auto* lengths = i < parsed.lengths.size() ? &parsed.lengths[i] : nullptr) {
        FERRY_RETURN_IF_ERROR(put_dense(call, lengths->tensor, at("feature_list_dense_lengths") + i));
      } else {
        call.set(at("feature_list_dense_lengths") + i, DenseTensor::scalar(shape_of(tensor)[0]));
      }
    }
    for (size_t i = 0; i < list_ragged_.size(); ++i) {
      FERRY_RETURN_IF_ERROR(put_ragged(
          call, parsed.lists[from++].tensor, list_splits_[i],
          {at("feature_list_ragged_values") + i, at("feature_list_ragged_inner_splits") + i, at("feature_list_ragged_outer_splits") + i}));
    }
    return {};
  }

 private:
  struct Keys {
    std::vector<std::string> context_sparse, context_dense, context_ragged, list_sparse, list_dense, list_ragged;
    std::vector<bool> missing;  // of list_dense: may be absent
  };

  // `to`: where the values go, then the row splits from the innermost out. One record has no rows of its own: a
  // scalar stands for their splits, as in TensorFlow.
  static Status put_ragged(Call& call, const Tensor& tensor, DType splits, std::initializer_list<size_t> to) {
    const auto* ragged = std::get_if<RaggedTensor>(&tensor);
    call.set(*to.begin(), ragged != nullptr ? ragged->flat_values() : std::get<DenseTensor>(tensor));
    for (size_t level = 1; level < to.size(); ++level) {
      const size_t out = *(to.begin() + level);
      if (ragged != nullptr && level <= ragged->ragged_rank()) {
        call.set(out, ragged->row_splits(ragged->ragged_rank() - level));
      } else if (splits == DType::int32) {
        call.set(out, DenseTensor::scalar(int32_t{0}));
      } else {
        call.set(out, DenseTensor::scalar(int64_t{0}));
      }
    }
    return {};
  }

  Result<Keys> keys(const Call& call) const {
    if (form_ == Form::v1) return keys_;
    const NodeInfo& node = call.node();
    Keys out;
    const auto read = [&](std::string_view arg, size_t count) -> Result<std::vector<std::string>> {
      const ArgRange range = node.input(arg);
      if (form_ == Form::v2) return keys_in(call.in(range.begin), count, arg);
      return keys_of(call, range, count, arg);
    };
    FERRY_ASSIGN_OR_RETURN(out.context_sparse, read("context_sparse_keys", context_sparse_.size()));
    FERRY_ASSIGN_OR_RETURN(out.context_dense, read("context_dense_keys", context_dense_.size()));
    FERRY_ASSIGN_OR_RETURN(out.list_sparse, read("feature_list_sparse_keys", list_sparse_.size()));
    FERRY_ASSIGN_OR_RETURN(out.list_dense, read("feature_list_dense_keys", list_dense_.size()));
    const DenseTensor& missing = call.in(node.input("feature_list_dense_missing_assumed_empty").begin);
    if (form_ == Form::v2) {
      FERRY_ASSIGN_OR_RETURN(out.context_ragged, read("context_ragged_keys", context_ragged_.size()));
      FERRY_ASSIGN_OR_RETURN(out.list_ragged, read("feature_list_ragged_keys", list_ragged_.size()));
      if (static_cast<size_t>(missing.num_elements()) != out.list_dense.size()) {
        return invalid_argument("Expected len(feature_list_dense_keys) == len(feature_list_dense_missing_assumed_empty)");
      }
      for (bool one : missing.values<bool>()) out.missing.push_back(one);
    } else {
      for (const std::string& key : out.list_dense) {
        bool found = false;
        for (int64_t i = 0; i < missing.num_elements(); ++i) found = found || missing.strings()[i] == key;
        out.missing.push_back(found);
      }
    }
    return out;
  }

  Result<std::shared_ptr<const SequenceExampleParser>> plan(const Call& call) const {
    FERRY_ASSIGN_OR_RETURN(Keys keys, this->keys(call));
    std::vector<FeatureSpec> context, lists;
    const size_t defaults = call.node().input("context_dense_defaults").begin;
    for (size_t i = 0; i < context_sparse_.size(); ++i)
      context.push_back(FeatureSpec::var_len(std::move(keys.context_sparse[i]), context_sparse_[i]));
    for (size_t i = 0; i < context_dense_.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(FeatureSpec one,
                             dense_feature(std::move(keys.context_dense[i]), context_dense_[i], context_shapes_[i], call.in(defaults + i)));
      context.push_back(std::move(one));
    }
    for (size_t i = 0; i < context_ragged_.size(); ++i) {
      context.push_back(FeatureSpec::ragged(std::move(keys.context_ragged[i]), context_ragged_[i]));
      context.back().row_splits_dtype = context_splits_[i];
    }
    for (size_t i = 0; i < list_sparse_.size(); ++i) lists.push_back(FeatureSpec::var_len(std::move(keys.list_sparse[i]), list_sparse_[i]));
    for (size_t i = 0; i < list_dense_.size(); ++i) {
      lists.push_back(FeatureSpec::fixed_len_sequence(std::move(keys.list_dense[i]), list_dense_[i], list_shapes_[i].shape));
      lists.back().allow_missing = keys.missing[i];
    }
    for (size_t i = 0; i < list_ragged_.size(); ++i) {
      lists.push_back(FeatureSpec::ragged(std::move(keys.list_ragged[i]), list_ragged_[i]));
      lists.back().row_splits_dtype = list_splits_[i];
    }
    FERRY_ASSIGN_OR_RETURN(SequenceExampleParser parser,
                           SequenceExampleParser::make(std::move(context), std::move(lists), call.node().limits()));
    return std::make_shared<const SequenceExampleParser>(std::move(parser));
  }

  Form form_ = Form::v1;
  std::vector<DType> context_sparse_, context_dense_, context_ragged_, context_splits_;
  std::vector<DType> list_sparse_, list_dense_, list_ragged_, list_splits_;
  std::vector<DenseFeatureShape> context_shapes_, list_shapes_;
  Keys keys_;  // of ParseSequenceExample
  Remembered<const SequenceExampleParser> parser_;
};

template <Form kForm>
Result<KernelRef> make_parse(const NodeInfo& node) {
  return ParseSequenceKernel::make(node, kForm);
}

}  // namespace

extern const Op ParseSequenceExample_op, ParseSequenceExampleV2_op, ParseSingleSequenceExample_op;
const Op ParseSequenceExample_op{"ParseSequenceExample", make_parse<Form::v1>};
const Op ParseSequenceExampleV2_op{"ParseSequenceExampleV2", make_parse<Form::v2>};
const Op ParseSingleSequenceExample_op{"ParseSingleSequenceExample", make_parse<Form::single>};

}  // namespace ferry::ops
