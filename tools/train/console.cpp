#include "console.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace shardopt::train {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr std::size_t kDefaultColumns = 80;

// mpirun gives rank 0 a terminal of its own even where its output goes to a file.
bool takes_escape_codes(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && kind != nullptr && *kind != '\0' &&
         std::string_view(kind) != "dumb" &&
         std::getenv("OMPI_COMM_WORLD_RANK") == nullptr;
}

}  // namespace

Console::Console(int descriptor)
    : descriptor_(descriptor), is_terminal_(takes_escape_codes(descriptor)) {}

Console::~Console() {
  if (has_live_line_) write("\n");
}

void Console::clear() {
  if (has_live_line_) write(kClearLine);
  has_live_line_ = false;
}

void Console::line(std::string_view text) {
  std::string bytes(has_live_line_ ? kClearLine : "");
  has_live_line_ = false;
  write(bytes.append(text).append("\n"));
}

// One column stays free: a line that fills the last one wraps on some terminals.
void Console::live(std::string_view text) {
  if (!is_terminal_) return;
  has_live_line_ = true;
  write(std::string(kClearLine).append(text.substr(0, columns() - 1)));
}

std::size_t Console::columns() const {
  winsize size{};
  const bool known = ::ioctl(descriptor_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

void Console::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace shardopt::train
