/// The Protobuf schema as plain values, for those who do not see Protobuf.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shardopt::config {

struct SchemaField {
  std::string path;  ///< "optimizer.muon.adamw.lr"; entry 0 stands for a list's.
  std::string type;  ///< As Option::type, or "named values".
};

/// Every field that holds a value, in the schema's order.
[[nodiscard]] std::vector<SchemaField> schema_fields();

/// What is wrong with `path` as the name of a field that holds a value, "" if nothing
/// is. Entries of lists have an index, of any size: "optimizer.group[3].lr".
[[nodiscard]] std::string path_problem(std::string_view path);

}  // namespace shardopt::config
