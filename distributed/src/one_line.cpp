#include "one_line.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace shardopt::distributed {

std::string one_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

}  // namespace shardopt::distributed
