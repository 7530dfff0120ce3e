#include "records/example_plan.h"

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

namespace ferry::records {

void KeyTable::build(const std::vector<std::string_view>& keys) {
  struct Group {
    uint64_t tail;
    size_t size;
    std::vector<uint32_t> columns;
  };
  std::map<std::pair<uint64_t, size_t>, std::vector<uint32_t>> by_tail;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    by_tail[{tail_of(reinterpret_cast<const uint8_t*>(keys[i].data()), keys[i].size(), 0), keys[i].size()}].push_back(i);
  }
  std::vector<Group> groups;
  for (auto& [which, columns] : by_tail) groups.push_back({which.first, which.second, std::move(columns)});
  // A multiplier under which no two groups meet, in a table that grows until one is found. Features are the caller's own, so
  // a bad choice of names costs the caller only; past 64 Ki slots groups may share one.
  int bits = std::max(4, static_cast<int>(std::bit_width(2 * groups.size())));
  const auto meets = [&] {
    std::vector<bool> taken(size_t{1} << bits);
    for (const Group& group : groups) {
      const size_t at = hash(group.tail, group.size) - 1;
      if (taken[at]) return true;
      taken[at] = true;
    }
    return false;
  };
  for (uint64_t attempt = 0;; ++attempt) {
    shift_ = 64 - bits;
    if (!meets() || (bits >= 16 && attempt > 64)) break;
    multiplier_ = multiplier_ * 0xd1342543de82ef95u + 2;
    multiplier_ |= 1;
    if (attempt % 64 == 63 && bits < 16) ++bits;
  }
  slots_.assign((size_t{1} << bits) + 1, Slot());
  for (const Group& group : groups) {
    for (const uint32_t column : group.columns) {
      Slot fresh{group.tail, static_cast<uint32_t>(group.size), column, keys[column].data(), 0};
      Slot& head = slots_[hash(group.tail, group.size)];
      if (head.size == UINT32_MAX) {
        head = fresh;
      } else {
        fresh.next = head.next;
        head.next = static_cast<uint32_t>(slots_.size());
        slots_.push_back(fresh);
      }
    }
  }
}

FeatureKind list_kind(DType dtype) {
  return dtype == DType::string ? FeatureKind::bytes : dtype == DType::int64 ? FeatureKind::ints : FeatureKind::floats;
}

namespace {

class Compiler {
 public:
  Compiler(ExamplePlan& plan, ExamplePlan::Of of, const Limits& limits) : plan_(plan), of_(of), limits_(limits) {}

  Status compile(std::vector<FeatureSpec> features) {
    using Kind = FeatureSpec::Kind;
    plan_.features = std::move(features);
    std::unordered_map<std::string_view, size_t> names;
    for (const FeatureSpec& feature : plan_.features) {
      if (!names.emplace(feature.name, 0).second) return invalid_argument(concat("two features are named ", quoted(feature.name)));
      FeaturePlan out;
      Status status;
      switch (feature.kind) {
        case Kind::fixed_len: status = fixed(feature, out); break;
        case Kind::fixed_len_sequence: status = sequence(feature, out); break;
        case Kind::var_len: status = variable(feature.name, ExampleColumn::Store::sparse, feature.dtype, DType::int64, out.values); break;
        case Kind::sparse: status = sparse(feature, out); break;
        case Kind::ragged: status = ragged(feature, out); break;
      }
      if (!status.ok()) return status.with_context(concat("feature ", quoted(feature.name)));
      plan_.plans.push_back(std::move(out));
    }
    std::vector<std::string_view> keys;
    for (const ExampleColumn& column : plan_.columns) keys.push_back(column.key);
    plan_.table.build(keys);
    return {};
  }

 private:
  Status not_here(const FeatureSpec& feature) const {
    return invalid_argument(concat("a ", kind_name(feature.kind),
                                   of_ == ExamplePlan::Of::lists
                                       ? " cannot be a feature list of a SequenceExample; it takes FixedLenSequence, VarLen and Ragged"
                                       : " cannot be in the context of a SequenceExample; it takes FixedLen, VarLen and Ragged"));
  }
  static Status check_dtype(DType dtype) {
    if (dtype == DType::float32 || dtype == DType::int64 || dtype == DType::string) return {};
    return invalid_argument(
        concat("dtype ", dtype_name(dtype), " is none of the three that Examples hold: float32, int64, string; cast afterwards"));
  }

  Result<uint32_t> add(ExampleColumn column, const std::string& key) {
    FERRY_RETURN_IF_ERROR(check_dtype(column.dtype));
    const auto it = by_key_.find(key);
    if (it != by_key_.end()) {
      const ExampleColumn& other = plan_.columns[it->second];
      if (other.store != column.store || column.is_fixed() || column.store == ExampleColumn::Store::sequence) {
        return invalid_argument(concat("the key ", quoted(key),
                                       " is read as dense, as sparse or as ragged by another feature, and cannot be read as two of them"));
      }
      if (other.dtype != column.dtype) {
        return invalid_argument(concat("the key ", quoted(key), " is read as ", dtype_name(other.dtype), " by another feature and as ",
                                       dtype_name(column.dtype), " here"));
      }
      if (column.store == ExampleColumn::Store::ragged && other.splits_dtype != column.splits_dtype) {
        return invalid_argument(concat("the key ", quoted(key), " has row_splits of ", dtype_name(other.splits_dtype),
                                       " in another feature and of ", dtype_name(column.splits_dtype), " here"));
      }
      return it->second;
    }
    column.key = key;
    column.kind = list_kind(column.dtype);
    column.tag = static_cast<uint8_t>(static_cast<int>(column.kind) << 3 | 2);
    const auto index = static_cast<uint32_t>(plan_.columns.size());
    by_key_.emplace(key, index);
    plan_.columns.push_back(std::move(column));
    return index;
  }

  Status take_shape(const FeatureSpec& feature, ExampleColumn& column) const {
    column.dtype = feature.dtype;
    column.shape = feature.shape;
    for (int64_t dim : feature.shape) {
      if (dim < 0) return invalid_argument(concat("the shape ", feature.shape.to_string(), " has an axis of unknown length"));
    }
    FERRY_ASSIGN_OR_RETURN(const Shape checked, Shape::checked(feature.shape.dims(), limits_));
    column.width = checked.num_elements().value_or(-1);
    if (column.width < 0 || static_cast<uint64_t>(column.width) > limits_.max_tensor_bytes / 8) {
      return limit_exceeded(concat("a row of shape ", feature.shape.to_string(), " is larger than max_tensor_bytes"));
    }
    return {};
  }
  static Status check_default(const FeatureSpec& feature, int64_t wanted, std::string_view why) {
    if (!feature.default_value) return {};
    const DenseTensor& value = *feature.default_value;
    if (value.dtype() != feature.dtype) {
      return invalid_argument(concat("the default is ", dtype_name(value.dtype()), ", the feature ", dtype_name(feature.dtype)));
    }
    if (value.num_elements() != wanted) {
      return invalid_argument(concat("the default has ", value.num_elements(), " values, expected ", wanted, why));
    }
    return {};
  }

  Status fixed(const FeatureSpec& feature, FeaturePlan& out) {
    if (of_ == ExamplePlan::Of::lists) return not_here(feature);
    ExampleColumn column;
    column.store = ExampleColumn::Store::fixed;
    FERRY_RETURN_IF_ERROR(take_shape(feature, column));
    FERRY_RETURN_IF_ERROR(check_default(feature, column.width, concat(" for shape ", feature.shape.to_string())));
    if (feature.default_value) column.default_value = *feature.default_value;
    column.allow_missing = column.default_value.num_elements() > 0;
    FERRY_ASSIGN_OR_RETURN(out.values, add(std::move(column), feature.name));
    return {};
  }

  Status sequence(const FeatureSpec& feature, FeaturePlan& out) {
    if (of_ == ExamplePlan::Of::context) return not_here(feature);
    ExampleColumn column;
    column.store = ExampleColumn::Store::sequence;
    FERRY_RETURN_IF_ERROR(take_shape(feature, column));
    if (column.width == 0)
      return invalid_argument(concat("steps of shape ", feature.shape.to_string(), " hold no values, so that they cannot be counted"));
    column.allow_missing = feature.allow_missing;
    if (of_ == ExamplePlan::Of::lists) {
      if (feature.default_value)
        return invalid_argument("a feature list of a SequenceExample takes no default; it is padded with 0 or \"\"");
    } else {
      if (!feature.allow_missing) return invalid_argument("a FixedLenSequenceFeature of Examples needs allow_missing = true");
      FERRY_RETURN_IF_ERROR(check_default(feature, 1, ", the padding"));
    }
    if (feature.default_value) column.default_value = *feature.default_value;
    FERRY_ASSIGN_OR_RETURN(out.values, add(std::move(column), feature.name));
    return {};
  }

  Status variable(const std::string& key, ExampleColumn::Store store, DType dtype, DType splits, uint32_t& out) {
    ExampleColumn column;
    column.store = store;
    column.dtype = dtype;
    column.splits_dtype = splits;
    FERRY_ASSIGN_OR_RETURN(out, add(std::move(column), key));
    return {};
  }

  Status sparse(const FeatureSpec& feature, FeaturePlan& out) {
    if (of_ != ExamplePlan::Of::example) return not_here(feature);
    if (feature.index_keys.empty()) return invalid_argument("a SparseFeature needs an index_key");
    if (feature.value_key.empty()) return invalid_argument("a SparseFeature needs a value_key");
    if (feature.index_keys.size() != feature.shape.rank() && feature.index_keys.size() != 1) {
      return invalid_argument(
          concat(feature.index_keys.size(), " index keys and ", feature.shape.rank(), " sizes; expected as many, or one key for all axes"));
    }
    if (feature.shape.rank() == 0) return invalid_argument("a SparseFeature needs a size");
    FERRY_RETURN_IF_ERROR(Shape::checked(feature.shape.dims(), limits_).status());
    for (const std::string& key : feature.index_keys) {
      out.indices.emplace_back();
      FERRY_RETURN_IF_ERROR(variable(key, ExampleColumn::Store::sparse, DType::int64, DType::int64, out.indices.back()));
    }
    return variable(feature.value_key, ExampleColumn::Store::sparse, feature.dtype, DType::int64, out.values);
  }

  Status ragged(const FeatureSpec& feature, FeaturePlan& out) {
    if (feature.row_splits_dtype != DType::int32 && feature.row_splits_dtype != DType::int64) {
      return invalid_argument(concat("row_splits of ", dtype_name(feature.row_splits_dtype), ", expected int32 or int64"));
    }
    FERRY_RETURN_IF_ERROR(
        variable(feature.values_from(), ExampleColumn::Store::ragged, feature.dtype, feature.row_splits_dtype, out.values));
    for (const RaggedPartition& partition : feature.partitions) {
      out.partitions.push_back(KeyTable::kNone);
      if (partition.kind == RaggedPartition::Kind::uniform_row_length) {
        if (partition.length < 0) return invalid_argument(concat("a uniform row length of ", partition.length));
        continue;
      }
      FERRY_RETURN_IF_ERROR(
          variable(partition.key, ExampleColumn::Store::ragged, DType::int64, feature.row_splits_dtype, out.partitions.back()));
    }
    return {};
  }

  ExamplePlan& plan_;
  ExamplePlan::Of of_;
  const Limits& limits_;
  std::unordered_map<std::string, uint32_t> by_key_;
};

}  // namespace

Result<std::unique_ptr<ExamplePlan>> ExamplePlan::make(std::vector<FeatureSpec> features, Of of, const Limits& limits) {
  auto out = std::make_unique<ExamplePlan>();
  FERRY_RETURN_IF_ERROR(Compiler(*out, of, limits).compile(std::move(features)));
  return out;
}

}  // namespace ferry::records
