// AddSparseToTensorsMap, AddManySparseToTensorsMap, TakeManySparseFromTensorsMap: sparse tensors kept under a number until they are taken.
#include <mutex>
#include <unordered_map>

#include "ops/sparse_batch.h"
#include "ops/state.h"

namespace ferry::ops {
namespace {

// Thread-safe.
class SparseTensorsMap final : public Object {
 public:
  static constexpr std::string_view kKind = "map of sparse tensors";
  std::string_view kind() const override { return kKind; }

  Result<int64_t> add(SparseParts parts) {
    constexpr size_t kMost = size_t{1} << 24;
    const std::scoped_lock lock(mutex_);
    if (held_.size() >= kMost) return limit_exceeded(concat(kMost, " sparse tensors wait to be taken"));
    held_.emplace(next_, std::move(parts));
    return next_++;
  }
  Result<std::vector<SparseParts>> take(std::span<const int64_t> handles) {
    const std::scoped_lock lock(mutex_);
    std::vector<SparseParts> out;
    for (int64_t handle : handles) {
      const auto it = held_.find(handle);
      if (it == held_.end()) return invalid_argument(concat("Unable to find SparseTensor: ", handle, " in map"));
      out.push_back(std::move(it->second));
      held_.erase(it);
    }
    return out;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<int64_t, SparseParts> held_;
  int64_t next_ = 0;
};

class MapKernel : public Kernel {
 public:
  explicit MapKernel(std::shared_ptr<SparseTensorsMap> map) : map_(std::move(map)) {}

 protected:
  std::shared_ptr<SparseTensorsMap> map_;
};

template <class K>
Result<KernelRef> make_map_op(const NodeInfo& node) {
  std::string name = node.text("shared_name");
  if (name.empty()) name = node.name();
  if (const std::string container = node.text("container"); !container.empty()) name = concat(container, "\n", name);
  FERRY_RETURN_IF_ERROR(node.status());
  const auto make = [] { return std::make_shared<SparseTensorsMap>(); };
  std::shared_ptr<SparseTensorsMap> map = make();
  if (node.state() != nullptr) {
    FERRY_ASSIGN_OR_RETURN(map, node.state()->find_or_make<SparseTensorsMap>(name, make));
  }
  return KernelRef(std::make_unique<K>(std::move(map)));
}

class AddKernel final : public MapKernel {
 public:
  using MapKernel::MapKernel;
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
    (void)x;
    FERRY_ASSIGN_OR_RETURN(const int64_t handle, map_->add({call.in(0), call.value(1), call.in(2)}));
    call.set(0, DenseTensor::scalar(handle));
    return {};
  }
};

class AddManyKernel final : public MapKernel {
 public:
  using MapKernel::MapKernel;
  Status run(Call& call) const override {
    FERRY_ASSIGN_OR_RETURN(const Coo x, coo_input(call, 0, 1, 2));
    FERRY_ASSIGN_OR_RETURN(std::vector<SparseParts> rows, split_rows(x, call.value(1)));
    FERRY_ASSIGN_OR_RETURN(const auto handles, call.make<int64_t>(0, DType::int64, Shape{static_cast<int64_t>(rows.size())}));
    for (size_t i = 0; i < rows.size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(handles[i], map_->add(std::move(rows[i])));
    }
    return {};
  }
};

class TakeManyKernel final : public MapKernel {
 public:
  using MapKernel::MapKernel;
  Status run(Call& call) const override {
    const DenseTensor& handles = call.in(0);
    if (!is_vector(handles.shape()))
      return invalid_argument(concat("sparse_handles should be a vector but received shape ", handles.shape().to_string()));
    FERRY_ASSIGN_OR_RETURN(const std::vector<SparseParts> parts, map_->take(handles.values<int64_t>()));
    return put_joined(call, parts, handles.shape(), call.node().output_dtypes()[1]);
  }
};

}  // namespace

extern const Op AddSparseToTensorsMap_op, AddManySparseToTensorsMap_op, TakeManySparseFromTensorsMap_op;
const Op AddSparseToTensorsMap_op{"AddSparseToTensorsMap", make_map_op<AddKernel>, false};
const Op AddManySparseToTensorsMap_op{"AddManySparseToTensorsMap", make_map_op<AddManyKernel>, false};
const Op TakeManySparseFromTensorsMap_op{"TakeManySparseFromTensorsMap", make_map_op<TakeManyKernel>, false};

}  // namespace ferry::ops
