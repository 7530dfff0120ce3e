#include "ferry/model.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "engine/ports.h"
#include "engine/session.h"
#include "engine/variables.h"

namespace ferry {

using engine::Schedule;
using ops::Value;

struct Model::State {
  State(StoredModel model, MetaGraph graph, const Limits& l)
      : stored(std::move(model)), meta(std::move(graph)), limits(l), session(meta.graph(), l) {}
  StoredModel stored;
  MetaGraph meta;
  Limits limits;
  std::vector<Signature> signatures;
  engine::Session session;
};

namespace {

constexpr std::string_view kDefaultSignature = "serving_default";

// The checkpoint beside the graph, or the one named; null where there is none.
Result<std::shared_ptr<const Checkpoint>> open_checkpoint(const StoredModel& stored, const LoadOptions& options) {
  const Format* const format = find_format("ckpt");
  if (!options.checkpoint.empty()) {
    FERRY_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(options.checkpoint, nullptr, options.read));
    return std::make_shared<const Checkpoint>(std::move(checkpoint));
  }
  const auto prefix = stored.variables();
  if (!prefix || stored.folder() == nullptr) return std::shared_ptr<const Checkpoint>();
  std::string name = concat(*prefix, ".index");
  if (!stored.has(name)) name = *prefix;  // Saver's first format
  if (!stored.has(name)) return std::shared_ptr<const Checkpoint>();
  FERRY_ASSIGN_OR_RETURN(auto source, stored.folder()->open(name));
  FERRY_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(Place{std::move(source), nullptr}, format, options.read));
  return std::make_shared<const Checkpoint>(std::move(checkpoint));
}

}  // namespace

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const StoredModel& Model::stored() const { return state_->stored; }
const MetaGraph& Model::meta() const { return state_->meta; }
std::span<const Signature> Model::signatures() const { return state_->signatures; }

Result<Model> Model::load(const std::string& path, const LoadOptions& options) {
  const Limits& limits = options.read.limits;
  FERRY_ASSIGN_OR_RETURN(StoredModel stored, StoredModel::open(path, limits));
  const std::vector<std::string_view> tags(options.tags.begin(), options.tags.end());
  FERRY_ASSIGN_OR_RETURN(const size_t which, stored.choose(tags));
  FERRY_ASSIGN_OR_RETURN(MetaGraph meta, stored.read(which));
  auto state = std::make_unique<State>(std::move(stored), std::move(meta), limits);
  FERRY_ASSIGN_OR_RETURN(state->signatures, read_signatures(state->stored, state->meta));
  if (state->signatures.empty()) {
    FERRY_ASSIGN_OR_RETURN(auto proposed, propose_signature(state->meta, limits));
    if (proposed) state->signatures.push_back(*std::move(proposed));
  }
  FERRY_ASSIGN_OR_RETURN(auto checkpoint, open_checkpoint(state->stored, options));
  FERRY_ASSIGN_OR_RETURN(ModelVariables variables, model_variables(state->meta, limits));
  const auto sources = std::make_shared<const engine::VariableSources>(std::move(variables), std::move(checkpoint));
  state->session.state().load_variables_with(
      [sources](std::string_view node, std::string_view shared_name) { return sources->loader(node, shared_name); });

  // Tables are filled from assets, whose paths the graph is fed.
  const std::vector<std::string> targets = init_ops(state->meta);
  if (!targets.empty()) {
    std::vector<std::string> feeds;
    std::vector<Value> values;
    for (const AssetFile& asset : state->meta.assets()) {
      if (asset.tensor.empty()) continue;
      FERRY_ASSIGN_OR_RETURN(const std::string file, state->stored.asset_path(asset.filename));
      feeds.emplace_back(asset.tensor);
      values.emplace_back(DenseTensor::of_strings(Shape{}, {std::string_view(file)}));
    }
    auto schedule = state->session.prepare(feeds, {}, targets);
    if (!schedule.ok()) return schedule.status().with_context("initialization");
    auto done = state->session.run(**schedule, std::move(values));
    if (!done.ok()) return done.status().with_context("initialization");
  }
  return Model(std::move(state));
}

Result<const Signature*> Model::find_signature(std::string_view key) const {
  const auto& all = state_->signatures;
  if (key.empty() && all.size() == 1) return &all.front();
  const std::string_view wanted = key.empty() ? kDefaultSignature : key;
  const auto it = std::ranges::find(all, wanted, &Signature::key);
  if (it != all.end()) return &*it;
  if (all.empty()) return not_found("the model has no signatures; its tensors can be fed and fetched by name");
  std::string there;
  for (const Signature& signature : all) there += concat(there.empty() ? "" : ", ", quoted(signature.key));
  return not_found(concat("the model has no signature ", quoted(wanted), "; there are ", there));
}

namespace {

// The tensors to feed for every input that is not left out.
struct Feeds {
  std::vector<std::string> names;
  std::vector<Value> values;
};

std::vector<std::string> fetches_of(const Signature& signature) {
  std::vector<std::string> out;
  for (const Port& port : signature.outputs) {
    for (const PortPart& part : port.parts) out.push_back(part.tensor);
  }
  return out;
}

}  // namespace

Status Model::prepare(const Signature& signature) const {
  std::vector<std::string> feeds;
  for (const Port& port : signature.inputs) {
    for (const PortPart& part : port.parts) {
      if (std::ranges::find(feeds, part.tensor) == feeds.end()) feeds.push_back(part.tensor);
    }
  }
  return state_->session.prepare(feeds, fetches_of(signature)).status();
}

Result<TensorMap> Model::run(const Signature& signature, const TensorMap& given, const RunOptions& options) const {
  Feeds feeds;
  const std::optional<TensorMap> pieces = engine::in_pieces(signature, given);
  const TensorMap& inputs = pieces ? *pieces : given;
  std::vector<bool> used(inputs.size());
  const auto failed = [&](const Status& status) {
    return Status(status.code(), concat(status.message(), "; ", compare_inputs(signature, given)));
  };
  for (const Port& port : signature.inputs) {
    auto parts = engine::parts_for(port, inputs, used, state_->limits);
    if (!parts.ok()) return failed(parts.status());
    for (auto& [name, tensor] : *parts) {
      if (std::ranges::find(feeds.names, name) != feeds.names.end()) continue;  // two inputs that are one tensor
      feeds.names.push_back(std::move(name));
      feeds.values.emplace_back(std::move(tensor));
    }
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i])
      return failed(invalid_argument(concat("the signature ", quoted(signature.key), " has no input ", quoted(inputs[i].name))));
  }
  FERRY_ASSIGN_OR_RETURN(const Schedule* const schedule, state_->session.prepare(feeds.names, fetches_of(signature)));
  FERRY_ASSIGN_OR_RETURN(std::vector<Value> values, state_->session.run(*schedule, std::move(feeds.values), options));
  TensorMap out;
  size_t at = 0;
  for (const Port& port : signature.outputs) {
    const std::span<Value> parts(values.data() + at, port.parts.size());
    at += port.parts.size();
    auto tensor = engine::whole_of(port, parts);
    if (!tensor.ok()) return tensor.status().with_context(concat("output ", quoted(port.name)));
    FERRY_RETURN_IF_ERROR(out.add(port.name, *std::move(tensor)));
  }
  return out;
}

Result<std::vector<DenseTensor>> Model::run(std::span<const NamedTensor> feeds, std::span<const std::string> fetches,
                                            const RunOptions& options) const {
  std::vector<std::string> names;
  std::vector<Value> values;
  for (const auto& [name, tensor] : feeds) {
    names.push_back(name);
    values.emplace_back(tensor);
  }
  FERRY_ASSIGN_OR_RETURN(const Schedule* const schedule, state_->session.prepare(names, fetches));
  FERRY_ASSIGN_OR_RETURN(const std::vector<Value> results, state_->session.run(*schedule, std::move(values), options));
  std::vector<DenseTensor> out;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].is_tensor()) return unsupported(concat("the tensor ", quoted(fetches[i]), " is a ", dtype_name(results[i].dtype())));
    out.push_back(results[i].tensor());
  }
  return out;
}

}  // namespace ferry
