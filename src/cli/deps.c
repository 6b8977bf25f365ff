/* deps.c - the libraries this program was built with. Versions are those of the library that is loaded where
 * it can say. */
#include "cli/deps.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <histedit.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pcre2.h>
#include <protobuf-c/protobuf-c.h>
#include <utf8proc.h>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

size_t sh_deps(sh_dep out[SH_DEPS_MAX])
{
    static const char pcre2[] = STRING(PCRE2_MAJOR) "." STRING(PCRE2_MINOR),
                      edit[] = STRING(LIBEDIT_MAJOR) "." STRING(LIBEDIT_MINOR);
    const sh_dep rows[] = {
        {"jansson", JANSSON_VERSION, "JSON"},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING), "SHA-256"},
        {"pcre2", pcre2, "patterns of tokenizers"},
        {"utf8proc", utf8proc_version(), "Unicode tables"},
        {"protobuf-c", protobuf_c_version(), "sentencepiece models"},
        {"libmicrohttpd", MHD_get_version(), "HTTP server"},
        {"libedit", edit, "line editing"},
    };
    size_t n = sizeof rows / sizeof *rows;
    for (size_t i = 0; i < n; i++) out[i] = rows[i];
    return n;
}

const char *sh_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
