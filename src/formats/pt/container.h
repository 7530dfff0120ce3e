// The files in which PyTorch keeps a pickle and the storages it speaks of.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "ferry/format.h"
#include "formats/pt/contents.h"
#include "formats/pt/interpret.h"
#include "wire/pickle.h"

namespace ferry::pt {

// One pickle, and what its persistent ids stand for.
struct Pickle {
  Buffer bytes;  // texts of the document point into it
  pickle::Document document;
  std::unordered_map<pickle::Id, Persistent> persistents;
  std::string prefix;  // of names
};

struct Container {
  std::vector<Pickle> pickles;
  std::vector<Storage> storages;
  std::unique_ptr<StorageBytes> bytes;
  bool big_endian = false;
  std::function<Status()> verify;  // checksums, where there are any
};

struct OpenSettings {
  Limits limits;
  bool opaque = false;  // --set objects=opaque
};

// torch.save since 1.6, torch.jit.save: a zip archive. docs/formats/pt.md
Result<Container> open_zip(std::shared_ptr<const ByteSource> source, const OpenSettings& settings);
// torch.save before 1.6: five pickles, then the storages.
Result<Container> open_legacy(std::shared_ptr<const ByteSource> source, const OpenSettings& settings);
// torch.save before 0.1.12: a tar archive.
Result<Container> open_tar(std::shared_ptr<const ByteSource> source, const OpenSettings& settings);
bool looks_like_legacy(std::span<const std::byte> head);
bool looks_like_tar(std::span<const std::byte> head);
bool looks_like_zip(std::span<const std::byte> head);

// ---- For the three

// What a persistent id says: ("storage", class, key, location, elements[, (key, offset, elements) of a view]).
struct StorageClaim {
  const ElementType* element = nullptr;
  std::string key, location;
  uint64_t bytes = 0;
  struct View {
    std::string key;
    uint64_t begin, bytes;
  };
  std::optional<View> view;
};
// None where the id is for a class of modules (its source code is kept there and not read).
Result<std::optional<StorageClaim>> read_claim(const pickle::Document& document, pickle::Id persistent);
// A key is text, or an integer as its digits.
Result<std::string> key_of(const pickle::Document& document, pickle::Id id);
// Storages that lie in the file as they are.
std::unique_ptr<StorageBytes> bytes_of_file(std::shared_ptr<const ByteSource> source);
Result<pickle::Document> read_pickle(std::span<const std::byte> bytes, uint64_t base, const OpenSettings& settings);

}  // namespace ferry::pt
