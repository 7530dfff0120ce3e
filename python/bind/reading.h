// The arguments that say what is read and how, which several calls take.
#pragma once

#include <string>

#include "bind.h"
#include "ferry/format.h"

namespace ferry::py {

std::string text_of(nb::handle value);
// Paths come from os.fspath and os.fsencode.
std::string path_text(nb::handle path);
const Format* format_named(nb::handle name);  // None: null
// A keyword that the format does not know is the caller's slip, as in any call.
FormatOptions options_for(const Format& format, nb::handle mapping);
ReadOptions read_options(nb::handle parts, nb::handle validate, nb::handle limits);

}  // namespace ferry::py
