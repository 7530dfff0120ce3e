// Plain Python values as text, for metadata and for names.
#pragma once

#include <string>

#include "formats/pt/interpret.h"

namespace ferry::pt {

// A string as it is; numbers, true, false and null as JSON spells them; lists, tuples and sets of these as a JSON list; what is none
// of these as its class in angle brackets. At most `most` bytes are added.
Status append_plain(const pickle::Document& document, const Interpreter& interpreter, pickle::Id id, uint64_t most, std::string& out);

}  // namespace ferry::pt
