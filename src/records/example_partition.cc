// A ragged feature whose rows another feature of the record cuts. TensorFlow takes a partition that does not fit its values as
// it comes, and hands out a tensor that is none; here each row's partition must cut just the values of that row.
#include <algorithm>

#include "records/example_build.h"

namespace ferry::records {
namespace {

using Kind = RaggedPartition::Kind;

std::string_view word(Kind kind) {
  switch (kind) {
    case Kind::row_splits: return "RowSplits";
    case Kind::row_lengths: return "RowLengths";
    case Kind::row_starts: return "RowStarts";
    case Kind::row_limits: return "RowLimits";
    case Kind::value_rowids: return "ValueRowIds";
    case Kind::uniform_row_length: return "UniformRowLength";
  }
  __builtin_unreachable();
}

// How many rows the list `by` makes of `count` values; -1 where it does not fit them.
int64_t rows_of(Kind kind, std::span<const int64_t> by, int64_t count) {
  const auto size = static_cast<int64_t>(by.size());
  int64_t last = 0;
  switch (kind) {
    case Kind::row_splits:
      if (by.empty()) return count == 0 ? 0 : -1;
      if (by[0] != 0) return -1;
      [[fallthrough]];
    case Kind::row_limits:
      for (int64_t limit : by) {
        if (limit < last || limit > count) return -1;
        last = limit;
      }
      return last != count ? -1 : kind == Kind::row_splits ? size - 1 : size;
    case Kind::row_starts:
      if (by.empty()) return count == 0 ? 0 : -1;
      if (by[0] != 0) return -1;
      for (int64_t start : by) {
        if (start < last || start > count) return -1;
        last = start;
      }
      return size;
    case Kind::row_lengths:
      for (int64_t length : by) {
        if (length < 0 || length > count - last) return -1;
        last += length;
      }
      return last == count ? size : -1;
    case Kind::value_rowids:
      if (size != count) return -1;
      for (int64_t id : by) {
        if (id < last || id == INT64_MAX) return -1;
        last = id;
      }
      return size == 0 ? 0 : last + 1;
    case Kind::uniform_row_length: break;
  }
  return -1;
}

// Writes where each row ends, counted from `base`.
void put_ends(Kind kind, std::span<const int64_t> by, int64_t count, int64_t base, int64_t rows, int64_t* out) {
  switch (kind) {
    case Kind::row_splits:
    case Kind::row_limits:
      for (int64_t limit : by.last(static_cast<size_t>(rows))) *out++ = base + limit;
      break;
    case Kind::row_starts:
      for (size_t i = 1; i < by.size(); ++i) *out++ = base + by[i];
      if (rows > 0) *out = base + count;
      break;
    case Kind::row_lengths:
      for (int64_t length : by) *out++ = base += length;
      break;
    case Kind::value_rowids: {
      int64_t i = 0;
      for (int64_t row = 0; row < rows; ++row) {
        while (i < count && by[static_cast<size_t>(i)] == row) ++i;
        *out++ = base + i;
      }
      break;
    }
    case Kind::uniform_row_length: break;
  }
}

}  // namespace

Result<CutRows> cut_rows(const BuiltColumn& values, std::span<const RaggedPartition> partitions,
                         std::span<const BuiltColumn* const> columns, const Limits& limits, BufferPool& pool, int64_t& failed) {
  CutRows out;
  Buffer outer = values.splits;  // rows of the batch over the rows cut so far
  const auto count = static_cast<size_t>(values.rows);
  std::vector<Buffer> inner;  // innermost first
  Shape dims;                 // innermost first
  for (size_t level = partitions.size(); level-- > 0;) {
    const RaggedPartition& partition = partitions[level];
    const auto from = outer.as<int64_t>();
    FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool.allocate((count + 1) * 8));
    const auto next = block.as<int64_t>();
    next[0] = 0;
    if (partition.kind == Kind::uniform_row_length) {
      for (size_t row = 0; row < count; ++row) {
        const int64_t have = from[row + 1] - from[row];
        if (partition.length == 0 || have % partition.length != 0) {
          failed = static_cast<int64_t>(row);
          return invalid_argument(
              concat(have, inner.empty() ? " values" : " rows", ", expected a multiple of the uniform row length ", partition.length));
        }
        next[row + 1] = next[row] + have / partition.length;
      }
      if (count == 0 && partition.length == 0) return invalid_argument("a uniform row length of 0");
      if (inner.empty()) {
        dims.append(partition.length);
      } else {
        const auto rows = static_cast<size_t>(next[count]);
        FERRY_ASSIGN_OR_RETURN(PooledBuffer splits, pool.allocate((rows + 1) * 8));
        for (size_t row = 0; row <= rows; ++row) splits.as<int64_t>()[row] = static_cast<int64_t>(row) * partition.length;
        inner.push_back(std::move(splits).freeze());
      }
      outer = std::move(block).freeze();
      continue;
    }
    const BuiltColumn& column = *columns[level];
    const auto cuts = column.row_splits();
    const auto all = column.values.values<int64_t>();
    const auto list = [&](size_t row) {
      return all.subspan(static_cast<size_t>(cuts[row]), static_cast<size_t>(cuts[row + 1] - cuts[row]));
    };
    for (size_t row = 0; row < count; ++row) {
      const int64_t have = from[row + 1] - from[row];
      const int64_t rows = rows_of(partition.kind, list(row), have);
      int64_t total;
      if (rows < 0) {
        failed = static_cast<int64_t>(row);
        return invalid_argument(concat("the ", word(partition.kind), " in ", quoted(partition.key), " do not cut its ", have,
                                       inner.empty() ? " values" : " rows"));
      }
      // Row ids may leave rows out, as many as they like: the rule of compressed streams.
      if (__builtin_add_overflow(next[row], rows, &total) ||
          (static_cast<uint64_t>(total) > limits.free_expanded_bytes / 8 &&
           static_cast<uint64_t>(total) / limits.max_expansion_ratio > static_cast<uint64_t>(all.size()) + count)) {
        failed = static_cast<int64_t>(row);
        return limit_exceeded(
            concat("the row ids in ", quoted(partition.key), " make ", rows, " rows of ", have, " values (max_expansion_ratio)"));
      }
      next[row + 1] = total;
    }
    FERRY_ASSIGN_OR_RETURN(PooledBuffer splits, pool.allocate((static_cast<size_t>(next[count]) + 1) * 8));
    splits.as<int64_t>()[0] = 0;
    for (size_t row = 0; row < count; ++row) {
      put_ends(partition.kind, list(row), from[row + 1] - from[row], from[row], next[row + 1] - next[row],
               splits.as<int64_t>().data() + next[row] + 1);
    }
    inner.push_back(std::move(splits).freeze());
    outer = std::move(block).freeze();
  }
  out.splits.push_back(std::move(outer));
  out.splits.insert(out.splits.end(), inner.rbegin(), inner.rend());
  for (size_t i = dims.rank(); i-- > 0;) out.inner.append(dims[i]);
  return out;
}

}  // namespace ferry::records
