#include <cstdio>

#include "ferry/format.h"

int main() {
  for (const ferry::Format* format : ferry::all_formats()) std::printf("%s\n", format->id.data());
}
