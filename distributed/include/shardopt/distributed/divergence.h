/// Whether ranks that should hold the same state do.
#pragma once

#include <string>
#include <vector>

namespace shardopt {
struct StateTree;
}

namespace shardopt::distributed {

class Communicator;
class Mesh;

/// Names of the entries of `state`, as "optimizer/groups/decay/lr", that are not the
/// same bytes wherever they should be: values and replicated tensors on all ranks, cut
/// tensors on the ranks that hold the same rows. Tensors that are each rank's own, or
/// whose first rank's counts, are no entries. If ranks have other entries than each
/// other, "(entries)" stands for them; if only rows that this rank does not hold
/// differ, "(rows of another rank)". Empty on one rank only if empty on all. Digests
/// are compared, in a few small collectives. Collective.
[[nodiscard]] std::vector<std::string> diverged_entries(const Mesh& mesh,
                                                        const StateTree& state);

/// The same over all ranks and, if there are copies, those that hold the same rows.
[[nodiscard]] std::vector<std::string> diverged_entries(Communicator& world,
                                                        Communicator* replicate,
                                                        const StateTree& state);

}  // namespace shardopt::distributed
