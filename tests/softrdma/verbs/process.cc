// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/process.h"

#include "tests/softrdma/settings.h"
#include "tests/softrdma/verbs/faults.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/record.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

namespace softrdma {

namespace {

// Address space, not memory: pages come as they are touched.
constexpr std::uint64_t segment_size = 8ull << 30;

std::atomic<process*> the_process{nullptr};
std::mutex making;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "softrdma: %s: %s\n", what, std::strerror(errno));
    std::abort();
}

}  // namespace

process* process::if_any() noexcept {
    return the_process.load(std::memory_order_acquire);
}

process& process::self() {
    if (process* p = if_any())
        return *p;
    std::lock_guard hold(making);
    if (process* p = if_any())
        return *p;
    const int memory_fd = ::memfd_create("softrdma", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory_fd < 0 || ::ftruncate(memory_fd, segment_size) != 0)
        die("cannot make shared memory");
    // Peers map it, and must not be killed for it.
    ::fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    void* mapped = ::mmap(nullptr, segment_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory_fd, 0);
    const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mapped == MAP_FAILED || wake_fd < 0)
        die("cannot map shared memory");
    // Data goes from one process' memory to the other's without a copy in between: that is a debugger's right.
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);

    auto* memory = static_cast<segment*>(mapped);
    memory->size = segment_size;
    memory->pid = ::getpid();
    memory->wake_fd = wake_fd;
    while (memory->instance == 0)
        if (::getrandom(&memory->instance, sizeof memory->instance, 0) != sizeof memory->instance)
            die("cannot draw a name");
    memory->magic = segment::magic_word;
    record::start();
    auto* p = new process(memory, memory_fd, wake_fd);
    static std::once_flag once;
    std::call_once(once, [] { ::pthread_atfork(nullptr, nullptr, [] { the_process.store(nullptr); }); });
    the_process.store(p, std::memory_order_release);
    p->engine_->start();
    faults::start();
    return *p;
}

process::process(segment* memory, int memory_fd, int wake_fd)
    : segment_(memory), memory_fd_(memory_fd), heap_(*memory, (sizeof(segment) + 4095) / 4096 * 4096),
      engine_(std::make_unique<engine>(*this, wake_fd)) {}

std::string process::door(std::uint64_t instance) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(instance));
    return std::string(1, '\0') + "softrdma/" + domain() + "/process/" + text;
}

queue_pair* process::find(std::uint32_t number) noexcept {
    queue_pair* q = queue_pairs[queue_pair_place(number)].load(std::memory_order_acquire);
    return q && q->number() == number ? q : nullptr;
}

}  // namespace softrdma
