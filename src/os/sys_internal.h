/* sys_internal.h - the system calls of os/, each of which a test can make fail (base/fault.h).
 * An injected failure looks like EIO, and never leaks what the real call would have released. */
#ifndef SH_OS_SYS_INTERNAL_H
#define SH_OS_SYS_INTERNAL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

static inline bool sys_fails(void)
{
    if (!SH_FAULT(SH_FAULT_SYSCALL)) return false;
    errno = EIO;
    return true;
}

static inline int sys_open(const char *path, int flags, mode_t mode)
{
    if (sys_fails()) return -1;
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static inline ssize_t sys_read(int fd, void *p, size_t n)
{
    if (sys_fails()) return -1;
    ssize_t got;
    do got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static inline ssize_t sys_write(int fd, const void *p, size_t n)
{
    if (sys_fails()) return -1;
    ssize_t done;
    do done = write(fd, p, n);
    while (done < 0 && errno == EINTR);
    return done;
}

/* The descriptor is gone afterwards in any case: Linux closes it even when it reports an error. */
static inline int sys_close(int fd)
{
    bool fails = sys_fails();
    int rc = close(fd);
    if (fails) errno = EIO;
    return fails ? -1 : rc;
}

static inline int sys_fsync(int fd) { return sys_fails() ? -1 : fsync(fd); }
static inline int sys_fchmod(int fd, mode_t mode) { return sys_fails() ? -1 : fchmod(fd, mode); }
static inline int sys_fstat(int fd, struct stat *st) { return sys_fails() ? -1 : fstat(fd, st); }
static inline int sys_stat(const char *path, struct stat *st) { return sys_fails() ? -1 : stat(path, st); }
static inline int sys_rename(const char *from, const char *to) { return sys_fails() ? -1 : rename(from, to); }
static inline int sys_remove(const char *path) { return sys_fails() ? -1 : remove(path); }
static inline int sys_mkdir(const char *path, mode_t mode) { return sys_fails() ? -1 : mkdir(path, mode); }
static inline DIR *sys_opendir(const char *path) { return sys_fails() ? NULL : opendir(path); }

/* NULL with errno 0 at the end of the folder. */
static inline struct dirent *sys_readdir(DIR *dir)
{
    if (sys_fails()) return NULL;
    errno = 0;
    return readdir(dir);
}

static inline void *sys_mmap(size_t n, int prot, int flags, int fd)
{
    return sys_fails() ? MAP_FAILED : mmap(NULL, n, prot, flags, fd, 0);
}

#endif
