/* unit/tmpdir.h - a folder of a test's own, below $TMPDIR or /tmp, and its removal with all it holds. */
#ifndef SH_UNIT_TMPDIR_H
#define SH_UNIT_TMPDIR_H

#include "unit/test.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline char *tmpdir_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(4096);
    assert_non_null(path);
    snprintf(path, 4096, "%s/shoal-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

/* dir/name; the string lives until the next four calls. */
static inline const char *tmpdir_path(const char *dir, const char *name)
{
    static char paths[4][4400];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* Write dir/name with the text, making folders of name that are missing. */
static inline void tmpdir_write(const char *dir, const char *name, const char *text)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static inline int tmpdir_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void tmpdir_remove(char *path)
{
    assert_int_equal(nftw(path, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(path);
}

#endif
