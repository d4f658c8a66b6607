// Runs a fuzz target without a fuzzer: replay_<target> CORPUS_FOLDER MUTATIONS SEED.
//
// Each file of the corpus as it is: those called good_* must be accepted, those called
// bad_* refused. Then as often as asked with random damage.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_accepted(const std::string& input) {
  const int64_t before = shardopt::fuzz::accepted;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  return shardopt::fuzz::accepted > before;
}

/// Of what a fuzzer without feedback knows: flips, bytes that matter, ranges doubled,
/// cut out or taken from another input.
class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint32_t seed)
      : corpus_(&corpus), random_(seed) {}

  std::string operator()() {
    std::string input = any_input();
    const std::size_t count = 1 + below(4);
    for (std::size_t i = 0; i < count && !input.empty(); ++i) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  const std::string& any_input() { return (*corpus_)[below(corpus_->size())]; }
  std::string any_range(const std::string& text) {
    if (text.empty()) return "";
    return text.substr(below(text.size()), 1 + below(16));
  }

  void change(std::string& input) {
    constexpr unsigned char kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const std::size_t at = below(input.size());
    switch (below(5)) {
      case 0:
        input[at] ^= static_cast<char>(1 << below(8));
        break;
      case 1:
        input[at] = static_cast<char>(kTelling[below(std::size(kTelling))]);
        break;
      case 2:
        input.erase(at, 1 + below(16));
        break;
      case 3:
        input.insert(at, any_range(input));
        break;
      default:
        input.insert(at, any_range(any_input()));
    }
  }

  const std::vector<std::string>* corpus_;
  std::mt19937 random_;
};

bool is_judged_right(const fs::path& path, const std::string& input) {
  const std::string name = path.filename();
  const bool is_good = is_accepted(input);
  const bool is_right = name.starts_with("good_")  ? is_good
                        : name.starts_with("bad_") ? !is_good
                                                   : false;
  if (!is_right) {
    std::cerr << path.string() << ": " << (is_good ? "accepted" : "refused") << "\n";
  }
  return is_right;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " CORPUS_FOLDER MUTATIONS SEED\n";
    return 2;
  }
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(argv[1])) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> corpus;
  bool is_right = !paths.empty();
  for (const fs::path& path : paths) {
    corpus.push_back(read_file(path));
    is_right = is_judged_right(path, corpus.back()) && is_right;
  }
  if (!is_right) return 1;
  const int64_t mutations = std::stoll(argv[2]);
  Mutator mutate(corpus, static_cast<uint32_t>(std::stoul(argv[3])));
  int64_t accepted = 0;
  for (int64_t i = 0; i < mutations; ++i) accepted += is_accepted(mutate()) ? 1 : 0;
  std::cout << corpus.size() << " files of the corpus judged right, " << accepted
            << " of " << mutations << " mutations accepted\n";
  return 0;
}
