/* model_names.c - what a person may write for MODEL. */
#include "store/model_names.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/file.h"

static bool is_name(const char *s)
{
    size_t n_colons = 0, i = 0;
    for (; s[i]; i++) {
        if (s[i] == ':')
            n_colons++;
        else if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
            return false;
    }
    return i > 0 && i < 200 && n_colons <= 1 && s[0] != '.' && s[0] != ':' && s[i - 1] != ':';
}

/* The folders that hold models, best first; entries may be NULL. All owned by the caller. */
enum { N_DIRS = 3 };
static int model_dirs(char *dirs[N_DIRS], sh_err *err)
{
    char *home = sh_home_dir(), *program = sh_program_dir();
    dirs[0] = home ? sh_path_join(home, "models") : NULL;
    dirs[1] = program ? sh_path_join(program, "../share/shoal/models") : NULL;
    dirs[2] = program ? sh_path_join(program, "../../models") : NULL;
    bool short_of_memory = (home && !dirs[0]) || (program && (!dirs[1] || !dirs[2]));
    sh_free(home);
    sh_free(program);
    if (!short_of_memory) return SH_OK;
    for (int i = 0; i < N_DIRS; i++) sh_free(dirs[i]);
    return sh_fail_nomem(err, 0);
}

static void free_dirs(char *dirs[N_DIRS])
{
    for (int i = 0; i < N_DIRS; i++) sh_free(dirs[i]);
}

/* dir/NAME, dir/NAME.gguf or dir/NAME.bin with ':' written as '-', or NULL. */
static char *find_in(const char *dir, const char *name)
{
    sh_buf b = {0};
    for (const char *p = name; *p; p++) sh_buf_putc(&b, *p == ':' ? '-' : *p);
    char *file = NULL, *path = NULL;
    static const char *const endings[] = {"", ".gguf", ".bin"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings && !path; i++) {
        size_t n = b.n;
        sh_buf_puts(&b, endings[i]);
        if (b.failed) break;
        file = sh_path_join(dir, b.p);
        if (file && sh_file_exists(file))
            path = file;
        else
            sh_free(file);
        b.n = n;
        b.p[n] = 0;
    }
    sh_buf_clear(&b);
    return path;
}

/* A name as it may stand in a one-line message. */
static void printable(char out[80], const char *name)
{
    size_t i = 0;
    for (; name[i] && i < 79; i++) out[i] = iscntrl((unsigned char)name[i]) ? '?' : name[i];
    out[i] = 0;
}

static int not_found(const char *model, sh_err *err)
{
    sh_name_entry *entries = NULL;
    size_t n = 0;
    sh_buf have = {0};
    char shown[80];
    printable(shown, model);
    if (sh_names_list(&entries, &n, NULL) == SH_OK)
        for (size_t i = 0; i < n && have.n < 60; i++)
            sh_buf_printf(&have, "%s%s", i ? ", " : "", entries[i].name);
    int rc = n ? sh_fail(err, SH_E_NOTFOUND,
                         "model '%s' was not found: no such file or folder here, and 'shoal list' has %s%s",
                         shown, have.p ? have.p : "", n > 1 && have.n >= 60 ? " ..." : "")
               : sh_fail(err, SH_E_NOTFOUND,
                         "model '%s' was not found: no such file or folder here, and no models are installed "
                         "('shoal help list' tells how)",
                         shown);
    sh_buf_clear(&have);
    sh_names_free(entries, n);
    return rc;
}

int sh_names_resolve(char **path, const char *model, sh_err *err)
{
    char *dirs[N_DIRS], *found = NULL;
    int rc;
    if (!model[0])
        return sh_fail(err, SH_E_INVALID, "model: empty name (expected a file, a folder or a model's name)");
    if (strchr(model, '/')) {
        if (!sh_file_exists(model)) {
            char shown[80];
            printable(shown, model);
            return sh_fail(err, SH_E_NOTFOUND, "%s%s: no such file or folder", shown,
                           strlen(model) > strlen(shown) ? "..." : "");
        }
        found = sh_strdup(model);
    } else if (is_name(model)) {
        if ((rc = model_dirs(dirs, err)) < 0) return rc;
        if (sh_file_exists(model)) found = sh_strdup(model);
        for (int i = 0; i < N_DIRS && !found; i++)
            if (dirs[i]) found = find_in(dirs[i], model);
        free_dirs(dirs);
        if (!found) return not_found(model, err);
    } else if (sh_file_exists(model)) {
        found = sh_strdup(model);
    } else {
        return not_found(model, err);
    }
    if (!found) return sh_fail_nomem(err, strlen(model) + 1);
    *path = found;
    return SH_OK;
}

char *sh_names_of_path(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *copy = sh_strndup(path, n);
    if (!copy) return NULL;
    const char *base = sh_path_base(copy);
    size_t len = strlen(base);
    if (sh_ends_with(base, ".gguf"))
        len -= 5;
    else if (sh_ends_with(base, ".safetensors"))
        len -= 12;
    else if (sh_ends_with(base, ".bin"))
        len -= 4;
    char *name = sh_strndup(base, len);
    sh_free(copy);
    return name;
}

typedef struct lister {
    sh_name_entry *entries;
    size_t n, cap;
    const char *dir;
    int is_bundled;
} lister;

static bool is_model(const char *path, const char *name)
{
    if (!sh_file_is_dir(path)) return sh_ends_with(name, ".gguf");
    char *config = sh_path_join(path, "config.json");
    bool yes = config && sh_file_exists(config);
    sh_free(config);
    return yes;
}

typedef struct weights_sum {
    const char *dir;
    uint64_t n_bytes;
} weights_sum;

static int add_weights(void *ud, const char *file)
{
    weights_sum *sum = ud;
    uint64_t n = 0;
    if (!sh_ends_with(file, ".safetensors") && !sh_ends_with(file, ".bin")) return SH_OK;
    char *path = sh_path_join(sum->dir, file);
    if (path && sh_file_size(path, &n, NULL) == SH_OK) sum->n_bytes += n;
    sh_free(path);
    return SH_OK;
}

/* A file's size; of a folder, that of its weights, which may be in several files. */
static uint64_t bytes_of(const char *path)
{
    weights_sum sum = {.dir = path};
    if (sh_file_is_dir(path))
        sh_dir_each(path, add_weights, &sum, NULL);
    else
        sh_file_size(path, &sum.n_bytes, NULL);
    return sum.n_bytes;
}

static int list_one(void *ud, const char *file)
{
    lister *l = ud;
    char *path = sh_path_join(l->dir, file), *name = sh_names_of_path(file);
    if (!path || !name) goto nomem;
    bool known = !is_model(path, file);
    for (size_t i = 0; i < l->n && !known; i++) known = strcmp(l->entries[i].name, name) == 0;
    if (known) {
        sh_free(path);
        sh_free(name);
        return SH_OK;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        sh_name_entry *grown = sh_realloc(l->entries, cap, sizeof *grown);
        if (!grown) goto nomem;
        l->entries = grown;
        l->cap = cap;
    }
    uint64_t mtime_us = 0;
    sh_file_mtime_us(path, &mtime_us, NULL);
    l->entries[l->n++] =
        (sh_name_entry){name, path, bytes_of(path), (int64_t)(mtime_us / 1000000), l->is_bundled};
    return SH_OK;
nomem:
    sh_free(path);
    sh_free(name);
    return SH_E_NOMEM;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sh_name_entry *)a)->name, ((const sh_name_entry *)b)->name);
}

int sh_names_list(sh_name_entry **out, size_t *n, sh_err *err)
{
    char *dirs[N_DIRS];
    int rc = model_dirs(dirs, err);
    if (rc < 0) return rc;
    lister l = {0};
    for (int i = 0; i < N_DIRS && rc == SH_OK; i++) {
        if (!dirs[i] || !sh_file_is_dir(dirs[i])) continue;
        l.dir = dirs[i];
        l.is_bundled = i > 0;
        rc = sh_dir_each(dirs[i], list_one, &l, err);
    }
    free_dirs(dirs);
    if (rc < 0) {
        sh_names_free(l.entries, l.n);
        return rc == SH_E_NOMEM ? sh_fail_nomem(err, 0) : rc;
    }
    if (l.n) qsort(l.entries, l.n, sizeof *l.entries, by_name);
    *out = l.entries;
    *n = l.n;
    return SH_OK;
}

void sh_names_free(sh_name_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sh_free(entries[i].name);
        sh_free(entries[i].path);
    }
    sh_free(entries);
}
