#include "engine/ports.h"

#include <algorithm>

#include "ferry/cast.h"
#include "ferry/model.h"
#include "ferry/sparse.h"
#include "formats/tensorproto/tensorproto.h"

namespace ferry {
namespace {

std::string_view kind_word(TensorKind kind) {
  switch (kind) {
    case TensorKind::dense: return "dense";
    case TensorKind::ragged: return "ragged";
    default: return "sparse";
  }
}

std::string shape_text(const Shape& shape) { return PartialShape(shape).to_string(); }

// "features: sparse float32 [?, 5]"
std::string describe(const Port& port) {
  return concat(port.name, ": ", kind_word(port.kind), " ", port.dtype ? dtype_name(*port.dtype) : std::string_view("of any dtype"), " ",
                port.shape.to_string());
}
std::string describe(const Tensor& tensor) {
  return concat(kind_word(kind_of(tensor)), " ", dtype_name(dtype_of(tensor)), " ", shape_text(shape_of(tensor)));
}

bool fits(const PartialShape& wanted, const Shape& given) {
  if (!wanted.has_rank()) return true;
  if (wanted.dims().rank() != given.rank()) return false;
  for (size_t i = 0; i < given.rank(); ++i) {
    if (wanted.dims()[i] >= 0 && given[i] >= 0 && wanted.dims()[i] != given[i]) return false;
  }
  return true;
}

}  // namespace

std::string compare_inputs(const Signature& signature, const TensorMap& given) {
  std::string out = concat("signature ", quoted(signature.key), " takes");
  bool first = true;
  for (const Port& port : signature.inputs) {
    out += concat(first ? " " : "; ", describe(port), port.has_default() ? ", which may be left out" : "");
    first = false;
    const auto* entry = given.find(port.name);
    out += entry == nullptr ? std::string(" (not given)") : concat(" (given ", describe(entry->tensor), ")");
  }
  if (first) out += " nothing";
  for (const auto& entry : given) {
    if (signature.find_input(entry.name) == nullptr) out += concat("; given besides ", quoted(entry.name), ": ", describe(entry.tensor));
  }
  return out;
}

namespace engine {

std::optional<TensorMap> in_pieces(const Signature& signature, const TensorMap& inputs) {
  std::optional<TensorMap> out;
  for (const auto& entry : inputs) {
    const Port* const first = signature.find_input(entry.name);
    if (first == nullptr || first->kind != TensorKind::dense || kind_of(entry.tensor) == TensorKind::dense) continue;
    std::vector<DenseTensor> pieces;
    if (const auto* ragged = std::get_if<RaggedTensor>(&entry.tensor)) {
      pieces.push_back(ragged->flat_values());
      for (const DenseTensor& splits : ragged->nested_row_splits()) pieces.push_back(splits);
    } else {
      auto entries = to_layout(std::get<SparseTensor>(entry.tensor), Layout::coo);
      if (entries.ok() && !entries->order().sorted) entries = sort(*entries);
      if (!entries.ok()) continue;
      pieces = {entries->indices(), entries->values(), DenseTensor::vector<int64_t>(entries->shape().dims())};
    }
    // One input for each piece, of its dtype and shape, or the signature means something else.
    std::vector<std::string> names;
    for (size_t i = 0; i < pieces.size(); ++i) {
      names.push_back(i == 0 ? entry.name : concat(entry.name, "_", i));
      const Port* const port = signature.find_input(names.back());
      if (port == nullptr || port->kind != TensorKind::dense || (port->dtype && *port->dtype != pieces[i].dtype()) ||
          !fits(port->shape, pieces[i].shape())) {
        names.clear();
        break;
      }
    }
    if (names.empty()) continue;
    if (!out) out = inputs;
    out->erase(entry.name);
    for (size_t i = 0; i < pieces.size(); ++i) out->set(names[i], std::move(pieces[i]));
  }
  return out;
}

Result<std::vector<std::pair<std::string, DenseTensor>>> parts_for(const Port& port, const TensorMap& inputs, std::vector<bool>& used,
                                                                   const Limits& limits) {
  std::vector<std::pair<std::string, DenseTensor>> out;
  const auto position = [&](std::string_view name) -> size_t {
    const auto* entry = inputs.find(name);
    return entry == nullptr ? SIZE_MAX : static_cast<size_t>(entry - &inputs[0]);
  };
  const auto check_dtype = [&](DType given, const std::optional<DType>& wanted, std::string_view what) -> Status {
    if (!wanted || *wanted == given) return {};
    return invalid_argument(
        concat("input ", quoted(port.name), what, " is ", dtype_name(given), ", the signature wants ", dtype_name(*wanted)));
  };
  const auto add = [&](const PortPart& part, DenseTensor tensor) { out.emplace_back(part.tensor, std::move(tensor)); };

  if (const size_t at = position(port.name);
      at != SIZE_MAX && (port.kind == TensorKind::dense || kind_of(inputs[at].tensor) != TensorKind::dense)) {
    used[at] = true;
    const Tensor& given = inputs[at].tensor;
    const auto wrong_kind = [&](std::string_view help) {
      return invalid_argument(
          concat("input ", quoted(port.name), " is ", kind_word(kind_of(given)), ", the signature wants it ", kind_word(port.kind), help));
    };
    if (!fits(port.shape, shape_of(given))) {
      return invalid_argument(concat("input ", quoted(port.name), " has shape ", shape_text(shape_of(given)), ", the signature wants ",
                                     port.shape.to_string()));
    }
    FERRY_RETURN_IF_ERROR(check_dtype(dtype_of(given), port.dtype, ""));
    if (port.kind == TensorKind::dense) {
      const auto* dense = std::get_if<DenseTensor>(&given);
      if (dense == nullptr) return wrong_kind("; densify it first");
      add(port.parts[0], *dense);
      return out;
    }
    if (port.kind == TensorKind::ragged) {
      const auto* ragged = std::get_if<RaggedTensor>(&given);
      if (ragged == nullptr) return wrong_kind("");
      for (const PortPart& part : port.parts) {
        if (part.role == PartRole::values) {
          add(part, ragged->flat_values());
          continue;
        }
        if (part.level >= ragged->ragged_rank()) {
          return invalid_argument(
              concat("input ", quoted(port.name), " has ", ragged->ragged_rank(), " levels of rows, the signature wants more"));
        }
        DenseTensor splits = ragged->row_splits(part.level);
        if (part.dtype && splits.dtype() != *part.dtype) {
          FERRY_ASSIGN_OR_RETURN(Tensor other, cast(Tensor(std::move(splits)), *part.dtype, {.checked = true}));
          splits = std::get<DenseTensor>(std::move(other));
        }
        add(part, std::move(splits));
      }
      if (ragged->ragged_rank() + 1 != port.parts.size()) {
        return invalid_argument(concat("input ", quoted(port.name), " has ", ragged->ragged_rank(), " levels of rows, the signature wants ",
                                       port.parts.size() - 1));
      }
      return out;
    }
    const auto* sparse = std::get_if<SparseTensor>(&given);
    if (sparse == nullptr) return wrong_kind("");
    // What TensorFlow's ops expect: coordinates in row-major order.
    FERRY_ASSIGN_OR_RETURN(SparseTensor entries, to_layout(*sparse, Layout::coo));
    if (!entries.order().sorted) {
      FERRY_ASSIGN_OR_RETURN(entries, sort(entries));
    }
    for (const PortPart& part : port.parts) {
      switch (part.role) {
        case PartRole::indices: add(part, entries.indices()); break;
        case PartRole::dense_shape: add(part, DenseTensor::vector<int64_t>(entries.shape().dims())); break;
        default: add(part, entries.values());
      }
    }
    return out;
  }

  // Part by part, under the signature's own flat names.
  size_t found = 0;
  for (const PortPart& part : port.parts) {
    size_t at = part.key.empty() ? SIZE_MAX : position(part.key);
    if (at == SIZE_MAX && port.kind != TensorKind::dense) {
      const std::string_view word = part.role == PartRole::indices       ? "indices"
                                    : part.role == PartRole::dense_shape ? "dense_shape"
                                                                         : "values";
      if (port.kind != TensorKind::ragged) at = position(concat(port.name, "_", word));
    }
    if (at == SIZE_MAX) continue;
    const auto* dense = std::get_if<DenseTensor>(&inputs[at].tensor);
    if (dense == nullptr)
      return invalid_argument(concat("input ", quoted(inputs[at].name), " must be dense: it is a part of ", quoted(port.name)));
    FERRY_RETURN_IF_ERROR(check_dtype(dense->dtype(), part.dtype, concat(" (", inputs[at].name, ")")));
    if (!fits(part.shape, dense->shape())) {
      return invalid_argument(concat("input ", quoted(inputs[at].name), " has shape ", shape_text(dense->shape()), ", the signature wants ",
                                     part.shape.to_string()));
    }
    used[at] = true;
    ++found;
    add(part, *dense);
  }
  if (found == port.parts.size()) return out;
  if (found > 0)
    return invalid_argument(concat("of input ", quoted(port.name), " only ", found, " of ", port.parts.size(), " parts are given"));
  if (const auto* entry = inputs.find(port.name); entry != nullptr) {
    return invalid_argument(
        concat("input ", quoted(port.name), " is ", describe(entry->tensor), ", the signature wants it ", kind_word(port.kind)));
  }
  if (!port.has_default()) return invalid_argument(concat("input ", quoted(port.name), " is missing"));
  FERRY_ASSIGN_OR_RETURN(const auto view, tensorproto::TensorProtoView::decode(port.parts[0].default_value, 0, limits));
  FERRY_ASSIGN_OR_RETURN(DenseTensor otherwise, view.to_tensor());
  add(port.parts[0], std::move(otherwise));
  return out;
}

Result<Tensor> whole_of(const Port& port, std::span<const ops::Value> parts) {
  for (const ops::Value& part : parts) {
    if (!part.is_tensor()) return unsupported(concat("it is a ", dtype_name(part.dtype()), ", which means nothing outside of the model"));
  }
  if (port.kind == TensorKind::dense) return Tensor(parts[0].tensor());
  if (port.kind == TensorKind::ragged) {
    std::vector<DenseTensor> splits(port.parts.size() - 1);
    const DenseTensor* values = nullptr;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (port.parts[i].role == PartRole::values) {
        values = &parts[i].tensor();
      } else if (port.parts[i].level < splits.size()) {
        splits[port.parts[i].level] = parts[i].tensor();
      }
    }
    if (values == nullptr) return internal_error("a ragged output without values");
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), *values));
    FERRY_RETURN_IF_ERROR(out.validate(Validation::bounds));
    return Tensor(std::move(out));
  }
  DenseTensor indices, values;
  Shape shape;
  for (size_t i = 0; i < parts.size(); ++i) {
    const DenseTensor& part = parts[i].tensor();
    switch (port.parts[i].role) {
      case PartRole::indices: indices = part; break;
      case PartRole::dense_shape: {
        if (part.dtype() != DType::int64) return invalid_argument("its dense_shape is not int64");
        FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(part.values<int64_t>()));
        break;
      }
      default: values = part;
    }
  }
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, SparseTensor::coo(std::move(shape), std::move(indices), std::move(values)));
  FERRY_RETURN_IF_ERROR(out.validate(Validation::bounds));
  return Tensor(std::move(out));
}

}  // namespace engine
}  // namespace ferry
