// NodeInfo: what a kernel is made from. One node of a graph, laid against its op's specification: attributes, dtypes, arguments.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/graph.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ops/op_spec.h"

namespace ferry::ops {

class ModelState;

// Where an argument's tensors stand among all inputs or outputs.
struct ArgRange {
  size_t begin = 0, count = 0;
};

// Attributes are read by the getters: the node's own, else the op's default. Where one is missing or of another type the getter
// gives an empty value, and status() keeps the first such error, which whoever made the kernel looks at.
class NodeInfo {
 public:
  // `attrs` are the node's own, placeholders of functions replaced; the bytes that they point to outlive this.
  static Result<NodeInfo> make(std::string name, OpSpec spec, std::vector<Attr> attrs, ModelState* state = nullptr,
                               const Limits& limits = {});

  std::string_view name() const { return name_; }
  std::string_view op() const { return spec_.name; }
  const OpSpec& spec() const { return spec_; }
  ModelState* state() const { return state_; }  // null: made outside a model
  const Limits& limits() const { return limits_; }

  bool has(std::string_view attr) const { return own(attr) != nullptr; }  // written on the node
  const AttrValue* own(std::string_view attr) const;
  DType type(std::string_view attr) const;
  int64_t number(std::string_view attr) const;
  double real(std::string_view attr) const;
  bool flag(std::string_view attr) const;
  std::string text(std::string_view attr) const;
  PartialShape shape(std::string_view attr) const;
  std::vector<DType> types(std::string_view attr) const;
  std::vector<int64_t> numbers(std::string_view attr) const;
  std::vector<double> reals(std::string_view attr) const;
  std::vector<std::string> texts(std::string_view attr) const;
  std::vector<PartialShape> shapes(std::string_view attr) const;
  DenseTensor tensor(std::string_view attr) const;
  const Status& status() const { return status_; }
  void fail(Status status) const {
    if (status_.ok()) status_ = std::move(status);
  }

  // Of every input and output, lists laid flat.
  std::span<const DType> input_dtypes() const { return input_dtypes_; }
  std::span<const DType> output_dtypes() const { return output_dtypes_; }
  bool input_is_ref(size_t i) const { return input_refs_[i]; }
  bool output_is_ref(size_t i) const { return output_refs_[i]; }
  ArgRange input(std::string_view arg) const;
  ArgRange output(std::string_view arg) const;

 private:
  Status lay_out(std::span<const ArgSpec> args, std::vector<DType>& dtypes, std::vector<bool>& refs, std::vector<ArgRange>& ranges) const;
  Status check_dtypes() const;
  // The text of a default, without quotes or brackets of its own; nothing (and an error kept) where there is none.
  std::optional<std::string_view> otherwise(std::string_view attr) const;
  template <class T>
  T keep(std::string_view attr, Result<T> result) const;

  std::string name_;
  OpSpec spec_;
  std::vector<Attr> attrs_;
  std::vector<DType> input_dtypes_, output_dtypes_;
  std::vector<bool> input_refs_, output_refs_;
  std::vector<ArgRange> input_ranges_, output_ranges_;
  ModelState* state_ = nullptr;
  Limits limits_;
  mutable Status status_;
};

}  // namespace ferry::ops
