#include "tests/softrdma/cm/record.h"

#include "tests/softrdma/cm/world.h"
#include "tests/softrdma/common/settings.h"

#include <fcntl.h>
#include <unistd.h>

namespace softrdma::cm {

namespace {

__attribute__((destructor)) void tell() {
    const std::string where = setting("SOFTRDMA_RECORD");
    if (where.empty())
        return;
    // A thread that was ended in the middle of something must not hold up the end of the process.
    locked l(the_world().lock, std::try_to_lock);
    if (!l)
        return;
    const counts c = the_world().count;
    l.unlock();
    if (c.asked + c.accepted + c.rejected + c.established + c.disconnected == 0)
        return;
    const std::string line = "softrdma cm: asked " + std::to_string(c.asked) + ", accepted " +
                             std::to_string(c.accepted) + ", rejected " + std::to_string(c.rejected) +
                             ", established " + std::to_string(c.established) + ", disconnected " +
                             std::to_string(c.disconnected) + "\n";
    const int fd =
        where == "-" ? STDERR_FILENO : ::open(where.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
    if (fd != STDERR_FILENO)
        ::close(fd);
}

} // namespace

} // namespace softrdma::cm
