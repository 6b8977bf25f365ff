/* cgroup_internal.h - the CPU quota of control groups, version 2. */
#ifndef SH_OS_LINUX_CGROUP_INTERNAL_H
#define SH_OS_LINUX_CGROUP_INTERNAL_H

#include <stddef.h>

/* Cores allowed by cpu.max of the group that `membership` (the text of /proc/self/cgroup) names and of every group
 * above it, with `root` the mount point; rounded up, at least 1. SIZE_MAX when nothing limits. */
size_t sh_cgroup_cpus(const char *root, const char *membership);

#endif
