/* unit/test.h - cmocka with what it needs before it, and two short forms. */
#ifndef SH_UNIT_TEST_H
#define SH_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <shoal/err.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* rc is SH_OK; otherwise the message of *err (may be NULL) is printed. */
#define assert_ok(rc, err) assert_ok_at((rc), (err), __FILE__, __LINE__)
static inline void assert_ok_at(int rc, const sh_err *err, const char *file, int line)
{
    if (rc == SH_OK) return;
    print_error("code %d (%s): %s\n", rc, sh_code_text(rc), err ? err->msg : "");
    _fail(file, line);
}

#endif
