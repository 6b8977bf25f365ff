/* answer_form.c - the grammar that --grammar, --json-schema or --format asks for. */
#include "cli/answer_form.h"

#include <string.h>

#include "base/buf.h"
#include "os/file.h"

enum { MAX_FILE_BYTES = 8 << 20 };

/* A schema given in place of a file's name begins as JSON does. */
static bool is_json(const char *s)
{
    s += strspn(s, " \t\r\n");
    return *s == '{' || strcmp(s, "true") == 0 || strcmp(s, "false") == 0;
}

static int read_schema(sh_grammar **out, const char *given, sh_err *err)
{
    sh_buf text = {0};
    if (is_json(given)) return sh_grammar_from_json_schema(out, given, strlen(given), "--json-schema", err);
    int rc = sh_file_read(given, MAX_FILE_BYTES, &text, err);
    if (rc == SH_OK) rc = sh_grammar_from_json_schema(out, sh_buf_str(&text).p, text.n, given, err);
    sh_buf_clear(&text);
    return rc;
}

static int read_grammar(sh_grammar **out, const char *path, sh_err *err)
{
    sh_buf text = {0};
    int rc = sh_file_read(path, MAX_FILE_BYTES, &text, err);
    if (rc == SH_OK) rc = sh_grammar_from_gbnf(out, sh_buf_str(&text).p, text.n, path, err);
    sh_buf_clear(&text);
    return rc;
}

int sh_grammar_from_args(sh_grammar **out, const sh_args *args, sh_err *err)
{
    const char *grammar = sh_args_str(args, "grammar", NULL),
               *schema = sh_args_str(args, "json-schema", NULL);
    bool json = strcmp(sh_args_str(args, "format", "text"), "json") == 0;
    *out = NULL;
    if ((grammar != NULL) + (schema != NULL) + json > 1)
        return sh_fail(err, SH_E_INVALID, "--grammar, --json-schema and --format json exclude each other");
    if (grammar) return read_grammar(out, grammar, err);
    if (schema) return read_schema(out, schema, err);
    return json ? sh_grammar_from_json_object(out, err) : SH_OK;
}
