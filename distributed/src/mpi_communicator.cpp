#include "shardopt/distributed/mpi_communicator.h"

#include <utility>

#include "mpi_job.h"
#include "mpi_transport.h"

namespace shardopt::distributed {

std::unique_ptr<Communicator> make_mpi_communicator(MpiOptions options,
                                                    GroupContext context) {
  auto group = make_mpi_group(options, context);
  return make_transport_communicator(make_mpi_transport(std::move(group)),
                                     std::move(context));
}

}  // namespace shardopt::distributed
