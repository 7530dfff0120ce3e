#include <cstring>

#include "hdf5/file.h"

namespace ferry::hdf5 {
namespace {

Problem too_large(uint64_t bytes) {
  return {h5::ReplyStatus::limit_exceeded, "its " + std::to_string(bytes) + " bytes are more than was asked for, or than memory gives"};
}
Problem failed() { return {h5::ReplyStatus::data_loss, "libhdf5 cannot read it: " + last_error()}; }

bool points_of(hid_t dataset, uint64_t& count) {
  const Handle space(H5Dget_space(dataset));
  if (!space) return false;
  const hssize_t points = H5Sget_simple_extent_type(space.get()) == H5S_NULL ? 0 : H5Sget_simple_extent_npoints(space.get());
  count = static_cast<uint64_t>(points);
  return points >= 0;
}

Problem read_fixed(hid_t dataset, hid_t memory, uint64_t points, Destination& to) {
  uint64_t bytes;
  if (__builtin_mul_overflow(points, uint64_t{H5Tget_size(memory)}, &bytes)) return too_large(UINT64_MAX);
  std::byte* out = to.take(bytes);
  if (out == nullptr) return too_large(bytes);
  if (bytes != 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) return failed();
  return {};
}

// Fills `to` with offsets and bytes; text(i) gives each element.
template <class Text>
Problem gather(uint64_t points, Destination& to, Text&& text) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < points; ++i) total += text(i).size();
  const uint64_t bytes = (points + 1) * 8 + total;
  std::byte* out = to.take(bytes);
  if (out == nullptr) return too_large(bytes);
  auto* offsets = reinterpret_cast<int64_t*>(out);
  std::byte* at = out + (points + 1) * 8;
  int64_t filled = 0;
  for (uint64_t i = 0; i < points; ++i) {
    const std::string_view piece = text(i);
    offsets[i] = filled;
    if (!piece.empty()) std::memcpy(at + filled, piece.data(), piece.size());
    filled += static_cast<int64_t>(piece.size());
  }
  offsets[points] = filled;
  return {};
}

Problem read_strings(hid_t dataset, const Element& element, hid_t memory, uint64_t points, Destination& to) {
  const Handle space(H5Dget_space(dataset));
  if (points > (uint64_t{1} << 40) / element.size) return too_large(points * element.size);
  if (element.variable) {
    std::vector<char*> texts(points, nullptr);
    if (points != 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data()) < 0) return failed();
    const Problem problem =
        gather(points, to, [&](uint64_t i) { return texts[i] == nullptr ? std::string_view() : std::string_view(texts[i]); });
    if (points != 0) H5Dvlen_reclaim(memory, space.get(), H5P_DEFAULT, texts.data());
    return problem;
  }
  std::vector<char> bytes(points * element.size);
  if (!bytes.empty() && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) return failed();
  return gather(points, to,
                [&](uint64_t i) { return trimmed(std::string_view(bytes.data() + i * element.size, element.size), element.padding); });
}

Problem read_rows(hid_t dataset, const Element& element, hid_t memory, uint64_t points, Destination& to) {
  const Handle space(H5Dget_space(dataset));
  if (points > (uint64_t{1} << 40) / sizeof(hvl_t)) return too_large(points * sizeof(hvl_t));
  std::vector<hvl_t> rows(points);
  if (points != 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()) < 0) return failed();
  const Problem problem = gather(points, to, [&](uint64_t i) {
    return rows[i].p == nullptr ? std::string_view() : std::string_view(static_cast<char*>(rows[i].p), rows[i].len * element.size);
  });
  if (points != 0) H5Dvlen_reclaim(memory, space.get(), H5P_DEFAULT, rows.data());
  return problem;
}

}  // namespace

bool count_row_values(hid_t dataset, const Element& element, uint64_t& values) {
  uint64_t points = 0;
  if (!points_of(dataset, points)) return false;
  values = 0;
  if (points == 0) return true;
  const Handle space(H5Dget_space(dataset));
  hsize_t bytes = 0;
  if (H5Dvlen_get_buf_size(dataset, element.memory.get(), space.get(), &bytes) < 0) return false;
  values = bytes / element.size;
  return true;
}

Problem read_elements(hid_t dataset, const Element& element, hid_t memory, Destination& to) {
  uint64_t points = 0;
  if (!points_of(dataset, points)) return {h5::ReplyStatus::data_loss, "its shape is damaged: " + last_error()};
  switch (element.kind) {
    case h5::ElementKind::fixed:
    case h5::ElementKind::opaque: return read_fixed(dataset, memory, points, to);
    case h5::ElementKind::strings: return read_strings(dataset, element, memory, points, to);
    case h5::ElementKind::rows: return read_rows(dataset, element, memory, points, to);
  }
  return failed();
}

}  // namespace ferry::hdf5
