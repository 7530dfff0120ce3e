// Streams that know their length and can be read from any place; sinks that hand on what they have gathered when told.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ferry/io.h"

namespace ferry {

class FileStream : public ByteStream {
 public:
  // Nothing for a pipe: then one cannot seek either.
  virtual std::optional<uint64_t> size() const = 0;
  virtual Status seek(uint64_t offset) = 0;
};

// A file, a pipe, "-" for stdin: read in order, neither mapped nor gathered, so that memory stays small whatever the length, and a
// file that is cut while it is read gives an error.
Result<std::unique_ptr<FileStream>> open_stream(const std::string& path);
std::unique_ptr<FileStream> file_stream_of(std::shared_ptr<const ByteSource> source);

// What open_sink gives, and the compressors.
class FlushingSink : public ByteSink {
 public:
  virtual Status flush() = 0;  // a compressor ends its block
};
// Of any sink; nothing to do for one that gathers nothing.
inline Status flush(ByteSink& sink) {
  auto* const flushing = dynamic_cast<FlushingSink*>(&sink);
  return flushing == nullptr ? Status() : flushing->flush();
}

// As open_sink, whatever the suffix.
Result<std::unique_ptr<ByteSink>> open_plain_sink(const std::string& path);

}  // namespace ferry
