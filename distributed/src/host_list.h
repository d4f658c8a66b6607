/// The short forms in which Slurm writes hosts and numbers of tasks.
#pragma once

#include <string>
#include <string_view>

namespace shardopt::distributed {

/// The first host of `list`, such as "node01" of "node[01-03,07],gpu5" or "r2n8" of
/// "r[2-3]n[8,9]". Throws ConfigError, naming `name`, if `list` is no list of hosts.
[[nodiscard]] std::string first_host(const std::string& name, std::string_view list);

/// How many tasks the node with index `node` has by `counts`: with "2(x3),1" nodes 0 to
/// 2 have two, node 3 has one. Throws ConfigError, naming `name`, if `counts` is no
/// such list or ends before `node`.
[[nodiscard]] int tasks_on_node(const std::string& name, std::string_view counts,
                                int node);

}  // namespace shardopt::distributed
