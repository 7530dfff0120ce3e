// Protobuf's text format by the schema of models: what comes out is a message that our readers take apart to its end.
#include <cstdlib>

#include "graph/schema.h"
#include "wire/protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const textproto::Message* message : {&graph::schema::SavedModel, &graph::schema::MetaGraphDef, &graph::schema::GraphDef}) {
    const auto wire = textproto::to_wire(text, *message, graph::schema::messages());
    if (!wire.ok()) {
      if (wire.status().message().empty() || wire.status().code() == StatusCode::internal) std::abort();
      continue;
    }
    proto::Reader in(*wire);
    while (in.next()) in.skip();
    if (!in.ok()) std::abort();
  }
  (void)textproto::first_field(text);
  return 0;
}
