#include "nvmf/buffer_holders.h"

#include "nvmf/controller.h"
#include "nvmf/name_space.h"

namespace causeway::nvmf {

core::buffer_holders buffer_holders_of(const qpair& q, const nvme::command& c) noexcept {
    core::buffer_holders h;
    if (q.controller)
        h.host = q.controller->host_number();
    if (const core_namespace* ns = q.namespaces ? q.namespaces->find(c.nsid) : nullptr)
        h.ns = ns->generation;
    if (nvme::transfer_of(c.opcode) == nvme::data_transfer::controller_to_host)
        h.first = core::buffer_user::ns;
    return h;
}

}  // namespace causeway::nvmf
