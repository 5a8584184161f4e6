// SPDX-License-Identifier: Apache-2.0
/* A plugin of QEMU that counts how often every block of guest code ran, and writes "ADDRESS INSTRUCTIONS TIMES" lines to
 * the file `out=` when the emulator ends. What it calls is declared here, after docs/devel/tcg-plugins of QEMU 7.2:
 * Debian packages no header for it.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { ADD_U64 = 0 };

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *where, uint64_t what);

EXPORT int qemu_plugin_version = 1;

/* One address may begin blocks of different lengths, and one block is translated many times. */
struct block {
    uint64_t address, instructions, times;
    struct block *next;
};

enum { BUCKET_BITS = 18 };
static struct block *buckets[1 << BUCKET_BITS];
static const char *out;

static struct block *find(uint64_t address, uint64_t instructions)
{
    struct block **at = &buckets[address * 0x9e3779b97f4a7c15u >> (64 - BUCKET_BITS)];
    while (*at && ((*at)->address != address || (*at)->instructions != instructions))
        at = &(*at)->next;
    if (!*at) {
        *at = calloc(1, sizeof **at);
        (*at)->address = address;
        (*at)->instructions = instructions;
    }
    return *at;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    struct block *b = find(qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb));
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &b->times, 1);
}

static void ended(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    FILE *file = fopen(out, "w");
    if (!file) {
        perror(out);
        return;
    }
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; ++i)
        for (const struct block *b = buckets[i]; b; b = b->next)
            if (b->times)
                fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address, b->instructions, b->times);
    fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i)
        if (strncmp(argv[i], "out=", 4) == 0)
            out = strdup(argv[i] + 4);
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
