// What the library and the program `ferry-hdf5` say to one another over a Unix socket. Both are built from one tree: there are
// no versions to get along with, but neither trusts a size from the other. docs/formats/h5.md says why there are two processes.
//
//   request:  Request, with a file descriptor beside it for `open`
//   reply:    Reply, then `size` bytes; or, where `in_memfd`, a sealed memfd of `size` bytes beside the Reply
//
// A reply whose status is not ok holds the sentence. The listing that `open` gives is little-endian, without padding:
//   count u64, then for each object in file order
//     kind u8, path text, and then
//       group:    attributes
//       dataset:  ElementKind u8, dtype u8, rank u8, dims u64 each, offset u64, values u64, obstacle text, attributes
//       skipped:  reason text
//   text: size u32, bytes.  attributes: count u32, then each: name text, AttributeKind u8, scalar u8, count u64, values
#pragma once

#include <cstddef>
#include <cstdint>

namespace ferry::h5 {

inline constexpr uint32_t kMagic = 0x35684646;  // FFh5
inline constexpr int kSocketFd = 3;             // in the program

enum class Verb : uint32_t { open = 1, read = 2 };

struct Request {
  uint32_t magic;
  Verb verb;
  uint64_t offset;        // open: where the HDF5 file begins in the descriptor; read: which object of the listing
  uint64_t size;          // open: its bytes; read: the most bytes that the reply may have
  uint64_t memory;        // address space that this request may take beyond the file
  uint64_t milliseconds;  // of processor time
  uint64_t max_objects;   // open
};

enum class ReplyStatus : uint32_t { ok, data_loss, unsupported, limit_exceeded };

struct Reply {
  uint32_t magic;
  ReplyStatus status;
  uint64_t size;
  uint64_t in_memfd;
};

inline constexpr uint64_t kInline = 64 << 10;  // replies up to this come through the socket
inline constexpr uint64_t kNowhere = UINT64_MAX;

enum class ObjectKind : uint8_t { group, dataset, skipped };
// fixed: `dtype` (TensorFlow's number), C order. strings: int64 offsets [n + 1], then bytes. rows: variable-length rows of `dtype`,
// as int64 row_splits [n + 1], then values. opaque: bytes without meaning, the last axis is one element of them.
enum class ElementKind : uint8_t { fixed, strings, rows, opaque };
enum class AttributeKind : uint8_t { texts, integers, naturals, numbers, booleans, unreadable };

}  // namespace ferry::h5
