/* file.h - files: whole reads with a limit, mapping, atomic replacement, folders, well-known places.
 * Paths are UTF-8, borrowed for the call. Every message names the path. */
#ifndef SH_OS_FILE_H
#define SH_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Read the whole file, at most max_bytes (SH_E_LIMIT beyond), appended to out. "-" is standard input. */
int sh_file_read(const char *path, size_t max_bytes, sh_buf *out, sh_err *err);
/* Write a file so that a reader, or a machine that loses power, sees the old content or the new, never a mix:
 * temp file beside it, fsync, rename, fsync of the folder. */
int sh_file_write(const char *path, const void *data, size_t n, sh_err *err);
bool sh_file_exists(const char *path); /* any kind of entry */
bool sh_file_is_dir(const char *path);
int sh_file_size(const char *path, uint64_t *out, sh_err *err);
int sh_file_mtime_us(const char *path, uint64_t *out, sh_err *err);
int sh_file_remove(const char *path, sh_err *err);
int sh_dir_make(const char *path, sh_err *err); /* with parents, mode 0700; fine when it exists */
/* Call fn for each entry but "." and "..", in byte order of names; a non-zero return ends it and is returned. */
int sh_dir_each(const char *path, int (*fn)(void *ud, const char *name), void *ud, sh_err *err);
/* "a/b": dir of path ("." when there is none), joined with name. Owned by the caller; NULL when out of memory. */
char *sh_path_sibling(const char *path, const char *name);
char *sh_path_join(const char *dir, const char *name);
const char *sh_path_base(const char *path); /* points into path, after the last slash */

/* A file written in pieces that becomes visible at commit. free without commit removes it. */
typedef struct sh_writer sh_writer;
int sh_writer_open(sh_writer **out, const char *path, sh_err *err);
int sh_writer_add(sh_writer *w, const void *data, size_t n, sh_err *err);
uint64_t sh_writer_offset(const sh_writer *w); /* bytes added so far */
int sh_writer_commit(sh_writer *w, sh_err *err);
void sh_writer_free(sh_writer *w);

/* A read-only mapping of a whole regular file. A file that shrinks under us would raise SIGBUS on access: model files
 * are replaced by rename, never truncated (DESIGN 4). An empty file gives data != NULL, n == 0. */
typedef struct sh_map_file {
    const uint8_t *data;
    size_t n;
} sh_map_file;
int sh_map_file_open(sh_map_file *out, const char *path, sh_err *err);
void sh_map_file_close(sh_map_file *m);
void sh_map_file_will_need(const void *p, size_t n); /* hint: read ahead */
void sh_map_file_dont_need(const void *p, size_t n); /* hint: drop clean pages wholly inside the range */

/* Zeroed anonymous memory that costs nothing until touched, page-aligned, huge pages advised. */
void *sh_pages_alloc(size_t n_bytes);
void sh_pages_free(void *p, size_t n_bytes);

/* $SHOAL_HOME, else $XDG_DATA_HOME/shoal, else ~/.local/share/shoal. Owned by the caller. */
char *sh_home_dir(void);
/* Folder of the running program, or NULL. Owned by the caller. */
char *sh_program_dir(void);

#endif
