// Model: a SavedModel, a frozen graph, or a MetaGraph with its checkpoint, loaded and ready to run. docs/engine.md
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/format.h"
#include "ferry/signature.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"
#include "ferry/thread_pool.h"

namespace ferry {

struct LoadOptions {
  std::vector<std::string> tags;  // of the meta graph; without any as StoredModel::choose()
  std::string checkpoint;         // in place of the one that lies beside the graph
  ReadOptions read;
};

struct RunOptions {
  ThreadPool* pool = nullptr;  // for work inside one op
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  const std::atomic<bool>* cancelled = nullptr;
  uint64_t max_steps = UINT64_MAX;  // ops and loop iterations
};

// Variables are read from the checkpoint when an op first wants them. Thread-safe: any number of runs at once; variables and tables are
// the model's and are shared by all of them.
class Model {
 public:
  // Fails where the files are damaged or the initialization does; what a signature lacks shows when it is prepared.
  static Result<Model> load(const std::string& path, const LoadOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const StoredModel& stored() const;
  const MetaGraph& meta() const;
  // Those of the file; of a graph without any the proposed one.
  std::span<const Signature> signatures() const;
  // "" is serving_default, or the only one there is. not_found lists what there is.
  Result<const Signature*> find_signature(std::string_view key = {}) const;
  // Everything that stands in the way of running it: ops that we lack, functions that are not there.
  Status prepare(const Signature& signature) const;

  // Inputs by their logical names, composite ones whole, or all of their parts by the signature's flat names. What the signature has a
  // default for may be left out. Outputs come whole, in the signature's order.
  Result<TensorMap> run(const Signature& signature, const TensorMap& inputs, const RunOptions& options = {}) const;
  // Any tensors of the graph: "x:0".
  using NamedTensor = std::pair<std::string, DenseTensor>;
  Result<std::vector<DenseTensor>> run(std::span<const NamedTensor> feeds, std::span<const std::string> fetches,
                                       const RunOptions& options = {}) const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The signature's inputs with what was given beside each: for errors.
std::string compare_inputs(const Signature& signature, const TensorMap& given);

}  // namespace ferry
