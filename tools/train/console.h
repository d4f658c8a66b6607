/// What people see while a program runs.
#pragma once

#include <unistd.h>

#include <string>
#include <string_view>

namespace shardopt::train {

/// Lines on a terminal or in a log. A terminal also has one live line, which is written
/// over in place; a log never gets it, nor any escape code. A terminal that does not
/// say what it is, or is "dumb", counts as a log.
///
/// A write that fails is dropped: training goes on when its terminal is gone.
///
/// Thread safety: none.
class Console {
 public:
  /// Writes to `descriptor`, which outlives it.
  explicit Console(int descriptor = STDOUT_FILENO);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  /// Leaves the live line where it is, and the cursor on a fresh one.
  ~Console();

  [[nodiscard]] bool is_terminal() const noexcept { return is_terminal_; }

  /// Adds a line, which stays; the live line is gone until it is next set.
  void line(std::string_view text);

  /// Takes the live line away, for what others write.
  void clear();

  /// Sets the live line (ASCII), cut to the terminal's width at this moment.
  void live(std::string_view text);

 private:
  [[nodiscard]] std::size_t columns() const;
  void write(std::string_view bytes) const;

  const int descriptor_;
  const bool is_terminal_;
  bool has_live_line_ = false;
};

}  // namespace shardopt::train
