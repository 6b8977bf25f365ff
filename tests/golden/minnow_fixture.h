/* golden/minnow_fixture.h - the runtime and the small story model that a group of engine tests shares. Included by the
 * one file of such a test program. */
#ifndef SH_GOLDEN_MINNOW_FIXTURE_H
#define SH_GOLDEN_MINNOW_FIXTURE_H

#include "golden/engine_golden.h"

static sh_runtime *rt;
static sh_model *minnow;

static int minnow_open(void **state)
{
    (void)state;
    rt = rt_open(NULL, 2);
    minnow = model_open(rt, MINNOW);
    return 0;
}

static int minnow_close(void **state)
{
    (void)state;
    sh_model_free(minnow);
    sh_runtime_free(rt);
    return 0;
}

static bool minnow_is_here(void)
{
    if (sh_file_exists(MINNOW "/config.json")) return true;
    printf("skipped: no reference data at " MINNOW "\n");
    return false;
}

#endif
