/* cgroup_internal.h - the limits of control groups, version 2. */
#ifndef SH_OS_LINUX_CGROUP_INTERNAL_H
#define SH_OS_LINUX_CGROUP_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* The least of what `limit` says for the folder of this process's group and of every group above it up to `root`, the
 * mount point. UINT64_MAX when nothing limits. */
uint64_t sh_cgroup_least(const char *root, uint64_t (*limit)(const char *dir));
/* The same for the group that `membership` (a text like /proc/self/cgroup) names. */
uint64_t sh_cgroup_least_of(const char *root, const char *membership, uint64_t (*limit)(const char *dir));
/* Cores allowed by dir/cpu.max, rounded up: at least 1, UINT64_MAX without a limit. */
uint64_t sh_cgroup_cpus(const char *dir);

#endif
