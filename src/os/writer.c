/* writer.c - atomic replacement of a file.
 *
 *   open    creates DIR/.shoal-RANDOM.tmp beside the target
 *   add     gathers bytes and writes them there
 *   commit  fsync of the temp file, rename over the target, fsync of DIR
 *
 * Until the rename the old file is untouched; after it the new one is whole. A crash in between leaves a hidden temp
 * file and nothing else. A device or pipe (/dev/stdout, /dev/null) cannot be replaced: it is written straight. */
#include "os/file.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/sys_internal.h"

enum { GATHER = 1 << 17, TEMP_TRIES = 16 };

struct sh_writer {
    char *path, *temp; /* temp is NULL when path is written straight, and after the rename */
    int fd;
    bool failed;
    uint64_t offset;
    size_t n; /* bytes waiting in data */
    char data[GATHER];
};

/* The file that the bytes go to: the target of a symbolic link, so that the link itself stays. */
static int resolve(sh_writer *w, const char *path, sh_err *err)
{
    char real[PATH_MAX];
    w->path = sh_strdup(realpath(path, real) ? real : path);
    return w->path ? SH_OK : sh_fail_nomem(err, strlen(path) + 1);
}

static int open_temp(sh_writer *w, const struct stat *old, sh_err *err)
{
    for (int i = 0; i < TEMP_TRIES; i++) {
        uint64_t id;
        char name[40];
        if (sh_os_entropy(&id, sizeof id)) return sh_fail(err, SH_E_IO, "%s: no random bytes for a temp file", w->path);
        snprintf(name, sizeof name, ".shoal-%016llx.tmp", (unsigned long long)id);
        char *temp = sh_path_sibling(w->path, name);
        if (!temp) return sh_fail_nomem(err, strlen(w->path) + sizeof name);
        w->fd = sys_open(temp, O_WRONLY | O_CREAT | O_EXCL, old ? old->st_mode & 07777 : 0666);
        if (w->fd >= 0) {
            w->temp = temp;
            break;
        }
        sh_free(temp);
        if (errno != EEXIST) return sh_fail_os(err, errno, "%s: cannot be written", w->path);
    }
    if (w->fd < 0) return sh_fail(err, SH_E_IO, "%s: no free name for a temp file", w->path);
    /* The umask may have cut what the old file allowed. */
    if (old && sys_fchmod(w->fd, old->st_mode & 07777) < 0)
        return sh_fail_os(err, errno, "%s: its permissions cannot be kept", w->path);
    return SH_OK;
}

static int open_target(sh_writer *w, const char *path, sh_err *err)
{
    struct stat st;
    int rc;
    bool exists = sys_stat(path, &st) == 0;
    if (!exists && errno != ENOENT) return sh_fail_os(err, errno, "%s: cannot be written", path);
    if (exists && S_ISDIR(st.st_mode))
        return sh_fail(err, SH_E_EXISTS, "%s: is a folder, a file was to be written", path);
    if (exists && !S_ISREG(st.st_mode)) {
        if (!(w->path = sh_strdup(path))) return sh_fail_nomem(err, strlen(path) + 1);
        w->fd = sys_open(path, O_WRONLY, 0);
        return w->fd < 0 ? sh_fail_os(err, errno, "%s: cannot be written", path) : SH_OK;
    }
    if ((rc = resolve(w, path, err)) < 0) return rc;
    return open_temp(w, exists ? &st : NULL, err);
}

int sh_writer_open(sh_writer **out, const char *path, sh_err *err)
{
    sh_writer *w = sh_new(sizeof *w, err);
    if (!w) return SH_E_NOMEM;
    w->fd = -1;
    int rc = open_target(w, path, err);
    if (rc < 0)
        sh_writer_free(w);
    else
        *out = w;
    return rc;
}

static int write_all(sh_writer *w, const char *p, size_t n, sh_err *err)
{
    while (n) {
        ssize_t done = sys_write(w->fd, p, n);
        if (done <= 0) {
            w->failed = true;
            return sh_fail_os(err, done < 0 ? errno : EIO, "%s: cannot be written", w->path);
        }
        p += done;
        n -= (size_t)done;
    }
    return SH_OK;
}

static int flush(sh_writer *w, sh_err *err)
{
    size_t n = w->n;
    w->n = 0;
    return write_all(w, w->data, n, err);
}

int sh_writer_add(sh_writer *w, const void *data, size_t n, sh_err *err)
{
    int rc;
    if (w->failed) return sh_fail(err, SH_E_IO, "%s: an earlier write failed", w->path);
    w->offset += n;
    if (n <= GATHER - w->n) {
        if (n) memcpy(w->data + w->n, data, n);
        w->n += n;
        return SH_OK;
    }
    if ((rc = flush(w, err)) < 0) return rc;
    if (n >= GATHER) return write_all(w, data, n, err);
    memcpy(w->data, data, n);
    w->n = n;
    return SH_OK;
}

uint64_t sh_writer_offset(const sh_writer *w) { return w->offset; }

/* Make the rename itself durable. Some file systems cannot sync a folder and say EINVAL: nothing more can be done. */
static int sync_folder(int fd, const char *path, sh_err *err)
{
    if (sys_fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP) return SH_OK;
    return sh_fail_os(err, errno, "%s: its folder cannot be synced", path);
}

static int publish(sh_writer *w, sh_err *err)
{
    int rc = SH_OK, dir = -1;
    char *folder = sh_path_sibling(w->path, "");
    if (!folder) return sh_fail_nomem(err, strlen(w->path));
    /* Opened before the rename: after it nothing that can be known earlier may fail. */
    dir = sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
    sh_free(folder);
    if (dir < 0) return sh_fail_os(err, errno, "%s: its folder cannot be opened", w->path);
    if (sys_fsync(w->fd) < 0) {
        rc = sh_fail_os(err, errno, "%s: cannot be synced", w->path);
        goto out;
    }
    int fd = w->fd;
    w->fd = -1;
    if (sys_close(fd) < 0) {
        rc = sh_fail_os(err, errno, "%s: cannot be closed", w->path);
        goto out;
    }
    if (sys_rename(w->temp, w->path) < 0) {
        rc = sh_fail_os(err, errno, "%s: cannot be replaced", w->path);
        goto out;
    }
    sh_free(w->temp);
    w->temp = NULL;
    rc = sync_folder(dir, w->path, err);
out:
    close(dir);
    return rc;
}

int sh_writer_commit(sh_writer *w, sh_err *err)
{
    int rc;
    if (w->failed) return sh_fail(err, SH_E_IO, "%s: an earlier write failed", w->path);
    if (w->fd < 0) return sh_fail(err, SH_E_INVALID, "%s: was committed before", w->path);
    if ((rc = flush(w, err)) < 0) return rc;
    if (w->temp) {
        rc = publish(w, err);
    } else {
        int fd = w->fd;
        w->fd = -1;
        if (sys_close(fd) < 0) rc = sh_fail_os(err, errno, "%s: cannot be closed", w->path);
    }
    if (rc < 0) w->failed = true;
    return rc;
}

void sh_writer_free(sh_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->temp) unlink(w->temp);
    sh_free(w->temp);
    sh_free(w->path);
    sh_free(w);
}

int sh_file_write(const char *path, const void *data, size_t n, sh_err *err)
{
    sh_writer *w = NULL;
    int rc;
    if ((rc = sh_writer_open(&w, path, err)) < 0) goto out;
    if ((rc = sh_writer_add(w, data, n, err)) < 0) goto out;
    rc = sh_writer_commit(w, err);
out:
    sh_writer_free(w);
    return rc;
}
