#include "formats/pt/interpret.h"

namespace ferry::pt {

using pickle::Id;
using pickle::Kind;

namespace {

constexpr int kDeepest = 20;  // tensors made of tensors: a parameter of a sparse tensor of views is four

}  // namespace

Status Interpreter::bad(Id id, std::string message) const { return data_loss_at(document_.offset(id), std::move(message)); }

const Meaning* Interpreter::global(Id id) const {
  return document_.kind(id) == Kind::global ? &meaning(document_.global(id).tag) : nullptr;
}

std::optional<What> Interpreter::called(Id id) const {
  if (document_.kind(id) != Kind::object) return std::nullopt;
  const Meaning* callable = global(document_.object(id).callable);
  return callable == nullptr ? std::nullopt : std::optional(callable->what);
}

std::optional<std::span<const Id>> Interpreter::sequence(Id id) const {
  if (document_.kind(id) == Kind::list || document_.kind(id) == Kind::tuple) return document_.items(id);
  const auto what = called(id);  // torch.Size((3, 4))
  if (what != What::tuple && what != What::list && what != What::script_list) return std::nullopt;
  const auto args = document_.items(document_.object(id).args);
  if (args.empty()) return std::span<const Id>(document_.object(id).appended);
  if (document_.kind(args[0]) == Kind::list || document_.kind(args[0]) == Kind::tuple) return document_.items(args[0]);
  return std::nullopt;
}

Result<int64_t> Interpreter::integer(Id id, std::string_view what) const {
  if (document_.kind(id) == Kind::integer || document_.kind(id) == Kind::boolean) return document_.integer(id);
  return bad(id, concat(what, " is ", kind_name(document_.kind(id)), ", expected an integer"));
}

Result<std::vector<int64_t>> Interpreter::integers(Id id, std::string_view what) const {
  const auto items = sequence(id);
  if (!items) return bad(id, concat(what, " is ", kind_name(document_.kind(id)), ", expected a tuple of integers"));
  std::vector<int64_t> out;
  if (items->size() > limits_.max_rank)
    return limit_exceeded(concat(what, " has ", items->size(), " axes, the limit is ", limits_.max_rank));
  for (const Id item : *items) {
    FERRY_ASSIGN_OR_RETURN(const int64_t value, integer(item, what));
    out.push_back(value);
  }
  return out;
}

Result<Shape> Interpreter::shape(Id id, std::string_view what) const {
  FERRY_ASSIGN_OR_RETURN(const auto dims, integers(id, what));
  auto shape = Shape::checked(dims, limits_);
  const bool large = shape.status().code() == StatusCode::limit_exceeded;
  if (!shape.ok())
    return Status(large ? StatusCode::limit_exceeded : StatusCode::data_loss, concat(what, ": ", shape.status().message()),
                  document_.offset(id));
  return shape;
}

Result<std::string> Interpreter::text_of(Id id) const {
  if (document_.kind(id) == Kind::text || document_.kind(id) == Kind::bytes) return std::string(document_.text(id));
  return bad(id, concat(kind_name(document_.kind(id)), " stands where a string is expected"));
}

Result<DescriptionPtr> Interpreter::tensor(Id id, std::string_view what, int depth) const {
  FERRY_ASSIGN_OR_RETURN(DescriptionPtr out, describe(id, depth + 1));
  if (out == nullptr) return bad(id, concat(what, " is ", kind_name(document_.kind(id)), ", expected a tensor"));
  return out;
}

Result<DescriptionPtr> Interpreter::describe(Id id, int depth) const {
  if (depth > kDeepest) return bad(id, "a tensor is made of a tensor, made of a tensor, and so on");
  if (document_.kind(id) == Kind::persistent) {
    const auto found = persistents_.find(id);
    if (found == persistents_.end()) return DescriptionPtr();
    const Persistent& it = found->second;
    if (it.tensor != nullptr) return it.tensor;
    if (it.element == nullptr) return DescriptionPtr();
    // A storage by itself: a tensor of one axis.
    Strided strided;
    strided.element = it.element;
    strided.storage = it.storage;
    strided.begin = it.begin;
    strided.shape = Shape{static_cast<int64_t>(it.bytes / it.element->size)};
    strided.strides = {1};
    return share({std::move(strided), {}, {}});
  }
  if (document_.kind(id) != Kind::object) return DescriptionPtr();
  const pickle::Object& object = document_.object(id);
  const Meaning* callable = global(object.callable);
  std::span<const Id> args = document_.items(object.args);
  if (callable == nullptr) return DescriptionPtr();
  if (callable->what == What::construct || callable->what == What::new_object) {
    const Meaning* made = args.empty() ? nullptr : global(args[0]);
    if (made == nullptr || (made->what != What::tensor_class && made->what != What::numpy_array)) return DescriptionPtr();
    args = callable->what == What::construct ? std::span<const Id>() : args.subspan(1);
    callable = made;
  }
  if (callable->what == What::numpy_reconstruct || callable->what == What::numpy_array) return numpy_array(id, object);
  if (callable->what == What::tensor_class && args.empty() && object.state) {
    // Before 0.1.10: a class, and a state of storage, offset, size, strides; or of a Variable, whose first is the tensor.
    const auto state = sequence(*object.state);
    if (state && state->size() == 5) return tensor((*state)[0], "the data of a Variable", depth);
    if (state && state->size() == 4) return strided(id, *state, 1, depth);
  }
  return call(id, args, *callable, depth);
}

Result<DescriptionPtr> Interpreter::call(Id id, std::span<const Id> args, const Meaning& callable, int depth) const {
  const auto needs = [&](size_t least) -> Status {
    if (args.size() >= least) return {};
    return bad(id, concat(document_.kind(id) == Kind::object ? document_.global(document_.object(id).callable).name : "a call", " has ",
                          args.size(), " arguments, expected at least ", least));
  };
  switch (callable.what) {
    case What::tensor_class:
      // Parameter(data), Variable(data), FloatTensor().
      if (args.empty()) return bad(id, "a tensor without a state has no elements to read");
      return tensor(args[0], "the data of a parameter", depth);
    case What::rebuild_parameter: FERRY_RETURN_IF_ERROR(needs(1)); return tensor(args[0], "the data of a parameter", depth);
    case What::rebuild_tensor: FERRY_RETURN_IF_ERROR(needs(callable.form == 3 ? 7 : 4)); return strided(id, args, callable.form, depth);
    case What::rebuild_from_type: {
      // (function, class, arguments, state)
      FERRY_RETURN_IF_ERROR(needs(3));
      const Meaning* function = global(args[0]);
      const auto inner = sequence(args[2]);
      if (function == nullptr || !inner) return bad(id, "_rebuild_from_type is not given a function and its arguments");
      if (depth > kDeepest) return bad(id, "a tensor is made of a tensor, made of a tensor, and so on");
      return call(args[2], *inner, *function, depth + 1);
    }
    case What::rebuild_quantized: FERRY_RETURN_IF_ERROR(needs(5)); return quantized(id, args, depth);
    case What::rebuild_sparse: FERRY_RETURN_IF_ERROR(needs(2)); return sparse(id, args, depth);
    case What::rebuild_nested: FERRY_RETURN_IF_ERROR(needs(4)); return nested(id, args, depth);
    case What::rebuild_jagged: FERRY_RETURN_IF_ERROR(needs(1)); return jagged(id, args, depth);
    case What::rebuild_on_device: FERRY_RETURN_IF_ERROR(needs(2)); return on_device(id, args, depth);
    case What::numpy_scalar: FERRY_RETURN_IF_ERROR(needs(2)); return numpy_scalar(id, args);
    case What::numpy_frombuffer: FERRY_RETURN_IF_ERROR(needs(4)); return numpy_frombuffer(id, args);
    default: return DescriptionPtr();
  }
}

// (storage, offset, size, strides[, requires_grad, hooks[, dtype][, metadata]])
Result<DescriptionPtr> Interpreter::strided(Id id, std::span<const Id> args, int version, int) const {
  const auto found = persistents_.find(args[0]);
  if (found == persistents_.end() || found->second.element == nullptr) {
    return bad(args[0], concat("the storage of a tensor is ", kind_name(document_.kind(args[0])), ", expected one that is kept outside"));
  }
  const Persistent& it = found->second;
  Description out;
  Strided view;
  view.element = it.element;
  if (version == 3) {
    const Meaning* dtype = global(args[6]);
    if (dtype == nullptr || dtype->what != What::dtype) return bad(args[6], "the dtype of a tensor is none of PyTorch's");
    view.element = dtype->element;
  }
  view.storage = it.storage;
  view.begin = it.begin;
  FERRY_ASSIGN_OR_RETURN(view.offset, integer(args[1], "the storage offset"));
  FERRY_ASSIGN_OR_RETURN(view.shape, shape(args[2], "the size of a tensor"));
  FERRY_ASSIGN_OR_RETURN(view.strides, integers(args[3], "the strides of a tensor"));
  if (view.strides.size() != view.shape.rank()) {
    return bad(args[3], concat("a tensor of shape ", view.shape.to_string(), " has ", view.strides.size(), " strides"));
  }
  if (const Status status = check_reach(view, it.bytes); !status.ok()) return bad(id, std::string(status.message()));
  const size_t flags = version == 3 ? 7 : 6;
  if (args.size() > flags && document_.kind(args[flags]) == Kind::dict) {
    const auto is_set = [&](std::string_view key) {
      const auto value = document_.find(args[flags], key);
      return value && document_.kind(*value) == Kind::boolean && document_.boolean(*value);
    };
    view.conjugate = is_set("conj");
    view.negative = is_set("neg");
  }
  if (!view.element->same) out.metadata.set("torch_dtype", view.element->name);
  if (!it.location.empty() && it.location != "cpu") out.metadata.set("device", it.location);
  out.what = std::move(view);
  return share(std::move(out));
}

// (storage, offset, size, strides, quantizer, requires_grad, hooks); quantizer: (scheme, scale, zero point[, axis])
Result<DescriptionPtr> Interpreter::quantized(Id id, std::span<const Id> args, int depth) const {
  FERRY_ASSIGN_OR_RETURN(const DescriptionPtr plain, strided(id, args.first(4), 2, depth));
  Description out = *plain;
  const auto quantizer = sequence(args[4]);
  if (!quantizer || quantizer->size() < 3 || document_.kind((*quantizer)[0]) != Kind::global) {
    return bad(args[4], "a quantized tensor has no quantizer (scheme, scale, zero point)");
  }
  const auto& scheme = document_.global((*quantizer)[0]);
  out.metadata.set("qscheme", scheme.name);
  if (quantizer->size() == 3) {
    const Id scale = (*quantizer)[1];
    if (document_.kind(scale) != Kind::real)
      return bad(scale, concat("a quantizer's scale is ", kind_name(document_.kind(scale)), ", expected a float"));
    FERRY_ASSIGN_OR_RETURN(const int64_t zero, integer((*quantizer)[2], "a quantizer's zero point"));
    out.metadata.set("scale", concat(document_.real(scale)));
    out.metadata.set("zero_point", concat(zero));
    return share(std::move(out));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t axis, integer((*quantizer)[3], "a quantizer's axis"));
  out.metadata.set("axis", concat(axis));
  FERRY_ASSIGN_OR_RETURN(DescriptionPtr scales, tensor((*quantizer)[1], "the scales of a quantizer", depth));
  FERRY_ASSIGN_OR_RETURN(DescriptionPtr zeros, tensor((*quantizer)[2], "the zero points of a quantizer", depth));
  for (const auto& part : {scales, zeros}) {
    if (!std::holds_alternative<Strided>(part->what) || !part->companions.empty())
      return bad(args[4], "the scales or zero points of a quantizer are no dense tensor");
  }
  out.companions.emplace_back("scales", std::move(scales));
  out.companions.emplace_back("zero_points", std::move(zeros));
  return share(std::move(out));
}

// (layout, (indices, values, size[, coalesced])) or (layout, (compressed, plain, values, size))
Result<DescriptionPtr> Interpreter::sparse(Id id, std::span<const Id> args, int depth) const {
  std::string layout;
  if (called(args[0]) == What::layout) {
    const auto name = document_.items(document_.object(args[0]).args);
    if (!name.empty()) {
      FERRY_ASSIGN_OR_RETURN(layout, text_of(name[0]));
    }
  }
  const auto data = sequence(args[1]);
  Compressed out;
  for (std::string_view known : {"sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"}) {
    if (layout == known || layout == concat("torch.", known)) out.layout = known;
  }
  if (out.layout.empty())
    return unsupported(concat("a sparse tensor has the layout ", quoted(layout), "; COO, CSR, CSC, BSR and BSC are read"));
  const bool coo = out.layout == "sparse_coo";
  if (!data || data->size() < (coo ? 3u : 4u)) return bad(id, concat("a tensor of layout ", out.layout, " lacks its parts"));
  size_t at = 0;
  if (!coo) {
    FERRY_ASSIGN_OR_RETURN(out.indptr, tensor((*data)[at++], "the row pointers of a sparse tensor", depth));
  }
  FERRY_ASSIGN_OR_RETURN(out.indices, tensor((*data)[at++], "the indices of a sparse tensor", depth));
  FERRY_ASSIGN_OR_RETURN(out.values, tensor((*data)[at++], "the values of a sparse tensor", depth));
  for (const auto& part : {out.indptr, out.indices, out.values}) {
    if (part != nullptr && !std::holds_alternative<Strided>(part->what)) return bad(id, "a part of a sparse tensor is no dense tensor");
  }
  FERRY_ASSIGN_OR_RETURN(out.shape, shape((*data)[at++], "the size of a sparse tensor"));
  if (coo && data->size() > at && document_.kind((*data)[at]) == Kind::boolean) out.coalesced = document_.boolean((*data)[at]);

  // Ranks and counts, as far as headers tell; read() looks at the values.
  const Shape values = *shape_of(*out.values), indices = *shape_of(*out.indices);
  if (coo) {
    if (indices.rank() != 2 || values.rank() < 1 || indices[1] != values[0] ||
        static_cast<uint64_t>(indices[0]) + values.rank() - 1 != out.shape.rank()) {
      return bad(id, concat("indices ", indices.to_string(), ", values ", values.to_string(), " and size ", out.shape.to_string(),
                            " do not make a COO tensor"));
    }
    for (size_t axis = 1; axis < values.rank(); ++axis) {
      if (values[axis] != out.shape[static_cast<size_t>(indices[0]) + axis - 1]) {
        return bad(id, concat("values ", values.to_string(), " do not fit the size ", out.shape.to_string(), " of a COO tensor"));
      }
    }
  } else {
    const Shape indptr = *shape_of(*out.indptr);
    const bool blocks = out.layout[7] == 'b';
    const size_t batch = indices.rank() == 0 ? 0 : indices.rank() - 1;
    bool fits = indices.rank() >= 1 && indptr.rank() == indices.rank() && values.rank() >= indices.rank() + (blocks ? 2 : 0) &&
                out.shape.rank() == values.rank() + 1 - (blocks ? 2 : 0);
    for (size_t axis = 0; fits && axis < batch; ++axis) {
      fits = indptr[axis] == out.shape[axis] && indices[axis] == out.shape[axis] && values[axis] == out.shape[axis];
    }
    fits = fits && values[batch] == indices[batch] && indptr[batch] >= 1;
    if (fits) {
      const bool by_row = out.layout == "sparse_csr" || out.layout == "sparse_bsr";
      const int64_t major = out.shape[batch + (by_row ? 0 : 1)], block = blocks ? values[batch + (by_row ? 1 : 2)] : 1;
      fits = block > 0 ? (indptr[batch] - 1 == major / block && major % block == 0) : false;
      if (fits && blocks) {
        const int64_t minor = out.shape[batch + (by_row ? 1 : 0)], width = values[batch + (by_row ? 2 : 1)];
        fits = width > 0 && minor % width == 0;
      }
      const size_t tail = batch + 1 + (blocks ? 2 : 0);
      for (size_t axis = tail; fits && axis < values.rank(); ++axis) fits = values[axis] == out.shape[batch + 2 + axis - tail];
    }
    if (!fits) {
      return bad(id, concat("pointers ", indptr.to_string(), ", indices ", indices.to_string(), ", values ", values.to_string(),
                            " and size ", out.shape.to_string(), " do not make a tensor of layout ", out.layout));
    }
  }
  Description description{std::move(out), {}, {}};
  description.metadata = std::get<Compressed>(description.what).values->metadata;
  return share(std::move(description));
}

// (buffer, sizes, strides, offsets)
Result<DescriptionPtr> Interpreter::nested(Id id, std::span<const Id> args, int depth) const {
  Nested out;
  FERRY_ASSIGN_OR_RETURN(out.buffer, tensor(args[0], "the buffer of a nested tensor", depth));
  FERRY_ASSIGN_OR_RETURN(out.sizes, tensor(args[1], "the sizes of a nested tensor", depth));
  FERRY_ASSIGN_OR_RETURN(out.strides, tensor(args[2], "the strides of a nested tensor", depth));
  if (const auto list = sequence(args[3])) {
    for (const Id item : *list) {
      FERRY_ASSIGN_OR_RETURN(const int64_t offset, integer(item, "an offset of a nested tensor"));
      out.offset_list.push_back(offset);
    }
  } else {
    FERRY_ASSIGN_OR_RETURN(out.offsets, tensor(args[3], "the offsets of a nested tensor", depth));
  }
  for (const auto& part : {out.buffer, out.sizes, out.strides, out.offsets}) {
    if (part != nullptr && !std::holds_alternative<Strided>(part->what)) return bad(id, "a part of a nested tensor is no dense tensor");
  }
  Description description{std::move(out), {}, {}};
  return share(std::move(description));
}

// ({"values", "offsets", "lengths", "_ragged_idx"})
Result<DescriptionPtr> Interpreter::jagged(Id id, std::span<const Id> args, int depth) const {
  const auto values = document_.find(args[0], "values"), offsets = document_.find(args[0], "offsets"),
             lengths = document_.find(args[0], "lengths"), axis = document_.find(args[0], "_ragged_idx");
  if (!values || !offsets) return bad(id, "a jagged tensor lacks its values or offsets");
  if (lengths && document_.kind(*lengths) != Kind::none) {
    return unsupported("a jagged tensor has gaps between its rows (lengths); save x.contiguous()");
  }
  if (axis && (document_.kind(*axis) != Kind::integer || document_.integer(*axis) != 1)) {
    return unsupported("a jagged tensor is transposed: its ragged axis is not the second one; save x.transpose(1, …).contiguous()");
  }
  Nested out;
  out.jagged = true;
  FERRY_ASSIGN_OR_RETURN(out.buffer, tensor(*values, "the values of a jagged tensor", depth));
  FERRY_ASSIGN_OR_RETURN(out.offsets, tensor(*offsets, "the offsets of a jagged tensor", depth));
  for (const auto& part : {out.buffer, out.offsets}) {
    if (!std::holds_alternative<Strided>(part->what)) return bad(id, "a part of a jagged tensor is no dense tensor");
  }
  return share({std::move(out), {}, {}});
}

// (data, dtype, device, requires_grad)
Result<DescriptionPtr> Interpreter::on_device(Id id, std::span<const Id> args, int depth) const {
  FERRY_ASSIGN_OR_RETURN(DescriptionPtr from, tensor(args[0], "the data of a device's tensor", depth));
  const Meaning* dtype = global(args[1]);
  if (dtype == nullptr || dtype->what != What::dtype) return bad(id, "the dtype of a device's tensor is none of PyTorch's");
  Description out;
  out.metadata = from->metadata;
  if (args.size() > 2 && document_.kind(args[2]) == Kind::text) out.metadata.set("device", document_.text(args[2]));
  const bool dense = std::holds_alternative<Strided>(from->what) || std::holds_alternative<Inline>(from->what);
  if (!dense) return unsupported("a device's tensor that is not dense");
  if (dtype_of(*from) == DType::string) return bad(id, "a device's tensor is made of strings");
  if (dtype_of(*from) == dtype->element->dtype) {
    out.what = from->what;
  } else {
    out.what = Converted{std::move(from), dtype->element->dtype};
  }
  return share(std::move(out));
}

}  // namespace ferry::pt
